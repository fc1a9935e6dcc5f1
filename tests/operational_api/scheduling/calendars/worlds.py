"""The other side of each adapter, and a person's own hand on it: what they put into their calendar, move and delete."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4
from zoneinfo import ZoneInfo

import httpx
import icalendar
import recurring_ical_events
from dulwich.repo import Repo
from fastapi import FastAPI, Request, Response

from operational_api.scheduling.calendars.addresses import Guard
from operational_api.scheduling.calendars.caldav import CaldavCalendar
from operational_api.scheduling.calendars.feed import render
from operational_api.scheduling.calendars.google import GoogleCalendar
from operational_api.scheduling.calendars.microsoft import MicrosoftCalendar
from operational_api.scheduling.calendars.port import Entry, Pushed
from operational_api.scheduling.calendars.subscribed import SubscribedCalendar
from tests.fakes.google_calendar import app as google
from tests.fakes.google_calendar.store import Store as GoogleStore
from tests.fakes.graph import app as graph
from tests.fakes.oauth import Grants
from tests.fakes.stripe.testing import free_listener, served

LOCAL = Guard.of("127.0.0.0/8")
HOUR, WEEK = timedelta(hours=1), timedelta(days=7)
BERLIN = "Europe/Berlin"


class World(Protocol):
    """One kind of calendar."""

    calendar_id: str
    can_throttle: bool

    def adapter(self) -> Any:
        """Ours, for the person's calendar."""

    def add(self, starts_at: datetime, *, is_free: bool = False) -> str:
        """An hour of theirs; its id."""

    def add_days(self, first: date, days: int) -> str:
        """Whole days of theirs."""

    def add_series(self, starts_at: datetime) -> str:
        """Four weekly hours on Berlin's clock, of which the second is skipped and the third is two hours later."""

    def move(self, id_: str, starts_at: datetime) -> None:
        """They move theirs, or ours."""

    def remove(self, id_: str) -> None:
        """They delete theirs, or ours."""

    def note(self, id_: str) -> None:
        """They add a reminder to ours."""

    def shows(self, id_: str) -> tuple[str, datetime, bool] | None:
        """Title and start of ours as it is there, and whether their reminder is on it; None: it is gone."""

    def occurrences(self, id_: str) -> dict[datetime, datetime]:
        """What the calendar has of our series, as it draws it itself: by when the rule has it, when it is."""

    def move_one(self, id_: str, recurs_at: datetime, to: datetime) -> None:
        """They move one occurrence of our series."""

    def remove_one(self, id_: str, recurs_at: datetime) -> None:
        """They delete one occurrence of our series."""

    def move_all(self, id_: str, by: timedelta) -> None:
        """They move a whole series, theirs or ours; what was different of one of its occurrences is so no more."""

    def split(self, id_: str, number: int, by: timedelta) -> None:
        """They move an occurrence of their series and all that follow, as calendar apps do: the series ends before it,
        and another of two weeks begins."""

    def forget(self) -> None:
        """The server forgets where anybody was."""

    def throttle(self) -> None:
        """The server asks to wait for 7 seconds, once."""


class GoogleWorld:
    """The local Google Calendar."""

    can_throttle = True

    def __init__(self, url: str, store: GoogleStore, grants: Grants) -> None:
        self.url, self.store, self.grants, self.calendar_id = url, store, grants, store.calendar_id

    def adapter(self, token: str | None = None) -> GoogleCalendar:
        return GoogleCalendar(self.url + google.API, token or str(self.grants.issue()["access_token"]))

    def add(self, starts_at: datetime, *, is_free: bool = False) -> str:
        free = {"transparency": "transparent"} if is_free else {}
        return self._save({"start": _google(starts_at), "end": _google(starts_at + HOUR)} | free)

    def add_days(self, first: date, days: int) -> str:
        last = first + timedelta(days=days)
        return self._save({"start": {"date": str(first)}, "end": {"date": str(last)}})

    def add_series(self, starts_at: datetime) -> str:
        times = {edge: {"dateTime": moment.isoformat(), "timeZone": BERLIN}
                 for edge, moment in (("start", starts_at), ("end", starts_at + HOUR))}  # fmt: skip
        id_ = self._save(times | {"recurrence": ["RRULE:FREQ=WEEKLY;COUNT=4"]})
        self.store.except_instance(id_, weeks_later(starts_at, 1), status="cancelled")
        third = weeks_later(starts_at, 2)
        later = third + 2 * HOUR
        self.store.except_instance(id_, third, start=_google(later), end=_google(later + HOUR))
        return id_

    def move(self, id_: str, starts_at: datetime) -> None:
        self.store.move(id_, starts_at)

    def remove(self, id_: str) -> None:
        self.store.save(id_, self.store.events[id_] | {"status": "cancelled"})

    def note(self, id_: str) -> None:
        self.store.save(id_, self.store.events[id_] | {"reminders": {"overrides": [{"minutes": 5}]}})

    def shows(self, id_: str) -> tuple[str, datetime, bool] | None:
        event = self.store.events.get(id_)
        if event is None or event["status"] == "cancelled":
            return None
        return event["summary"], datetime.fromisoformat(event["start"]["dateTime"]), "reminders" in event

    def occurrences(self, id_: str) -> dict[datetime, datetime]:
        return {
            _utc(one["originalStartTime"]): _utc(one["start"])
            for one in self.store.expand(self.store.events[id_]) if one["status"] != "cancelled"
        }  # fmt: skip

    def move_one(self, id_: str, recurs_at: datetime, to: datetime) -> None:
        self.store.except_instance(id_, recurs_at, start=_google(to), end=_google(to + HOUR))

    def remove_one(self, id_: str, recurs_at: datetime) -> None:
        self.store.except_instance(id_, recurs_at, status="cancelled")

    def move_all(self, id_: str, by: timedelta) -> None:
        for one in self.store.exceptions(id_):
            self.store.save(one["id"], one | {"status": "cancelled"})
        event = self.store.events[id_]
        times = {
            edge: event[edge] | {"dateTime": (datetime.fromisoformat(event[edge]["dateTime"]) + by).isoformat()}
            for edge in ("start", "end")
        }
        self.store.save(id_, event | times)

    def split(self, id_: str, number: int, by: timedelta) -> None:
        event = self.store.events[id_]
        begins = weeks_later(datetime.fromisoformat(event["start"]["dateTime"]), number) + by
        self.store.save(id_, event | {"recurrence": [f"RRULE:FREQ=WEEKLY;COUNT={number}"]})
        times = {"start": _google(begins) | {"timeZone": BERLIN}, "end": _google(begins + HOUR) | {"timeZone": BERLIN}}
        self._save(times | {"recurrence": ["RRULE:FREQ=WEEKLY;COUNT=2"]})

    def forget(self) -> None:
        self.store.revision += 1
        self.store.oldest = self.store.revision

    def throttle(self) -> None:
        self.store.faults.append((429, "7"))

    def _save(self, event: dict[str, Any]) -> str:
        return str(self.store.save(self.store.new_id(), {"status": "confirmed", "summary": "Dentist"} | event)["id"])


class GraphWorld:
    """The local Microsoft Graph."""

    can_throttle = True

    def __init__(self, url: str, store: graph.Store, grants: Grants) -> None:
        self.url, self.store, self.grants, self.calendar_id = url, store, grants, store.calendar_id

    def adapter(self, token: str | None = None) -> MicrosoftCalendar:
        return MicrosoftCalendar(self.url + graph.API, token or str(self.grants.issue()["access_token"]))

    def add(self, starts_at: datetime, *, is_free: bool = False) -> str:
        return self._save(starts_at, starts_at + HOUR, showAs="free" if is_free else "busy")

    def add_days(self, first: date, days: int) -> str:
        starts_at = datetime.combine(first, datetime.min.time())
        return self._save(starts_at, starts_at + timedelta(days=days), isAllDay=True)

    def add_series(self, starts_at: datetime) -> str:
        id_ = self._save(starts_at, starts_at + HOUR, type="seriesMaster")
        for week, later, kind in ((0, 0, "occurrence"), (2, 2, "exception"), (3, 0, "occurrence")):
            was = weeks_later(starts_at, week)
            moment = was + later * HOUR
            told = {"type": kind, "seriesMasterId": id_, "originalStart": f"{was:%Y-%m-%dT%H:%M:%SZ}"}
            self._save(moment, moment + HOUR, **told)
        return id_

    def move(self, id_: str, starts_at: datetime) -> None:
        times = {"start": graph.at(starts_at), "end": graph.at(starts_at + HOUR)}
        self.store.save(self.store.events[id_] | times, id_)

    def remove(self, id_: str) -> None:
        self.store.remove(id_)

    def note(self, id_: str) -> None:
        self.store.save(self.store.events[id_] | {"reminderMinutesBeforeStart": 5}, id_)

    def shows(self, id_: str) -> tuple[str, datetime, bool] | None:
        event = self.store.events.get(id_)
        if event is None:
            return None
        starts_at = datetime.fromisoformat(event["start"]["dateTime"][:19]).replace(tzinfo=UTC)
        return event["subject"], starts_at, "reminderMinutesBeforeStart" in event

    def occurrences(self, id_: str) -> dict[datetime, datetime]:
        return {_utc(one["originalStart"]): _utc(one["start"]) for one in self._instances(id_)}

    def move_one(self, id_: str, recurs_at: datetime, to: datetime) -> None:
        one = next(one for one in self._instances(id_) if _utc(one["originalStart"]) == recurs_at)
        times = {"start": graph.at(to), "end": graph.at(to + HOUR), "type": "exception"}
        self.store.save(one | times, one["id"])

    def remove_one(self, id_: str, recurs_at: datetime) -> None:
        self.store.remove(next(one["id"] for one in self._instances(id_) if _utc(one["originalStart"]) == recurs_at))

    def move_all(self, id_: str, by: timedelta) -> None:
        """Outlook makes all of its occurrences anew."""
        series = self.store.events[id_]
        occurrences = sorted(self._instances(id_), key=lambda one: str(one.get("originalStart") or one["start"]))
        for one in occurrences:
            self.store.remove(one["id"])
        self.store.save(series | {edge: graph.at(_utc(series[edge]) + by) for edge in ("start", "end")}, id_)
        for one in occurrences:
            begins = _utc(one.get("originalStart") or one["start"]) + by
            told = {"originalStart": f"{begins:%Y-%m-%dT%H:%M:%SZ}"} if "originalStart" in one else {}
            self._save(begins, begins + HOUR, type="occurrence", seriesMasterId=id_, **told)

    def split(self, id_: str, number: int, by: timedelta) -> None:
        first = _utc(self.store.events[id_]["start"])
        for one in self._instances(id_):
            if _utc(one["start"]) >= weeks_later(first, number):
                self.store.remove(one["id"])
        begins = [weeks_later(first, week) + by for week in (number, number + 1)]
        new = self._save(begins[0], begins[0] + HOUR, type="seriesMaster")
        for moment in begins:
            self._save(moment, moment + HOUR, type="occurrence", seriesMasterId=new)

    def _instances(self, id_: str) -> list[dict[str, Any]]:
        return [one for one in self.store.events.values() if one.get("seriesMasterId") == id_]

    def forget(self) -> None:
        self.store.revision += 1
        self.store.oldest = self.store.revision

    def throttle(self) -> None:
        self.store.faults.append((429, "7"))

    def _save(self, starts_at: datetime, ends_at: datetime, **given: Any) -> str:
        event = {"subject": "Dentist", "start": graph.at(starts_at), "end": graph.at(ends_at)} | given
        return str(self.store.save(event)["id"])


class CaldavWorld:
    """A calendar of its own on a real CalDAV server.

    Args:
        home: The person's calendars.
        forgets: Makes the server forget its sync tokens of a calendar, by its name.
    """

    can_throttle = False

    def __init__(self, url: str, home: str, forgets: Callable[[str], None], *, has_passwords: bool = True) -> None:
        self.name = f"c{uuid4().hex[:8]}"
        self.url, self._forgets, self.has_passwords = url, forgets, has_passwords
        self.calendar_id = f"{home}/{self.name}/"
        self._http = httpx.Client(auth=("ana", "s3cret"), trust_env=False)
        body = """<mkcalendar xmlns="urn:ietf:params:xml:ns:caldav" xmlns:d="DAV:"><d:set><d:prop>
            <d:displayname>Work</d:displayname><supported-calendar-component-set><comp name="VEVENT"/>
            </supported-calendar-component-set></d:prop></d:set></mkcalendar>"""
        self._http.request("MKCALENDAR", self.calendar_id, content=body).raise_for_status()

    def adapter(self, password: str = "s3cret") -> CaldavCalendar:  # noqa: S107 - of a test's own server
        return CaldavCalendar(self.url, "ana", password, LOCAL)

    def add(self, starts_at: datetime, *, is_free: bool = False) -> str:
        return self._put(event(starts_at, is_free=is_free))

    def add_days(self, first: date, days: int) -> str:
        return self._put(day_event(first, days))

    def add_series(self, starts_at: datetime) -> str:
        return self._put(series(starts_at))

    def move(self, id_: str, starts_at: datetime) -> None:
        lines = self._http.get(id_).raise_for_status().text.replace("\r\n ", "").split("\r\n")
        is_event, kept = False, []
        for line in lines:
            is_event = (is_event or line == "BEGIN:VEVENT") and line != "END:VEVENT"
            if is_event and line.startswith("DTSTART"):
                line = f"DTSTART:{starts_at:%Y%m%dT%H%M%SZ}"
            if is_event and line.startswith("DTEND"):
                line = f"DTEND:{starts_at + HOUR:%Y%m%dT%H%M%SZ}"
            kept.append(line)
        self._http.put(id_, content="\r\n".join(kept)).raise_for_status()

    def remove(self, id_: str) -> None:
        self._http.delete(id_).raise_for_status()

    def note(self, id_: str) -> None:
        alarm = "BEGIN:VALARM\r\nACTION:DISPLAY\r\nDESCRIPTION:x\r\nTRIGGER:-PT5M\r\nEND:VALARM\r\nEND:VEVENT"
        text = self._http.get(id_).raise_for_status().text
        self._http.put(id_, content=text.replace("END:VEVENT", alarm)).raise_for_status()

    def shows(self, id_: str) -> tuple[str, datetime, bool] | None:
        answer = self._http.get(id_)
        if answer.status_code == 404:
            return None
        found = icalendar.Calendar.from_ical(answer.text).walk("VEVENT")[0]
        return str(found["SUMMARY"]), found["DTSTART"].dt.astimezone(UTC), "VALARM" in answer.text

    def occurrences(self, id_: str) -> dict[datetime, datetime]:
        return drawn(self._http.get(id_).raise_for_status().text)

    def move_one(self, id_: str, recurs_at: datetime, to: datetime, *, range_: str = "") -> None:
        """As a calendar app does: an exception of the series, beside it in the same file; with THISANDFUTURE for all
        that follow."""
        calendar = icalendar.Calendar.from_ical(self._http.get(id_).raise_for_status().text)
        series = next(one for one in calendar.walk("VEVENT") if "RRULE" in one)
        calendar.subcomponents = [
            one for one in calendar.subcomponents
            if "RECURRENCE-ID" not in one or one["RECURRENCE-ID"].dt.astimezone(UTC) != recurs_at
        ]  # fmt: skip
        one = icalendar.Event()
        for name in ("UID", "DTSTAMP", "SUMMARY", "SEQUENCE"):
            one[name] = series[name]
        one.add("RECURRENCE-ID", recurs_at.astimezone(ZoneInfo(BERLIN)), {"RANGE": range_} if range_ else {})
        one.add("DTSTART", to.astimezone(ZoneInfo(BERLIN)))
        one.add("DTEND", (to + HOUR).astimezone(ZoneInfo(BERLIN)))
        calendar.add_component(one)
        self._http.put(id_, content=calendar.to_ical()).raise_for_status()

    def remove_one(self, id_: str, recurs_at: datetime) -> None:
        calendar = icalendar.Calendar.from_ical(self._http.get(id_).raise_for_status().text)
        series = next(one for one in calendar.walk("VEVENT") if "RRULE" in one)
        series.add("EXDATE", recurs_at.astimezone(ZoneInfo(BERLIN)))
        self._http.put(id_, content=calendar.to_ical()).raise_for_status()

    def fill(self, text: str) -> None:
        """Have all events of a file in the calendar, and nothing else."""
        self._http.put(self.calendar_id, content=text, headers={"Content-Type": "text/calendar"}, timeout=120)

    def move_all(self, id_: str, by: timedelta) -> None:
        calendar = icalendar.Calendar.from_ical(self._http.get(id_).raise_for_status().text)
        calendar.subcomponents = [one for one in calendar.subcomponents if "RECURRENCE-ID" not in one]
        (series,) = calendar.walk("VEVENT")
        for name in ("DTSTART", "DTEND"):
            series[name].dt = series[name].dt + by
        self._http.put(id_, content=calendar.to_ical()).raise_for_status()

    def split(self, id_: str, number: int, by: timedelta) -> None:
        text = self._http.get(id_).raise_for_status().text
        self._http.put(id_, content=text.replace("COUNT=4", f"COUNT={number}")).raise_for_status()
        found = icalendar.Calendar.from_ical(text).walk("VEVENT")
        first = next(one for one in found if "RRULE" in one)["DTSTART"].dt
        begins = weeks_later(first, number) + by
        self._put(event(begins, more="RRULE:FREQ=WEEKLY;COUNT=2\r\n"))

    def forget(self) -> None:
        self._forgets(self.name)

    def throttle(self) -> None:
        raise AssertionError("it never asks to wait")

    def _put(self, text: str) -> str:
        url = f"{self.calendar_id}{uuid4().hex}.ics"
        self._http.put(url, content=text, headers={"Content-Type": "text/calendar"}).raise_for_status()
        return url


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


def drawn(text: str) -> dict[datetime, datetime]:
    """A file's occurrences as a calendar app draws them: by when the rule has each, when it is."""
    found = recurring_ical_events.of(icalendar.Calendar.from_ical(text)).between((2026, 1, 1), (2029, 1, 1))
    return {one["RECURRENCE-ID"].dt.astimezone(UTC): one["DTSTART"].dt.astimezone(UTC) for one in found}


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


def weeks_later(moment: datetime, weeks: int) -> datetime:
    """The same hour on Berlin's clock, so many weeks later."""
    return (moment.astimezone(ZoneInfo(BERLIN)) + weeks * WEEK).astimezone(UTC)


def event(starts_at: datetime, *, is_free: bool = False, uid: str = "", more: str = "") -> str:
    """A calendar of one hour."""
    return calendar(
        f"UID:{uid or uuid4()}\r\nDTSTAMP:20260101T000000Z\r\nSUMMARY:Dentist\r\n"
        f"DTSTART:{starts_at:%Y%m%dT%H%M%SZ}\r\nDTEND:{starts_at + HOUR:%Y%m%dT%H%M%SZ}\r\n"
        f"TRANSP:{'TRANSPARENT' if is_free else 'OPAQUE'}\r\n{more}"
    )


def day_event(first: date, days: int) -> str:
    """A calendar of whole days."""
    last = first + timedelta(days=days)
    return calendar(
        f"UID:{uuid4()}\r\nDTSTAMP:20260101T000000Z\r\nDTSTART;VALUE=DATE:{first:%Y%m%d}\r\n"
        f"DTEND;VALUE=DATE:{last:%Y%m%d}\r\n"
    )


def series(starts_at: datetime) -> str:
    """A calendar of a weekly hour with an exception and a hole; `starts_at` is told on Berlin's clock."""
    uid, here = uuid4(), ZoneInfo(BERLIN)

    def local(moment: datetime) -> str:
        return f";TZID={BERLIN}:{moment.astimezone(here):%Y%m%dT%H%M%S}"

    third = weeks_later(starts_at, 2)
    return calendar(
        f"UID:{uid}\r\nDTSTAMP:20260101T000000Z\r\nDTSTART{local(starts_at)}\r\nDTEND{local(starts_at + HOUR)}\r\n"
        f"RRULE:FREQ=WEEKLY;COUNT=4\r\nEXDATE{local(weeks_later(starts_at, 1))}\r\n",
        f"UID:{uid}\r\nDTSTAMP:20260101T000000Z\r\nRECURRENCE-ID{local(third)}\r\n"
        f"DTSTART{local(third + 2 * HOUR)}\r\nDTEND{local(third + 3 * HOUR)}\r\n",
    )


def calendar(*events: str) -> str:
    """A file of these events."""
    inner = "".join(f"BEGIN:VEVENT\r\n{one}END:VEVENT\r\n" for one in events)
    return f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\n{inner}END:VCALENDAR\r\n"


def _utc(told: dict[str, str] | str) -> datetime:
    moment = datetime.fromisoformat((told if isinstance(told, str) else told["dateTime"]).replace(".0000000", ""))
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)


def _google(moment: datetime) -> dict[str, str]:
    return {"dateTime": moment.isoformat(), "timeZone": "UTC"}


@contextmanager
def local_google() -> Iterator[GoogleWorld]:
    """Run a local Google Calendar until the block ends."""
    store, grants = GoogleStore(), Grants()
    with served(google.create_app(store, grants)) as running:
        yield GoogleWorld(running.url, store, grants)


@contextmanager
def local_graph() -> Iterator[GraphWorld]:
    """Run a local Microsoft Graph until the block ends."""
    store, grants = graph.Store(), Grants(rotates=True)
    with served(graph.create_app(store, grants)) as running:
        yield GraphWorld(running.url, store, grants)


@contextmanager
def local_files() -> Iterator[tuple[str, dict[str, Any]]]:
    """Run a web server with one file until the block ends: its address and what it answers with."""
    state: dict[str, Any] = {"content": b"", "headers": {}, "faults": [], "asked": []}
    app = FastAPI()

    @app.get("/{path:path}")
    def read(path: str, request: Request) -> Response:
        state["asked"].append(dict(request.headers))
        if state["faults"]:
            status, headers = state["faults"].pop(0)
            return Response(b"", status, headers=headers)
        if (etag := state["headers"].get("ETag")) and request.headers.get("if-none-match") == etag:
            return Response(status_code=304)
        return Response(state["content"], headers=state["headers"])

    with served(app) as running:
        yield running.url, state


@contextmanager
def local_radicale(folder: Path) -> Iterator[Callable[[], CaldavWorld]]:
    """Run a real Radicale, a process of its own, until the block ends."""
    (folder / "users").write_text("ana:s3cret\n")
    port = _free_port()
    options = {
        "server-hosts": f"127.0.0.1:{port}", "auth-type": "htpasswd", "auth-htpasswd_filename": str(folder / "users"),
        "auth-htpasswd_encryption": "plain", "auth-delay": "0", "auth-failed_auth_logout_delay": "",
        "storage-filesystem_folder": str(folder / "storage"), "logging-level": "error",
    }  # fmt: skip
    given = [part for name, value in options.items() if value for part in (f"--{name}", value)]

    def forget(name: str) -> None:
        shutil.rmtree(folder / "storage/collection-root/ana" / name / ".Radicale.cache/sync-token")
        _one_event_more(f"{url}/ana/{name}")  # a token of how it is now would still be right

    url = f"http://127.0.0.1:{port}"
    with _running("radicale", ["--config", "", *given], url, folder):
        yield lambda: CaldavWorld(url, f"{url}/ana", forget)


@contextmanager
def local_xandikos(folder: Path) -> Iterator[Callable[[], CaldavWorld]]:
    """Run a real Xandikos, a process of its own, until the block ends. It has no passwords: a proxy's job, it says."""
    port = _free_port()

    def forget(name: str) -> None:
        """Its sync tokens are trees of Git: those of before are swept away."""
        _one_event_more(f"{home}/{name}")
        repository = Repo(str(calendars / name))
        trees = [one.commit.tree.decode() for one in repository.get_walker()]
        for tree in set(trees[1:]) - {trees[0]}:
            (calendars / name / ".git/objects" / tree[:2] / tree[2:]).unlink()

    calendars = folder / "storage/ana/calendars"
    options = ["--listen-address", "127.0.0.1", "--port", str(port), "--current-user-principal", "/ana/"]
    url = f"http://127.0.0.1:{port}"
    home = f"{url}/ana/calendars"
    with _running("xandikos", ["serve", "-d", str(folder / "storage"), "--defaults", *options], url, folder):
        yield lambda: CaldavWorld(url, home, forget, has_passwords=False)


def _one_event_more(calendar: str) -> None:
    httpx.put(
        f"{calendar}/{uuid4().hex}.ics", content=event(datetime(2026, 10, 1, tzinfo=UTC), is_free=True),
        auth=("ana", "s3cret"), trust_env=False, headers={"Content-Type": "text/calendar"},
    ).raise_for_status()  # fmt: skip


def _free_port() -> int:
    listener = free_listener()
    port: int = listener.getsockname()[1]
    listener.close()
    return port


@contextmanager
def _running(module: str, arguments: list[str], url: str, folder: Path) -> Iterator[None]:
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments], stdout=log, stderr=log, env=dict(os.environ)
        )
    try:
        until = time.monotonic() + 60
        while True:
            try:
                httpx.get(url, trust_env=False)
                break
            except httpx.TransportError:
                if time.monotonic() > until or process.poll() is not None:
                    raise RuntimeError((folder / "log").read_text()) from None
                time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(10)
