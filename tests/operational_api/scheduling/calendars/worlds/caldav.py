"""Calendars on real CalDAV servers, each a process of its own, and a person's own hand on them."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import uuid4
from zoneinfo import ZoneInfo

import httpx
import icalendar
from dulwich.repo import Repo

from operational_api.scheduling.calendars.caldav import CaldavCalendar
from tests.fakes.stripe.testing import free_listener
from tests.operational_api.scheduling.calendars.worlds.texts import day_event, drawn, event, series
from tests.operational_api.scheduling.calendars.worlds.world import BERLIN, HOUR, LOCAL, weeks_later


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
