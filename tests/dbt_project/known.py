"""Who was at risk and who came, as was known before each date: gone through in the change log by Python."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from fractions import Fraction
from functools import cached_property
from zoneinfo import ZoneInfo

import duckdb

from tests.dbt_project.words import Row, Words, newest

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Standing:
    """What was known of an active member.

    `risks` are the reasons why they were at risk: away, never came, fell, or neither came nor will.
    """

    attended_7d: int
    is_booked: bool
    risks: frozenset[str]


class Known:
    """What a lake knew before each Monday, and up to now."""

    def __init__(self, lake: duckdb.DuckDBPyConnection, now: datetime) -> None:
        self.now, self.words = now, Words(lake, now)
        self._planned = first_told(lake, "training__workouts", lambda _: True)
        self._done = first_told(lake, "training__workouts", lambda row: row["status"] == "completed")
        self._came = first_told(lake, "training__clients", lambda _: True)
        studios = {one["id"]: ZoneInfo(one["time_zone"]) for one in newest(lake, "scheduling__locations")}
        self._studios = {one["id"]: studios[one["location_id"]] for one in self.words.slots}
        self._steps: dict[str, dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
        for one in sorted(self.words.changes, key=lambda one: (one["changed_at"], str(one["id"]))):
            self._steps[one["customer_id"]][one["subscription_id"]].append(one)

    @cached_property
    def standings(self) -> dict[tuple[str, date], Standing]:
        """By customer and date, of everybody who was an active member then: Mondays before today, and today."""
        found = {}
        for who in self._steps:
            for as_of, before in self._dates(who):
                if (began := self._active_since(who, before)) is not None:
                    found[who, as_of] = self._standing(who, before, began, is_today=as_of == self.now.date())
        return found

    def _dates(self, who: str) -> Iterator[tuple[date, date]]:
        """Each date and the first day that it must not know of."""
        began = [self._day(one["changed_at"], one["customer_id"]) for one in self.words.changes
                 if one["kind"] == "started"]  # fmt: skip
        here, today = self._day(self.now, who), self.now.date()
        monday = min(began) - timedelta(min(began).weekday())
        while monday < min(here, today):
            yield monday, monday
            monday += 7 * DAY
        yield today, here + DAY

    def _day(self, at: datetime, who: str) -> date:
        return self.words.day(at, who)

    def _active_since(self, who: str, before: date) -> date | None:
        """When the membership began that was paid for and neither paused nor ended before a day."""
        for steps in self._steps[who].values():
            kinds = [one["kind"] for one in steps if self._day(one["changed_at"], who) < before]
            if "started" in kinds:
                turns = [one for one in kinds if one in ("started", "paused", "resumed", "ended")]
                if turns[-1] in ("started", "resumed"):
                    return next(self._day(one["changed_at"], who) for one in steps if one["kind"] == "started")
        return None

    def _standing(self, who: str, before: date, began: date, *, is_today: bool) -> Standing:
        bookings = [one for one in self.words.bookings if one["customer_id"] == who]
        visits = [
            day for one in bookings if one["status"] == "attended"
            and (day := self._day(one["outcome_at"] or one["starts_at"], who)) < before
        ]  # fmt: skip
        week = [day for day in visits if before - day <= 7 * DAY]
        ahead = [one for one in bookings if self._is_ahead(one, who, before, is_today=is_today)]
        now, then = self._adherence(who, before, 28, 1), self._adherence(who, before, 84, 29)
        risks = set()
        if visits and before - max(visits) > 14 * DAY:
            risks.add("away")
        if not visits and before - began > 14 * DAY:
            risks.add("never came")
        if now is not None and then is not None and then - now >= Fraction(1, 5):
            risks.add("fell")
        if not week and not ahead:
            risks.add("neither came nor will")
        return Standing(len(week), bool(ahead), frozenset(risks))

    def _is_ahead(self, booking: Row, who: str, before: date, *, is_today: bool) -> bool:
        """Whether a session was booked before a day, and is still to come then, or now."""
        if self._day(booking["booked_at"], who) >= before:
            return False
        held = booking["starts_at"].astimezone(self._studios[booking["slot_id"]]).date()
        cancelled = booking["cancelled_at"] and self._day(booking["cancelled_at"], who)
        if is_today:
            return not cancelled and (booking["starts_at"] > self.now or held >= before)
        return held >= before and (cancelled is None or cancelled >= before)

    def _adherence(self, who: str, before: date, since: int, until: int) -> Fraction | None:
        """Of what a programme planned on days so many back from a day, the share that was done; None of nothing."""
        planned, done = 0, 0
        for one in self.words.workouts:
            if one["customer_id"] == who and one["programme_id"] is not None:
                due = self._told(one, who, one["scheduled_on"], self._planned)
                planned += timedelta(until) <= before - due <= timedelta(since)
                if one["status"] == "completed":
                    made = self._told(one, who, self._day(one["completed_at"], who), self._done)
                    done += timedelta(until) <= before - made <= timedelta(since)
        return min(Fraction(1), Fraction(done, planned)) if planned else None

    def _told(self, workout: Row, who: str, day: date, first: dict[str, datetime]) -> date:
        """The day of a fact; the day it was told where that was later, but for what came with its customer."""
        at, came = first.get(workout["id"]), self._came.get(who)
        if at is None or (came is not None and day < self._day(came, who)):
            return day
        return max(day, self._day(at, who))


def first_told(lake: duckdb.DuckDBPyConnection, table: str, says: Callable[[Row], bool]) -> dict[str, datetime]:
    """By id, when the log first said something of a row; nothing of rows that a snapshot brought saying it."""
    told: dict[str, list[Row]] = defaultdict(list)
    for row in lake.execute(f"from raw.{table} order by _lsn, _seq").pl().iter_rows(named=True):
        if row["_op"] in ("r", "i", "u") and says(row):
            told[row["id"]].append(row)
    return {key: min(row["_committed_at"] for row in rows) for key, rows in told.items() if rows[0]["_op"] != "r"}
