"""Every page that a customer or a guest may open, asked for in Vietnamese: no English sentence is left on any."""

import asyncio
import re
from html.parser import HTMLParser

from fastapi import FastAPI
from sqlalchemy.orm import Session

from operational_api.web.language import told
from tests.operational_api.matrix import ROLES_OF
from tests.operational_api.reach import OBJECTS
from tests.operational_api.world import asking_of, routes_of

ENGLISH = re.compile(
    r"\b(the|your|you|and|of|is|are|was|not|have|has|this|that|with|for|when|what|from|sign|see|book"
    r"|session|week|month|day|until|left|hour)\b",
    re.IGNORECASE,
)
OF_OTHERS = {"Personal training", "Train as often as you like.", "Keep your chest up", "Coach"}
"""What people wrote, or the studio: names of sessions, plans and places are what they are in every language."""
KEPT = {"/inbox": re.compile("Your payment of .* did not go through|your bank declined")}
"""Messages are kept as they were written, in the language that their reader had then."""


SILENT = ("script", "style", "svg", "code", "textarea")
READ_OUT = ("aria-label", "placeholder", "title", "data-confirm")
STAFF_PATHS = ("/design", "/api/docs")


class _Reading(HTMLParser):
    """What a page says: its texts, and what is read out of attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self._silent += tag in SILENT
        self.said += [
            str(given[one]) for one in ("aria-label", "placeholder", "title", "data-confirm") if given.get(one)
        ]

    def handle_endtag(self, tag: str) -> None:
        self._silent -= tag in SILENT

    def handle_data(self, data: str) -> None:
        if not self._silent and data.strip():
            self.said.append(" ".join(data.split()))


def test_no_page_of_customers_says_anything_in_english(app: FastAPI, session: Session) -> None:
    asking = asking_of(app, session)
    found: dict[str, list[str]] = {}
    read = 0
    known = {str(one.id): str(one.string) for one in told("vi") if one.id}

    async def go() -> None:
        nonlocal read
        for route in routes_of(app):
            roles = [one for one in ROLES_OF[route.action or ""].split() if one in ("customer", "guest")]
            if route.method != "GET" or not roles or route.path.startswith(("/api/", "/oidc", "/.well-known")):
                continue
            about = OBJECTS.get(route.key)
            for role in roles:
                id_ = asking.world.own(about.of, role) if about and role == "customer" else None
                answer = await asking.ask(route, role, id_, about, accept="text/html", accept_language="vi")
                if "<html" not in answer.text or any(one in route.path for one in STAFF_PATHS):
                    continue
                read += 1
                if '<html lang="vi">' not in answer.text:
                    found[route.key] = ["the page is in English"]
                page = _Reading()
                page.feed(answer.text)
                texts = {one for one in page.said if ENGLISH.search(one) or known.get(one, one) != one} - OF_OTHERS
                if kept := KEPT.get(route.path):
                    texts = {one for one in texts if not kept.search(one)}
                if texts:
                    found[f"{route.path} {role} {answer.status}"] = sorted(texts)

    asyncio.run(go())
    assert read > 60
    assert found == {}, "\n".join(f"{page}: {texts}" for page, texts in found.items())
