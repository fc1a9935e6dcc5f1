"""The page /privacy, as a browser without JavaScript sees it."""

import re
from uuid import UUID

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from operational_api.compliance.public import storable_kinds
from operational_api.compliance.service import consents
from operational_api.core.principal import Principal
from tests.factories import make_client

HTML = {"Accept": "text/html"}


@pytest.fixture
def mia(session: Session) -> UUID:
    return make_client(session).id


@pytest.fixture
def browser(app: FastAPI, mia: UUID, api: TestClient) -> TestClient:
    app.state.authenticators = [lambda _: Principal("customer", "app", mia, display_name="Mia Maier")]
    api.headers.update(HTML)
    return api


def save(browser: TestClient, *ticked: str) -> str:
    """Submit the form with these boxes ticked; what the page says then."""
    found = re.search(r'name="csrf_token" value="(\w+)"', browser.get("/privacy").text)
    assert found
    answer = browser.post("/privacy", data={"csrf_token": found[1], "choice": list(ticked)})
    assert answer.status_code == 303
    return browser.get(answer.headers["location"]).text


def test_nothing_is_ticked_before_anybody_decided(browser: TestClient) -> None:
    page = browser.get("/privacy").text
    assert page.count('type="checkbox"') == 8
    assert " checked" not in page
    assert "Until you decide, nothing is kept." in page


def test_what_is_ticked_is_given_and_what_was_given_and_is_not_ticked_is_withdrawn(
    session: Session, browser: TestClient, mia: UUID
) -> None:
    page = save(browser, "sleep:coaching", "sleep:modelling", "daily:coaching")
    assert "Saved." in page
    assert page.count(" checked") == 3
    assert storable_kinds(session, [mia]) == {(mia, "sleep"), (mia, "daily")}
    page = save(browser, "daily:coaching")
    assert "Withdrawn. We are deleting what we were sent about your sleep." in page
    assert storable_kinds(session, [mia]) == {(mia, "daily")}
    assert "Nothing changed." in save(browser, "daily:coaching")


def test_predicting_alone_is_not_given(session: Session, browser: TestClient, mia: UUID) -> None:
    save(browser, "sleep:modelling")
    assert consents.current(session, mia) == {}


def test_it_is_for_customers(app: FastAPI, api: TestClient, mia: UUID) -> None:
    app.state.authenticators = [lambda _: Principal("coach", "app", mia, display_name="Kim")]
    assert api.get("/privacy", headers=HTML).status_code == 403
