"""Files that calendar apps subscribe to: a person's, and our own feed."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from typing import Any
from uuid import uuid4

from fastapi import FastAPI, Request, Response

from operational_api.scheduling.calendars.feed import render
from operational_api.scheduling.calendars.port import Entry, Pushed
from operational_api.scheduling.calendars.subscribed import SubscribedCalendar
from tests.fakes.stripe.testing import served
from tests.operational_api.scheduling.calendars.worlds.texts import day_event, drawn, event, series
from tests.operational_api.scheduling.calendars.worlds.world import LOCAL


class PublishedWorld:
    """Our own feed, drawn by a calendar app that subscribes to it. Nobody changes anything in it."""

    calendar_id = ""
    can_throttle = False

    def __init__(self) -> None:
        self.text = b""

    def adapter(self) -> "PublishedWorld":
        return self

    def close(self) -> None:
        """Nothing is open."""

    def put(self, calendar_id: str, entry: Entry, known: Pushed | None) -> Pushed:
        self.text = render([entry], name="Plyo")
        return Pushed(entry.uid, "")

    def occurrences(self, id_: str) -> dict[datetime, datetime]:
        return drawn(self.text.decode())


class FeedWorld:
    """A file on a web server, as the address that a calendar app gives out."""

    calendar_id = ""
    can_throttle = True

    def __init__(self, url: str, state: dict[str, Any]) -> None:
        self.url, self.state = f"{url}/ana.ics", state
        self.events: dict[str, str] = {}
        self._render()

    def adapter(self) -> SubscribedCalendar:
        return SubscribedCalendar(self.url, LOCAL)

    def add(self, starts_at: datetime, *, is_free: bool = False) -> str:
        return self._put(event(starts_at, is_free=is_free))

    def add_days(self, first: date, days: int) -> str:
        return self._put(day_event(first, days))

    def add_series(self, starts_at: datetime) -> str:
        return self._put(series(starts_at))

    def move(self, id_: str, starts_at: datetime) -> None:
        self.events[id_] = event(starts_at)
        self._render()

    def remove(self, id_: str) -> None:
        del self.events[id_]
        self._render()

    def throttle(self) -> None:
        self.state["faults"].append((429, {"Retry-After": "7"}))

    def _put(self, text: str) -> str:
        id_ = uuid4().hex
        self.events[id_] = text
        self._render()
        return id_

    def _render(self) -> None:
        inner = "".join(
            text.partition("PRODID:x\r\n")[2].removesuffix("END:VCALENDAR\r\n") for text in self.events.values()
        )
        self.state["content"] = f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\n{inner}END:VCALENDAR\r\n".encode()


@contextmanager
def local_files() -> Iterator[tuple[str, dict[str, Any]]]:
    """Run a web server with one file until the block ends: its address and what it answers with, whatever is asked."""
    state: dict[str, Any] = {"content": b"", "headers": {}, "faults": [], "asked": []}
    app = FastAPI()

    @app.api_route("/{path:path}", methods=["GET", "POST"])
    async def read(path: str, request: Request) -> Response:
        said = (await request.body()).decode()
        state["asked"].append(dict(request.headers) | {":path": request.url.path, ":body": said})
        if state["faults"]:
            status, headers, *body = state["faults"].pop(0)
            return Response(body[0] if body else b"", status, headers=headers)
        if (etag := state["headers"].get("ETag")) and request.headers.get("if-none-match") == etag:
            return Response(status_code=304)
        return Response(state["content"], headers=state["headers"])

    with served(app) as running:
        yield running.url, state
