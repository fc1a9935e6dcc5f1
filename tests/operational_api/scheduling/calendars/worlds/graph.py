"""The local Microsoft Graph, and a person's own hand on it."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any

from operational_api.scheduling.calendars.microsoft import MicrosoftCalendar
from tests.fakes.graph import app as graph
from tests.fakes.oauth import Grants
from tests.fakes.stripe.testing import served
from tests.operational_api.scheduling.calendars.worlds.world import HOUR, utc, weeks_later


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
        return {utc(one["originalStart"]): utc(one["start"]) for one in self._instances(id_)}

    def move_one(self, id_: str, recurs_at: datetime, to: datetime) -> None:
        one = next(one for one in self._instances(id_) if utc(one["originalStart"]) == recurs_at)
        times = {"start": graph.at(to), "end": graph.at(to + HOUR), "type": "exception"}
        self.store.save(one | times, one["id"])

    def remove_one(self, id_: str, recurs_at: datetime) -> None:
        self.store.remove(next(one["id"] for one in self._instances(id_) if utc(one["originalStart"]) == recurs_at))

    def move_all(self, id_: str, by: timedelta) -> None:
        """Outlook makes all of its occurrences anew."""
        series = self.store.events[id_]
        occurrences = sorted(self._instances(id_), key=lambda one: str(one.get("originalStart") or one["start"]))
        for one in occurrences:
            self.store.remove(one["id"])
        self.store.save(series | {edge: graph.at(utc(series[edge]) + by) for edge in ("start", "end")}, id_)
        for one in occurrences:
            begins = utc(one.get("originalStart") or one["start"]) + by
            told = {"originalStart": f"{begins:%Y-%m-%dT%H:%M:%SZ}"} if "originalStart" in one else {}
            self._save(begins, begins + HOUR, type="occurrence", seriesMasterId=id_, **told)

    def split(self, id_: str, number: int, by: timedelta) -> None:
        first = utc(self.store.events[id_]["start"])
        for one in self._instances(id_):
            if utc(one["start"]) >= weeks_later(first, number):
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


@contextmanager
def local_graph() -> Iterator[GraphWorld]:
    """Run a local Microsoft Graph until the block ends."""
    store, grants = graph.Store(), Grants(rotates=True)
    with served(graph.create_app(store, grants)) as running:
        yield GraphWorld(running.url, store, grants)
