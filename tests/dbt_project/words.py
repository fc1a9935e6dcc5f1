"""What the words of the metric dictionary come to over all time, worked out of the change log by Python: an answer that
does not share the models' SQL. Metrics of memberships over time are in `test_lives`.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from math import nan
from statistics import mean, stdev
from typing import Any
from zoneinfo import ZoneInfo

import duckdb

Row = dict[str, Any]


def newest(lake: duckdb.DuckDBPyConnection, table: str, *key: str) -> list[Row]:
    """A table's rows as the product has them now: its change log, gone through in its order."""
    live: dict[tuple[Any, ...], Row] = {}
    for row in lake.execute(f"from raw.{table} order by _lsn, _seq").pl().iter_rows(named=True):
        place = tuple(row[name] for name in key or ("id",))
        if row["_op"] == "t":
            live.clear()
        elif row["_op"] == "d":
            live.pop(place, None)
        else:
            live[place] = row
    return list(live.values())


def share(part: Iterable[Any], whole: Iterable[Any]) -> float:
    counted = len(list(whole))
    return len(list(part)) / counted if counted else nan


class Words:
    """The business of a lake at a time."""

    def __init__(self, lake: duckdb.DuckDBPyConnection, now: datetime) -> None:
        self.now = now
        self.bookings, self.slots = newest(lake, "scheduling__bookings"), newest(lake, "scheduling__slots")
        self.waiting = newest(lake, "scheduling__waitlist_entries")
        self.workouts = newest(lake, "training__workouts")
        self.sets = newest(lake, "training__workout_sets", "workout_id", "position")
        self.payments, self.refunds = newest(lake, "commerce__payments"), newest(lake, "commerce__refunds")
        self.disputes = newest(lake, "commerce__disputes")
        self.invoices, self.credit_notes = newest(lake, "commerce__invoices"), newest(lake, "commerce__credit_notes")
        self.statements = newest(lake, "commerce__commission_statements")
        self.messages, self.leads = newest(lake, "engagement__messages"), newest(lake, "engagement__leads")
        self.changes = newest(lake, "commerce__subscription_changes")
        clients = {row["id"]: row for row in newest(lake, "training__clients")}
        locations = {row["id"]: row["time_zone"] for row in newest(lake, "scheduling__locations")}
        accounts = {row["id"]: row["time_zone"] for row in newest(lake, "identity__accounts")}
        self._zones = accounts | {
            who: one["time_zone"] or locations.get(one["location_id"]) or accounts.get(who) or "UTC"
            for who, one in clients.items()
        }

    def day(self, at: datetime, customer: str) -> date:
        return at.astimezone(ZoneInfo(self._zones.get(customer, "UTC"))).date()

    def all(self) -> dict[str, float]:
        """Metric to its value over all time and, where it is money, all currencies: a test's sum, no screen's."""
        return {**self.sessions(), **self.training(), **self.loads(), **self.money(), **self.talk()}

    def sessions(self) -> dict[str, float]:
        by_slot = defaultdict(list)
        for one in self.bookings:
            by_slot[one["slot_id"]].append(one["status"])
        due = [one["status"] for one in self.bookings if one["status"] in ("attended", "no_show", "late_cancelled")]
        fees = [one for one in self.bookings if one["late_fee_due_at"] is not None]
        began = [slot for slot in self.slots if slot["starts_at"] <= self.now]
        open_ones = [slot for slot in began if slot["status"] == "open"]
        classes = [slot for slot in open_ones if slot["kind"] == "group"]
        started = {slot["id"] for slot in began}
        waited = [one["status"] for one in self.waiting if one["slot_id"] in started]

        def held(slots: list[Row]) -> int:
            return sum(one in ("booked", "attended", "no_show") for slot in slots for one in by_slot[slot["id"]])

        def seats(slots: list[Row]) -> float:
            return sum(slot["capacity"] for slot in slots) or nan

        return {
            "attendances": due.count("attended"),
            "no_show_rate": due.count("no_show") / len(due),
            "late_cancel_rate": due.count("late_cancelled") / len(due),
            "late_fee_waiver_rate": share((one for one in fees if one["late_fee_waived_at"]), fees),
            "sessions_delivered": sum("attended" in by_slot[slot["id"]] for slot in self.slots),
            "active_clients": len({one["customer_id"] for one in self.bookings if one["status"] == "attended"}),
            "fill_rate": held(open_ones) / seats(open_ones),
            "class_fill_rate": held(classes) / seats(classes),
            "average_class_size": sum(by_slot[slot["id"]].count("attended") for slot in classes) / len(classes),
            "waitlist_conversion": share((one for one in waited if one == "promoted"), waited),
        }

    def training(self) -> dict[str, float]:
        done = {one["id"] for one in self.workouts if one["status"] == "completed"}
        planned = [
            one
            for one in self.workouts
            if one["programme_id"] is not None and one["scheduled_on"] <= self.day(self.now, one["customer_id"])
        ]
        return {
            "workouts_completed": len(done),
            "training_volume": sum(
                one["weight_kg"] * one["reps"] for one in self.sets
                if one["workout_id"] in done and one["weight_kg"] is not None
            ),
            "training_load": sum(self._load(one) or 0 for one in self.workouts if one["id"] in done),
            "adherence": share((one for one in planned if one["id"] in done), planned),
        }  # fmt: skip

    def _load(self, workout: Row) -> float | None:
        effort, minutes = workout["session_rpe"], workout["duration_minutes"]
        return None if effort is None or minutes is None else effort * minutes

    def loads(self) -> dict[str, float]:
        """The average over clients of the newest day that any of them has."""
        found: dict[str, list[tuple[date, float]]] = defaultdict(list)
        clients: dict[str, dict[date, float]] = defaultdict(lambda: defaultdict(float))
        for one in self.workouts:
            if one["status"] == "completed":
                days = clients[one["customer_id"]]
                days[self.day(one["completed_at"], one["customer_id"])] += self._load(one) or 0
        for who, days in clients.items():
            last = max(*days, self.day(self.now, who))
            series = [days.get(min(days) + timedelta(place), 0) for place in range((last - min(days)).days + 1)]
            week, month = series[-7:], series[-28:]
            if len(month) == 28:
                acute = chronic = series[0]
                for load in series[1:]:
                    acute, chronic = acute + (load - acute) * 2 / 8, chronic + (load - chronic) * 2 / 29
                if sum(month):
                    found["acwr"].append((last, mean(week) / mean(month)))
                if chronic:
                    found["acwr_smoothed"].append((last, acute / chronic))
            if len(week) == 7 and stdev(week) > 1e-9:
                found["monotony"].append((last, mean(week) / stdev(week)))
                found["strain"].append((last, sum(week) * mean(week) / stdev(week)))
        newest_day = max(max(*days, self.day(self.now, who)) for who, days in clients.items())
        told = {name: [value for day, value in values if day == newest_day] for name, values in found.items()}
        return {
            name: mean(told[name]) if told.get(name) else nan
            for name in ("acwr", "acwr_smoothed", "monotony", "strain")
        }

    def money(self) -> dict[str, float]:
        captured = {one["id"]: one["amount_minor"] for one in self.payments if one["status"] == "captured"}
        given_back = sum(
            one["amount_minor"] for one in self.refunds
            if one["payment_id"] in captured and one["status"] == "succeeded"
        )  # fmt: skip
        disputed = sum(
            one["amount_minor"] for one in self.disputes if one["payment_id"] in captured and one["status"] != "won"
        )
        tried = [one["status"] for one in self.payments if one["status"] in ("captured", "failed")]
        invoices = {one["id"] for one in self.invoices}
        forgiven, paid = defaultdict(int), defaultdict(int)
        for one in self.credit_notes:
            forgiven[one["invoice_id"]] += one["amount_minor"] * (one["settlement"] == "open")
        for one in self.payments:
            paid[one["invoice_id"]] += one["amount_minor"] * (one["status"] == "captured")
        return {
            "payments_captured": sum(captured.values()),
            "net_revenue": sum(captured.values()) - given_back - disputed,
            "refund_rate": given_back / sum(captured.values()) if captured else nan,
            "payment_failure_rate": tried.count("failed") / len(tried) if tried else nan,
            "credited": sum(one["amount_minor"] for one in self.credit_notes if one["invoice_id"] in invoices),
            "invoices_owed": sum(
                max(one["total_minor"] - forgiven[one["id"]] - paid[one["id"]], 0)
                for one in self.invoices if one["status"] == "open"
            ),
            "commission": sum(one["total_minor"] for one in self.statements),
        }  # fmt: skip

    def talk(self) -> dict[str, float]:
        members = {one["customer_id"] for one in self.changes if one["kind"] == "started"}
        tried = {one["customer_id"] for one in self.changes if one["kind"] == "trial_started"}
        return {
            "messages_sent": sum(one["kind"] != "system" for one in self.messages),
            "nudges_sent": sum(one["kind"] == "nudge" for one in self.messages),
            "lead_conversion": share((one for one in self.leads if one["customer_id"] in members), self.leads),
            "lead_to_trial": share((one for one in self.leads if one["customer_id"] in tried), self.leads),
        }
