"""Browsers of the staff."""

from collections.abc import Callable

import pytest
from fastapi import FastAPI
from sqlalchemy.orm import Session

from operational_api.core.principal import Principal
from operational_api.identity.models import Account
from tests.browser import Browser
from tests.factories import make_login_session

As = Callable[[Account], Browser]


@pytest.fixture
def signed_in(app: FastAPI, session: Session) -> As:
    """A browser of somebody who has just proved who they are; of the last one asked for, where there are several."""

    def browse(account: Account) -> Browser:
        login = make_login_session(session, account)
        who = Principal(
            account.role, "plyo-app", account.id, session_id=login.id, display_name=account.display_name
        )  # fmt: skip
        app.state.authenticators = [lambda _: who]
        browser = Browser(app)
        browser.get("/staff")
        return browser

    return browse
