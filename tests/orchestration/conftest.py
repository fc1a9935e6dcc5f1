"""The business lake of the dbt tests, a captured source, and Dagster runs on it in this process."""

from pathlib import Path

import pytest

from contracts.warehouse import WarehouseSettings
from ingestion.postgres_cdc import capture
from plyo.postgres import PostgresServer
from tests.dbt_project.lake import copied, environment
from tests.ingestion.conftest import Captured, captured

__all__ = ["captured"]


@pytest.fixture
def lake_environment(
    business_lake: WarehouseSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> WarehouseSettings:
    """The environment of a data process on the business lake; its settings are read when a run needs them."""
    for name, value in environment(business_lake, tmp_path / "target").items():
        monkeypatch.setenv(name, value)
    return business_lake


@pytest.fixture
def environment_of_a_copy(
    built_lake: WarehouseSettings, postgres: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> WarehouseSettings:
    """The environment of a data process on a copy of the built lake, which a test may build anew."""
    settings = copied(built_lake, postgres)
    for name, value in environment(settings, tmp_path / "target").items():
        monkeypatch.setenv(name, value)
    return settings


@pytest.fixture
def captured_environment(captured: Captured, monkeypatch: pytest.MonkeyPatch) -> Captured:
    """A captured table of three rows, and the environment of a data process."""
    for name, value in captured.settings.model_dump(exclude_none=True).items():
        told = value.get_secret_value() if hasattr(value, "get_secret_value") else str(value)
        monkeypatch.setenv(f"PLYO_{name.upper()}", told)
    captured.source.execute(
        "create table training.steps (id int primary key, note text); insert into training.steps values (1), (2), (3)"
    )
    capture.ensure_ready(captured.settings)
    return captured
