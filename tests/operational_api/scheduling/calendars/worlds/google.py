"""The local Google Calendar, and a person's own hand on it."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from typing import Any

from operational_api.scheduling.calendars.google import GoogleCalendar
from tests.fakes.google_calendar import app as google
from tests.fakes.google_calendar.store import Store as GoogleStore
from tests.fakes.oauth import Grants
from tests.fakes.stripe.testing import served
from tests.operational_api.scheduling.calendars.worlds.world import BERLIN, HOUR, utc, weeks_later


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
            utc(one["originalStartTime"]): utc(one["start"])
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


def _google(moment: datetime) -> dict[str, str]:
    return {"dateTime": moment.isoformat(), "timeZone": "UTC"}


@contextmanager
def local_google() -> Iterator[GoogleWorld]:
    """Run a local Google Calendar until the block ends."""
    store, grants = GoogleStore(), Grants()
    with served(google.create_app(store, grants)) as running:
        yield GoogleWorld(running.url, store, grants)
