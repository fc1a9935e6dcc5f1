"""What a menu shows is what opens, for every role and surface; what it does not show is refused by its address too."""

import re

import pytest
from fastapi import FastAPI
from sqlalchemy.orm import Session

from contracts.ids import new_id
from operational_api.core.principal import ROLES, Principal
from tests.browser import Browser
from tests.factories import make_account
from tests.operational_api.conftest import SignIn

PEOPLE = [role for role in ROLES if role != "service"]
ADMIN = ["overview", "metrics", "revenue", "retention", "automations", "coaches", "connectors", "data"]
COACH = ["today", "clients", "client", "numbers", "calendar", "messages"]


def screens(client, surface: str) -> list[str]:  # type: ignore[no-untyped-def]
    found = client.get("/api/gateway/screens", params={"surface": surface}).json()
    return [one["name"] for one in found["items"]]


class TestScreens:
    @pytest.mark.asvs("8.2.1")
    @pytest.mark.parametrize(
        ("role", "coach", "admin"),
        [
            ("customer", [], []),
            ("coach", COACH, []),
            ("lead_coach", COACH, []),
            ("front_desk", [], []),
            ("support", [], []),
            ("finance", [], ["metrics", "revenue", "data"]),
            ("data", [], ["metrics", "connectors", "data"]),
            ("admin", [], ADMIN),
        ],
    )
    def test_are_the_ones_that_open_for_the_role(
        self, session: Session, sign_in: SignIn, role: str, coach: list[str], admin: list[str]
    ) -> None:
        client = sign_in(make_account(session, role=role))
        assert screens(client, "coach") == coach
        assert screens(client, "admin") == admin

    @pytest.mark.parametrize("role", [None, *PEOPLE])
    def test_of_the_app_are_its_menu_and_open(self, app: FastAPI, role: str | None) -> None:
        person = Principal(role=role or "", client_id="plyo-app", account_id=new_id(), display_name="Mia")
        app.state.authenticators.append(lambda _: person if role else None)
        browser = Browser(app)
        page = browser.get("/design").text
        menu = {
            item.href
            for item in app.state.nav
            if f'href="{item.href}"' in page
            and re.search(rf'<a[^>]*href="{re.escape(item.href)}"[^>]*>', page.split("<main")[0])
        }
        consoles = {"/coach/", "/admin/", "/dagster/"}  # behind the gateway, not here
        for item in app.state.nav:
            if item.href in consoles | {"/account"}:  # an account of its own is needed to look at one
                continue
            answer = browser.get(item.href, follow_redirects=False)
            if item.is_for(person if role else None):
                assert item.href in menu, "what opens is shown"
                assert answer.status_code == 200, item.href
            elif item.action is not None and not item.for_guests:
                assert item.href not in menu
                assert answer.status_code in (303, 403), item.href
