"""Hours and clients of coaches by the week, as the words of `docs/metrics.md` have them: hours by the rules that the
product offers sessions by, everything else gone through in the change log.
"""

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import duckdb

from operational_api.scheduling.hours import Rules, WeeklyHours
from tests.dbt_project.words import Row, Words, newest

STAGES = {"trial_started": True, "started": True, "resumed": True, "paused": False, "ended": False}
"""Steps of a membership after which somebody is a coach's client, or is none."""


@dataclass
class Week:
    """Of one coach."""

    available_hours: float = 0
    delivered_hours: float = 0
    clients: int = 0
    room: int | None = None


def weeks(lake: duckdb.DuckDBPyConnection, now: datetime) -> dict[tuple[str, date], Week]:
    """By coach and Monday, each week in which a coach had hours or a session that has begun."""
    words, found = Words(lake, now), dict[tuple[str, date], Week]()
    coaches = {one["id"]: one for one in newest(lake, "scheduling__coaches")}
    zones = {one["id"]: ZoneInfo(one["time_zone"]) for one in newest(lake, "scheduling__locations")}
    came = {one["slot_id"] for one in words.bookings if one["status"] == "attended"}
    for who, rules in _rules(lake, coaches).items():
        day, last = coaches[who]["hired_on"], min(coaches[who]["left_on"] or now.date(), now.date())
        while day <= last:
            for opens, closes in rules.hours_on(day):
                week = found.setdefault((who, _monday(day)), Week())
                week.available_hours += _hours(closes) - _hours(opens)
            day += timedelta(1)
    for slot in words.slots:
        if slot["starts_at"] <= now:
            day = slot["starts_at"].astimezone(zones.get(slot["location_id"], ZoneInfo("UTC"))).date()
            week = found.setdefault((slot["coach_id"], _monday(day)), Week())
            helped = slot["assists_id"] in came and slot["status"] == "open"
            hours = (slot["ends_at"] - slot["starts_at"]) / timedelta(hours=1)
            week.delivered_hours += (slot["id"] in came or helped) * hours
    for (who, monday), week in found.items():
        week.clients = len(_clients(words, who, min(monday + timedelta(6), now.date())))
        week.room = coaches[who]["client_capacity"] if who in coaches else None
    return found


def told(found: dict[tuple[str, date], Week]) -> dict[str, float]:
    """Both metrics: hours over all weeks, clients of the newest."""
    last = [week for (_, monday), week in found.items() if monday == max(monday for _, monday in found)]
    return {
        "utilisation": sum(one.delivered_hours for one in found.values())
        / sum(one.available_hours for one in found.values()),
        "coach_load": sum(one.clients for one in last) / sum(one.room or 0 for one in last),
    }


def _monday(day: date) -> date:
    return day - timedelta(day.weekday())


def _hours(at: time) -> float:
    return at.hour + at.minute / 60 + at.second / 3600


def _rules(lake: duckdb.DuckDBPyConnection, coaches: dict[str, Row]) -> dict[str, Rules]:
    weekly, away = defaultdict(list), defaultdict(list)
    others: dict[str, dict[date, list[tuple[time, time]]]] = defaultdict(lambda: defaultdict(list))
    closed = defaultdict(set)
    for one in newest(lake, "scheduling__availability_rules"):
        weekly[one["coach_id"]].append(
            WeeklyHours(one["weekday"], one["starts_at"], one["ends_at"], one["valid_from"], one["valid_to"])
        )
    for one in newest(lake, "scheduling__availability_exceptions"):
        hours = others[one["coach_id"]][one["exception_on"]]
        if one["starts_at"] is not None:
            hours.append((one["starts_at"], one["ends_at"]))
    for one in newest(lake, "scheduling__time_off"):
        away[one["coach_id"]].append((one["starts_on"], one["ends_on"]))
    for one in newest(lake, "scheduling__public_holidays"):
        closed[one["location_id"]].add(one["holiday_on"])
    return {
        who: Rules(weekly[who], others[who], frozenset(closed[coach["location_id"]]), away[who])
        for who, coach in coaches.items()
    }


def _clients(words: Words, coach: str, day: date) -> set[str]:
    """Who was assigned to a coach on a day and on trial, a member or won back."""
    assigned = {
        one["customer_id"] for one in words.assignments
        if one["coach_id"] == coach and words.day(one["assigned_at"], one["customer_id"]) <= day
        and (one["ended_at"] is None or words.day(one["ended_at"], one["customer_id"]) > day)
    }  # fmt: skip
    steps: dict[str, bool] = {}
    for one in sorted(words.changes, key=lambda one: (one["changed_at"], str(one["id"]))):
        if one["kind"] in STAGES and words.day(one["changed_at"], one["customer_id"]) <= day:
            steps[one["customer_id"]] = STAGES[one["kind"]]
    return {who for who in assigned if steps.get(who)}
