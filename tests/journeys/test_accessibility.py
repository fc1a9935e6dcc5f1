"""axe-core reads every page as somebody who cannot see it hears it, on a phone: names, landmarks, headings, contrast.

The app's pages are found by their routes, as the first role that opens each, in light and in dark; that part needs a
browser and not the stack. The consoles' are all that their menus have.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from fastapi import FastAPI
from playwright.sync_api import Browser, Page, expect

from plyo.logins import LOGINS, PASSWORD
from tests.fakes.stripe.testing import free_listener, served
from tests.journeys.conftest import PHONE, Person
from tests.operational_api.conftest import access_token, serve_app, signing_key_file
from tests.operational_api.matrix import ROLES_OF
from tests.operational_api.reach import OBJECTS
from tests.operational_api.world import World, asking_of, routes_of

__all__ = ["serve_app", "signing_key_file"]
pytestmark = pytest.mark.journey
FIRST = ("customer", "guest", "coach", "admin")
"""Roles in the order in which a page is opened as one of them."""
FRAGMENTS = ("/inbox/latest", "/messages/latest")
"""Parts that a page fetches for itself."""
SETTLED = """() => !document.querySelector("[data-testid=stStatusWidget], .pn-loading, [data-testid=stSpinner]")"""
NAMED = """() => {
  const inside = (one) => one.shadowRoot ? [one, ...parts(one.shadowRoot)] : [one];
  const parts = (root) => [...root.querySelectorAll("*")].flatMap(inside);
  const all = (kind) => parts(document).filter((one) => one.matches(kind));
  return all(".bk-btn-group .bk-btn").every((one) => one.ariaPressed)
    && all("[class*=layout-Column]").every((one) => one.inert === (one.ariaHidden === "true"));
}"""
"""The console's script has been over what is drawn: it does so a moment after."""
COACH = ("today", "clients", "client", "numbers", "calendar", "messages")
ADMIN = ("Overview", "Metrics", "Revenue", "Retention", "Automations", "Coaches", "Connectors", "Data")
WIDGETS_OF_OTHERS = {
    # Tabulator's grid has the box that scrolls and its buttons of pages for children; both are reached and named.
    "aria-required-children": ".tabulator",
    # Streamlit's field for files is a section that it calls none, and its button inside has the name.
    "presentation-role-conflict": "[data-testid=stFileUploaderDropzone]",
}
"""What we cannot mend: rule, and where it may be broken."""


@dataclass(frozen=True)
class Place:
    """A page of the app: where it is, and as whom it is opened."""

    path: str
    role: str


def wrong(page: Page, *, rules: list[str] | None = None) -> list[str]:
    """What axe-core finds on a page, a line for each element; what is wider than the page with it.

    Args:
        rules: Only these; all of them by default.
    """
    options: dict[str, Any] = {"resultTypes": ["violations"]}
    found = Axe().run(page, options=options | ({"runOnly": rules} if rules else {})).response["violations"]
    told = [
        f"{one['id']}: {node['html'][:160]} ({' '.join(node['failureSummary'].split())[:200]})"
        for one in found
        for node in one["nodes"]
        if not _is_of_others(one["id"], node)
    ]
    screen = page.viewport_size or PHONE
    if (width := page.evaluate("document.documentElement.scrollWidth")) > screen["width"]:
        told.append(f"wider than the screen: {width} px")
    return told


def _is_of_others(rule: str, node: dict[str, Any]) -> bool:
    mark = WIDGETS_OF_OTHERS.get(rule, "nothing").strip(".[]").replace("data-testid=", "")
    return mark in node["html"]


def places(app: FastAPI, world: World) -> list[Place]:
    """Every page there is, with this world's ids."""
    found = []
    for route in routes_of(app):
        if route.method != "GET" or route.in_description or route.path in FRAGMENTS:
            continue
        about, roles = OBJECTS.get(route.key), ROLES_OF[route.action or ""].split()
        if about:
            roles = [one for one in roles if one in (about.own or about.every).split()]
        role = next((one for one in FIRST if one in roles), roles[0])
        path = route.path
        if about:
            id_, (where, _, name) = world.own(about.of, role), about.at.partition(".")
            path = re.sub(r"{\w+}", str(id_), path) if where == "path" else f"{path}?{name}={id_}"
        found.append(Place(path, role))
    return found


@pytest.fixture
def app_and_world(
    fresh_database: Callable[[], str], serve_app: Callable[[str], FastAPI]
) -> Iterator[tuple[FastAPI, World, dict[str, str]]]:
    """The app on a database where everybody has one of everything, and a token of each role that lasts for the walk."""
    app = serve_app(fresh_database())
    with app.state.sessions.begin() as session:
        world = asking_of(app, session).world
        tokens = {
            role: access_token(app, account, expires_in=7200, session_id=world.personal[role]["session"])
            for role, account in world.people.items()
        }
    yield app, world, tokens
    app.state.sessions.kw["bind"].dispose()


def test_every_page_of_the_app(app_and_world: tuple[FastAPI, World, dict[str, str]], chromium: Browser) -> None:
    app, world, tokens = app_and_world
    listener = free_listener()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    pages: dict[str, Page] = {}
    read: list[str] = []
    heard: dict[str, list[str]] = {}
    with served(app, listener):
        for place in places(app, world):
            if place.role not in pages:
                headers = {} if place.role == "guest" else {"Authorization": f"Bearer {tokens[place.role]}"}
                context = chromium.new_context(
                    viewport=PHONE,
                    extra_http_headers=headers,
                    service_workers="block",
                    base_url=url,
                    reduced_motion="reduce",  # a button on its way to its dark colour is of neither
                )
                pages[place.role] = context.new_page()
            page = pages[place.role]
            kind = page.request.get(place.path, headers={"Accept": "text/html"}, max_redirects=0).headers
            if not kind.get("content-type", "").startswith("text/html"):
                continue  # a file, or a way to another page
            page.emulate_media(color_scheme="light")
            page.goto(place.path)
            read.append(place.path)
            found = wrong(page)
            page.emulate_media(color_scheme="dark")
            if found := found + [f"dark {one}" for one in wrong(page, rules=["color-contrast"])]:
                heard[f"{place.path} as {place.role}"] = found
        for page in pages.values():
            page.context.close()
    assert not heard, "\n".join(f"{path}\n  " + "\n  ".join(found) for path, found in heard.items())
    assert len(read) > 60, "the walk has found the pages"


def test_a_page_that_nobody_can_hear_is_found(chromium: Browser) -> None:
    """What the walk stands on: a field without a name, pale words and a page that is too wide."""
    page = chromium.new_page(viewport=PHONE)
    page.set_content(
        "<!doctype html><html lang=en><title>Bad</title><main><h1>Bad</h1><input>"
        "<p style='color:#bbb;background:#fff;width:900px'>Pale</p></main>"
    )
    assert [one.split(":")[0] for one in wrong(page)] == ["color-contrast", "label", "wider than the screen"]
    page.close()


def test_every_page_of_the_coach_console(somebody: Callable[[], Person]) -> None:
    coach = somebody()
    page = coach.open("/coach/")
    coach.sign_in(LOGINS["coach"], PASSWORD)
    expect(page.get_by_role("heading", name=re.compile("^Hello"))).to_be_visible()
    page.set_viewport_size(PHONE)
    heard = {}
    for name in COACH:
        coach.open(f"/coach/{name}")
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        page.wait_for_function(SETTLED)
        if found := wrong(page):
            heard[name] = found
    assert not heard, "\n".join(f"{path}\n  " + "\n  ".join(found) for path, found in heard.items())


def test_every_page_of_the_admin_console(somebody: Callable[[], Person]) -> None:
    admin = somebody()
    page = admin.open("/admin/")
    admin.sign_in(LOGINS["admin"], PASSWORD)
    expect(page.get_by_text("Monthly recurring revenue").first).to_be_visible()
    page.set_viewport_size(PHONE)
    heard = {}
    for key, name in enumerate(ADMIN, 1):
        if key == 3:  # by keyboard as well as by hand
            page.keyboard.press("3")
        else:
            page.get_by_role("button", name=name, exact=True).click()
        expect(page.get_by_role("button", name=name, exact=True, pressed=True)).to_be_visible()
        expect(page.get_by_role("heading", level=2).first).to_be_visible()
        page.wait_for_function(SETTLED)
        page.wait_for_function(NAMED)
        if wrong(page):  # Panel may have drawn once more meanwhile
            page.wait_for_timeout(500)
            page.wait_for_function(NAMED)
        if found := wrong(page):
            heard[name] = found
    assert not heard, "\n".join(f"{path}\n  " + "\n  ".join(found) for path, found in heard.items())
