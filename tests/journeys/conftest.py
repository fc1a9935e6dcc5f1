"""One whole stack for all journeys, brought up by the same command that people use, and a real browser."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import duckdb
import httpx
import psycopg
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, expect, sync_playwright

from contracts import warehouse
from tests.journeys.site import site as site

ROOT = Path(__file__).resolve().parent.parent.parent
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PHONE: ViewportSize = {"width": 390, "height": 844}
DESKTOP: ViewportSize = {"width": 1280, "height": 800}
LONGEST_PICTURE_PX = 3000
_WHOLE_HEIGHT = """() => Math.max(document.documentElement.scrollHeight,
    document.querySelector("[data-testid=stMain]")?.scrollHeight ?? 0)"""
FIRST_PORT = "9400"
CUSTOMERS, MONTHS = "120", "9"
"""Enough people who left: of 60 customers in 7 months there may be none, and then every client is scored alike."""
T = TypeVar("T")
expect.set_options(timeout=60_000)


@dataclass(frozen=True)
class Stack:
    """A running copy of Plyo.

    Args:
        home: Its state folder.
    """

    home: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.ports['gateway']}"

    @property
    def secrets(self) -> dict[str, str]:
        found: dict[str, str] = json.loads((self.home / "secrets" / "secrets.json").read_text())
        return found

    @property
    def ports(self) -> dict[str, int]:
        found: dict[str, int] = json.loads((self.home / "ports.json").read_text())
        return found

    def sql(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Rows of the truth."""
        url = f"postgresql://postgres:{self.secrets['postgres']}@127.0.0.1:{self.ports['postgres']}/plyo"
        with psycopg.connect(url) as connection:
            return connection.execute(query, parameters).fetchall()

    def lake(self, query: str) -> list[tuple[Any, ...]]:
        """Rows of the lake, as its readers see it."""
        catalog = f"postgresql://lake_reader:{self.secrets['lake_reader']}@127.0.0.1:{self.ports['postgres']}/lake"
        settings = warehouse.WarehouseSettings(lake_catalog_url=catalog, lake_path=str(self.home / "lake"))
        with warehouse.reading(settings) as connection:
            try:
                return connection.execute(query).fetchall()
            except duckdb.CatalogException:
                return []

    def mail(self, recipient: str, *, subject: str) -> dict[str, Any]:
        """The newest e-mail to somebody whose subject matches, waited for."""

        def look() -> dict[str, Any] | None:
            answer = httpx.get(f"{self.url}/mailbox/api/messages", params={"to": recipient}).json()
            items = answer["items"] if isinstance(answer, dict) else answer
            return next((item for item in items if re.search(subject, item["subject"], re.I)), None)

        return eventually(look, what=f"an e-mail to {recipient} about {subject}")


def eventually(look: Callable[[], T | None], *, what: str, within_seconds: float = 60) -> T:
    """The first truthy answer of `look`, asked again and again.

    Raises:
        AssertionError: there was none in time.
    """
    deadline = time.monotonic() + within_seconds
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(0.25)
    raise AssertionError(f"{what} did not come within {within_seconds:.0f} s")


def plyo(home: Path, *arguments: str, timeout: float = 420) -> subprocess.CompletedProcess[str]:
    """Run the command line on a state folder."""
    return subprocess.run(
        [sys.executable, "-m", "plyo.cli", *arguments],
        cwd=ROOT, env=os.environ | {"PLYO_HOME": str(home), "PLYO_PORT": FIRST_PORT, "COLUMNS": "140"},
        capture_output=True, text=True, timeout=timeout, check=False,
    )  # fmt: skip


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A small living business: started as people start it, stopped at the end.

    While writing a journey, `PLYO_JOURNEY_HOME` names the state folder of a copy that runs already; it is left running.
    """
    if running := os.environ.get("PLYO_JOURNEY_HOME"):
        yield Stack(Path(running))
        return
    home = tmp_path_factory.mktemp("stack") / "home"
    started = plyo(home, "up", "--detach", "--customers", CUSTOMERS, "--months", MONTHS)
    try:
        assert started.returncode == 0, started.stdout + started.stderr
        yield Stack(home)
    finally:
        stopped = plyo(home, "down")
    assert stopped.returncode == 0, stopped.stdout


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """The browser; the journeys are skipped where the machine has none."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine: install Debian's package chromium to run the journeys")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def screenshots() -> Path:
    """Where pictures of each surface go: looked at by people, kept by CI."""
    folder = ROOT / "tests" / "journeys" / "screenshots"
    folder.mkdir(exist_ok=True)
    return folder


@dataclass
class Person:
    """Somebody at a browser of their own."""

    context: BrowserContext
    page: Page
    stack: Stack
    screenshots: Path

    def open(self, path: str) -> Page:
        """Go to a path of the gateway."""
        self.page.goto(self.stack.url + path)
        return self.page

    def picture(self, name: str) -> None:
        """Save the page as it is at phone and at desktop width, whole, once nothing moves on it any more."""
        for label, size in (("phone", PHONE), ("desktop", DESKTOP)):
            self.page.set_viewport_size(size)
            self._still()
            # Streamlit scrolls a part of the page, which a picture of the whole page does not see.
            height = min(int(self.page.evaluate(_WHOLE_HEIGHT)), LONGEST_PICTURE_PX)
            self.page.set_viewport_size({"width": size["width"], "height": max(height, size["height"])})
            (self.screenshots / f"{name}-{label}.png").write_bytes(self._still())
        self.page.set_viewport_size(DESKTOP)

    def _still(self) -> bytes:
        """A picture of the page that equals the one before it; the last of many where something always moves."""
        before = b""
        for _ in range(20):
            now = self.page.screenshot()
            if now == before:
                break
            before = now
        return now

    def sign_in(self, email: str, password: str) -> None:
        """Fill identity's sign-in page."""
        self.page.get_by_label("E-mail").fill(email)
        self.page.get_by_label("Password", exact=True).fill(password)
        # Not waited for here: a console draws its whole first page before it answers.
        self.page.get_by_role("button", name=re.compile("sign in|log in", re.I)).click(no_wait_after=True)


@pytest.fixture
def somebody(stack: Stack, chromium: Browser, screenshots: Path) -> Iterator[Callable[[], Person]]:
    """Makes people with browsers of their own; fails the test when a page throws an error in its console."""
    people: list[Person] = []
    errors: list[str] = []

    def make() -> Person:
        context = chromium.new_context(viewport=DESKTOP, base_url=stack.url, timezone_id="Europe/Berlin")
        page = context.new_page()
        page.set_default_timeout(60_000)
        # Chromium reports a page transition that a redirect cut short; nobody sees it.
        page.on("pageerror", lambda error: None if "Transition was" in str(error) else errors.append(str(error)))
        people.append(Person(context, page, stack, screenshots))
        return people[-1]

    yield make
    for person in people:
        person.context.close()
    assert errors == []
