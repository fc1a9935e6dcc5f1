"""Fixtures for tests that drive the API as a whole, over HTTP, on a database of their own."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from joserfc.jwk import RSAKey
from pydantic import SecretStr

from operational_api.app import create_app
from operational_api.settings import ApiSettings
from tests.conftest import sqlalchemy_url

ORIGIN = "http://127.0.0.1:8400"


@pytest.fixture(scope="session")
def signing_key_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A signing key of the test run."""
    path = tmp_path_factory.mktemp("keys") / "signing.pem"
    path.write_bytes(RSAKey.generate_key(2048).as_pem(private=True))
    return path


@pytest.fixture
def api_settings(fresh_database: Callable[[], str], signing_key_file: Path) -> ApiSettings:
    """Settings of an API on a migrated database of this test's own; commits are real."""
    return ApiSettings(
        public_url=ORIGIN,
        database_url=SecretStr(sqlalchemy_url(fresh_database())),
        signing_key_file=signing_key_file,
        session_secret=SecretStr("a secret for tests that is long enough"),
        stripe_api_base="http://127.0.0.1:12111",
    )


@pytest.fixture
def app(api_settings: ApiSettings) -> Iterator[FastAPI]:
    """The whole API. Pages: `tests.browser.Browser(app)`."""
    app = create_app(api_settings)
    yield app
    app.state.sessions.kw["bind"].dispose()
