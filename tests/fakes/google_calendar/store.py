"""What the local Google Calendar holds: events as Google tells them, each with the revision it last changed at."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

from dateutil.rrule import rrulestr


@dataclass
class Store:
    """One calendar."""

    calendar_id: str = "ana@plyo.test"
    time_zone: str = "Europe/Berlin"
    page_size: int = 2
    revision: int = 1
    oldest: int = 0
    events: dict[str, dict[str, Any]] = field(default_factory=dict)
    changed_at: dict[str, int] = field(default_factory=dict)
    faults: list[tuple[int, str]] = field(default_factory=list)
    gone: dict[str, tuple[int, str]] = field(default_factory=dict)
    """Instances that a series had and has no more: the revision at which each went, and of which series it was."""

    def new_id(self) -> str:
        """An id as Google makes one."""
        return uuid4().hex

    def save(self, id_: str, event: dict[str, Any]) -> dict[str, Any]:
        """Keep an event under a new etag."""
        self.revision += 1
        before = self._ids(id_)
        self.events[id_] = event | {"id": id_, "etag": f'"{self.revision}"'}
        self.changed_at[id_] = self.revision
        now = self._ids(id_)
        self.gone |= dict.fromkeys(before - now, (self.revision, id_))
        for one in now:
            self.gone.pop(one, None)
        return self.events[id_]

    def _ids(self, id_: str) -> set[str]:
        known = self.events.get(id_, {})
        return {one["id"] for one in self.expand(known)} if "recurrence" in known else set()

    def instances(self) -> list[dict[str, Any]]:
        """Single events and instances of recurring ones; an exception stands for the instance it replaces."""
        return [one for event in list(self.events.values()) for one in self._told(event)]

    def changed_since(self, revision: int) -> list[dict[str, Any]]:
        """What a sync token of that revision brings; of what was deleted only the id and the status are promised."""
        changed = [one for id_, one in self.events.items() if self.changed_at[id_] > revision]
        told = [one for event in changed for one in self._told(event)]
        told += [
            {"id": id_, "status": "cancelled", "recurringEventId": series}
            for id_, (went_at, series) in self.gone.items() if went_at > revision
        ]  # fmt: skip
        return [
            {key: one[key] for key in ("id", "status", "etag", "recurringEventId", "originalStartTime") if key in one}
            if one["status"] == "cancelled" else one
            for one in told
        ]  # fmt: skip

    def _told(self, event: dict[str, Any]) -> list[dict[str, Any]]:
        if "recurrence" not in event:
            return [event]
        return [one for one in self.expand(event) if one["id"] not in self.events]

    def expand(self, event: dict[str, Any]) -> list[dict[str, Any]]:
        """Instances of a recurring event, those that have an exception as it has them."""
        if event["status"] == "cancelled":
            return []
        zone = ZoneInfo(event["start"]["timeZone"])
        start, end = (datetime.fromisoformat(event[edge]["dateTime"]).astimezone(zone) for edge in ("start", "end"))
        rule = rrulestr(event["recurrence"][0].removeprefix("RRULE:"), dtstart=start.replace(tzinfo=None))
        holes = {wall for line in event["recurrence"][1:] for wall in line.partition(":")[2].split(",")}
        found = []
        for wall in rule.xafter(start.replace(tzinfo=None), count=500, inc=True):
            if f"{wall:%Y%m%dT%H%M%S}" in holes:
                continue
            begins = wall.replace(tzinfo=zone)
            id_ = f"{event['id'].partition('_R')[0]}_{begins.astimezone(ZoneInfo('UTC')):%Y%m%dT%H%M%SZ}"
            instance = {key: value for key, value in event.items() if key != "recurrence"} | {
                "id": id_, "recurringEventId": event["id"],
                "start": {"dateTime": begins.isoformat(), "timeZone": str(zone)},
                "end": {"dateTime": (begins + (end - start)).isoformat(), "timeZone": str(zone)},
                "originalStartTime": {"dateTime": begins.isoformat(), "timeZone": str(zone)},
            }  # fmt: skip
            found.append(self.events.get(id_, instance))
        return found

    def marked(self, name: str, value: str) -> list[dict[str, Any]]:
        """Events, and not each of their instances, that have this private property."""
        return [
            one for one in self.events.values()
            if one.get("extendedProperties", {}).get("private", {}).get(name) == value and one["status"] != "cancelled"
        ]  # fmt: skip

    def split(self, id_: str, wall: datetime, by: timedelta) -> str:
        """Somebody changes an instance of a series "and the following": the series ends before it, and another one,
        with all that the first had but the times, begins with it. Its instances have ids of the first one's.

        Args:
            wall: When the instance is, on the series' clock.

        Returns:
            The id of the new one.
        """
        event = self.events[id_]
        zone = ZoneInfo(event["start"]["timeZone"])
        start, end = (datetime.fromisoformat(event[edge]["dateTime"]).astimezone(zone) for edge in ("start", "end"))
        rule = rrulestr(event["recurrence"][0].removeprefix("RRULE:"), dtstart=start.replace(tzinfo=None))
        before = [one for one in rule if one < wall]
        kept = f"RRULE:FREQ=WEEKLY;COUNT={len(before)}"
        begins = (wall + by).replace(tzinfo=zone)
        times = {"start": begins, "end": begins + (end - start)}
        self.save(id_, event | {"recurrence": [kept, *event["recurrence"][1:]]})
        new = f"{id_.partition('_R')[0]}_R{wall:%Y%m%dT%H%M%S}"
        copy = event | {edge: {"dateTime": one.isoformat(), "timeZone": str(zone)} for edge, one in times.items()}
        self.save(new, copy | {"recurrence": [f"RRULE:FREQ=WEEKLY;COUNT={len(list(rule)) - len(before)}"]})
        return new

    def exceptions(self, id_: str) -> list[dict[str, Any]]:
        """Instances of a series that were changed by themselves."""
        return [one for one in self.events.values() if one.get("recurringEventId") == id_]

    def find(self, id_: str) -> dict[str, Any] | None:
        """An event, or an instance of one."""
        if id_ in self.events or "_" not in id_:
            return self.events.get(id_)
        series = self.events.get(id_.partition("_")[0])
        return next((one for one in self.expand(series) if one["id"] == id_), None) if series else None

    def move(self, id_: str, starts_at: datetime) -> None:
        """Somebody drags an event."""
        event = self.find(id_)
        assert event
        length = datetime.fromisoformat(event["end"]["dateTime"]) - datetime.fromisoformat(event["start"]["dateTime"])
        self.save(id_, event | {"start": _at(starts_at), "end": _at(starts_at + length)})

    def except_instance(self, series_id: str, was: datetime, **given: Any) -> None:
        """Change one instance of a series."""
        id_ = f"{series_id}_{was.astimezone(ZoneInfo('UTC')):%Y%m%dT%H%M%SZ}"
        known = next(one for one in self.instances() if one["id"] == id_)
        self.save(id_, known | {"originalStartTime": _at(was)} | given)


def _at(moment: datetime) -> dict[str, str]:
    return {"dateTime": moment.isoformat(), "timeZone": "UTC"}
