"""The page /privacy, as a browser without JavaScript sees it."""

import re
from uuid import UUID

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from operational_api.compliance.public import shown_kinds, storable_kinds
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


def save(browser: TestClient, *ticked: str, part: str = "devices") -> str:
    """Submit the form with these boxes ticked; what the page says then."""
    found = re.search(r'name="csrf_token" value="(\w+)"', browser.get("/privacy").text)
    assert found
    answer = browser.post("/privacy", data={"csrf_token": found[1], "choice": list(ticked), "part": part})
    assert answer.status_code == 303
    return browser.get(answer.headers["location"]).text


def test_of_devices_nothing_is_ticked_before_anybody_decided(browser: TestClient) -> None:
    page = browser.get("/privacy").text
    assert page.count('type="checkbox"') == 10
    assert set(re.findall(r'value="([\w:]+)"[^>]* checked', page)) == {"training:coaching", "injuries:coaching"}
    assert "Until you decide, nothing that devices send is kept." in page


def test_what_is_ticked_is_given_and_what_was_given_and_is_not_ticked_is_withdrawn(
    session: Session, browser: TestClient, mia: UUID
) -> None:
    page = save(browser, "sleep:coaching", "sleep:modelling", "daily:coaching")
    assert "Saved." in page
    assert page.count(" checked") == 3 + 2
    assert storable_kinds(session, [mia]) == {(mia, "sleep"), (mia, "daily")}
    page = save(browser, "daily:coaching")
    assert "Withdrawn. We are deleting what we were sent about your sleep." in page
    assert storable_kinds(session, [mia]) == {(mia, "daily")}
    assert "Nothing changed." in save(browser, "daily:coaching")


def test_predicting_alone_is_not_given(session: Session, browser: TestClient, mia: UUID) -> None:
    save(browser, "sleep:modelling")
    assert consents.current(session, mia) == {}


def test_what_is_entered_here_is_shown_until_the_customer_says_no(
    session: Session, browser: TestClient, mia: UUID
) -> None:
    assert shown_kinds(session, [mia])[mia] == {"training", "injuries"}
    assert "Nothing changed." in save(browser, "training:coaching", "injuries:coaching", part="entered")
    assert "Saved." in save(browser, "training:coaching", part="entered")
    assert shown_kinds(session, [mia])[mia] == {"training"}
    save(browser, "sleep:coaching")
    assert shown_kinds(session, [mia])[mia] == {"training", "sleep"}
    assert "Saved." in save(browser, "training:coaching", "injuries:coaching", part="entered")
    assert shown_kinds(session, [mia])[mia] == {"training", "injuries", "sleep"}


def test_it_is_for_customers(app: FastAPI, api: TestClient, mia: UUID) -> None:
    app.state.authenticators = [lambda _: Principal("coach", "app", mia, display_name="Kim")]
    assert api.get("/privacy", headers=HTML).status_code == 403
