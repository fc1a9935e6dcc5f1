"""What the words of the metric dictionary come to over all time, worked out of the change log by Python: an answer that
does not share the models' SQL. Metrics of memberships over time are in `test_lives`.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from math import isnan, log, nan
from statistics import mean, stdev
from typing import Any
from zoneinfo import ZoneInfo

import duckdb

from contracts.metrics import Metric
from contracts.relations import RELATIONS

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


def over_all_time(metric: Metric) -> str:
    """A metric's own SQL over everything: stocks of the newest day, flows of all days and, where money, currencies."""
    path = RELATIONS[metric.relation].path
    where = [f"({metric.where})"] * bool(metric.where)
    where += [f"{metric.at} = (select max({metric.at}) from {path})"] * (metric.kind == "stock")
    return f"select {metric.expression} from {path}" + (f" where {' and '.join(where)}" if where else "")


def nights(lake: duckdb.DuckDBPyConnection) -> list[Row]:
    """What wearables told last of each sleep that is no nap."""
    known: dict[tuple[Any, ...], Row] = {}
    placed = "ordering_at, normaliser_version, received_at, position desc"
    for row in lake.execute(f"from raw.wearables__sleeps order by {placed}").pl().iter_rows(named=True):
        known[tuple(row[name] for name in ("customer_id", "source", "provider", "kind", "identity"))] = row
    return [row for row in known.values() if not row["is_nap"]]


def share(part: Iterable[Any], whole: Iterable[Any]) -> float:
    counted = len(list(whole))
    return len(list(part)) / counted if counted else nan


def _maximum(kg: float | None, reps: int) -> float:
    """Epley's, of one to ten repetitions with a weight; 0 where it says nothing."""
    if not kg or kg <= 0 or not 1 <= reps <= 10:
        return 0
    return kg if reps == 1 else kg * (1 + reps / 30)


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
        self.paid_out = newest(lake, "commerce__commission_payouts")
        self.messages, self.leads = newest(lake, "engagement__messages"), newest(lake, "engagement__leads")
        self.changes = newest(lake, "commerce__subscription_changes")
        self.subscriptions = {row["id"]: row for row in newest(lake, "commerce__subscriptions")}
        self.packs = newest(lake, "commerce__session_packs")
        self.emails = newest(lake, "engagement__outgoing_emails")
        self.announcements = newest(lake, "engagement__announcements")
        self.steps = newest(lake, "training__onboarding_steps", "customer_id", "step")
        self.check_ins, self.screenings = newest(lake, "training__check_ins"), newest(lake, "training__screenings")
        self.wearable_days = newest(lake, "training__wearable_days", "customer_id", "day", "device")
        self.nights = nights(lake)
        self._consents = {
            (one["customer_id"], one["data_kind"], one["purpose"]): one["is_given"]
            for one in sorted(newest(lake, "compliance__consents"), key=lambda one: (one["decided_at"], str(one["id"])))
        }
        self.assignments = newest(lake, "training__coach_assignments")
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
        return {
            **self.sessions(), **self.training(), **self.windows(), **self.lifts(), **self.loads(), **self.money(),
            **self.collecting(), **self.renewals(), **self.leaving(), **self.talk(), **self.deliveries(), **self.care(),
            **self.wearing(),
        }  # fmt: skip

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

    def windows(self) -> dict[str, float]:
        """Of clients with something planned in the newest week, back from its last day, or from today."""
        planned: dict[str, list[tuple[date, bool]]] = defaultdict(list)
        for one in self.workouts:
            if one["programme_id"] is not None and one["scheduled_on"] <= self.day(self.now, one["customer_id"]):
                planned[one["customer_id"]].append((one["scheduled_on"], one["status"] == "completed"))
        newest_week = max(day - timedelta(day.weekday()) for ones in planned.values() for day, _ in ones)
        told = {}
        for days in (30, 90):
            seen = list[bool]()
            for who, ones in planned.items():
                if any(day >= newest_week for day, _ in ones):
                    end = min(newest_week + timedelta(6), self.day(self.now, who))
                    seen += [done for day, done in ones if end - timedelta(days) < day <= end]
            told[f"adherence_{days}d"] = share((done for done in seen if done), seen)
        return told

    def lifts(self) -> dict[str, float]:
        """Best sets of exercises by day; better than ever before, or no better for six weeks of four days."""
        done = {one["id"]: one for one in self.workouts if one["status"] == "completed"}
        bests: dict[tuple[str, str], dict[date, float]] = defaultdict(dict)
        for one in self.sets:
            if workout := done.get(one["workout_id"]):
                who = workout["customer_id"]
                day, days = self.day(workout["completed_at"], who), bests[who, one["exercise_id"]]
                days[day] = max(days.get(day, 0), _maximum(one["weight_kg"], one["reps"]))
        trained, records, still = 0, 0, 0
        for days in bests.values():
            for day, best in days.items():
                trained += bool(best)
                before = [other for then, other in days.items() if then < day and other]
                late = [other for then, other in days.items() if timedelta(0) <= day - then < timedelta(42) and other]
                old = [other for then, other in days.items() if day - then >= timedelta(42) and other]
                records += bool(before) and best > max(before)
                still += bool(best) and len(late) >= 4 and bool(old) and max(late) <= max(old)
        known = [best for days in bests.values() for best in days.values() if best]
        return {"estimated_maximum": mean(known), "personal_records": records, "plateau_rate": still / trained}

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
                if sum(month) and chronic:
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

    def told_by_devices(self) -> dict[tuple[str, date, str], Row]:
        """By client, day and device: minutes asleep and in bed, and what else the product's own row of the day says."""
        asleep: dict[tuple[str, date, str], float] = defaultdict(float)
        in_bed: dict[tuple[str, date, str], float | None] = {}
        for one in self.nights:
            place = (one["customer_id"], one["day"], one["provider"].lower())
            asleep[place] += one["asleep_seconds"] / 60
            told = [in_bed.get(place), one["in_bed_seconds"] and one["in_bed_seconds"] / 60]
            in_bed[place] = sum(minutes for minutes in told if minutes is not None) or None
        rows = {(one["customer_id"], one["day"], one["device"]): one for one in self.wearable_days}
        found = {}
        for place in rows.keys() | asleep.keys():
            row = rows.get(place, {})
            slept = [minutes for minutes in (row.get("sleep_minutes"), asleep.get(place)) if minutes is not None]
            others = {name: row.get(name) for name in ("hrv_rmssd_ms", "resting_heart_rate_bpm", "steps")}
            found[place] = {"sleep": max(slept, default=None), "in_bed": in_bed.get(place)} | others
        return found

    def readings(self) -> dict[tuple[str, date], tuple[str, float, float]]:
        """By client and day: the device that counts, the readiness that it tells, and of its time in bed the share
        asleep; nan where it tells none."""
        worn: dict[tuple[str, date], list[tuple[int, int, str, Row]]] = defaultdict(list)
        days_of: dict[tuple[str, str], int] = defaultdict(int)
        for (who, day, device), told in sorted(self.told_by_devices().items(), key=lambda one: one[0][1]):
            sleep, daily = (self._consents.get((who, kind, "coaching"), False) for kind in ("sleep", "daily"))
            shown = {name: value for name, value in told.items() if (sleep if name in ("sleep", "in_bed") else daily)}
            if daily or shown.get("sleep") is not None:
                days_of[who, device] += 1
                counted = sum(value is not None for name, value in shown.items() if name != "in_bed")
                worn[who, day].append((-counted, -days_of[who, device], device, shown))
        chosen = {place: min(devices, key=lambda one: one[:3])[2:] for place, devices in worn.items()}
        found = {}
        for (who, day), (device, shown) in chosen.items():
            hrv = shown.get("hrv_rmssd_ms")
            before = [
                log(float(other[1]["hrv_rmssd_ms"])) for back in range(1, 29)
                if (other := chosen.get((who, day - timedelta(back)))) and other[1].get("hrv_rmssd_ms") is not None
            ]  # fmt: skip
            known = hrv is not None and len(before) >= 7 and stdev(before) > 1e-9
            score = 50 + 25 * (log(float(hrv)) - mean(before)) / stdev(before) if known and hrv else nan
            sleep, in_bed = shown.get("sleep"), shown.get("in_bed")
            share_asleep = sleep / in_bed if sleep is not None and in_bed and in_bed >= sleep else nan
            found[who, day] = (device, min(100, max(0, score)) if known else nan, share_asleep)
        return found

    def wearing(self) -> dict[str, float]:
        """Means over those who tell of it, of five clients or more."""
        found = self.readings()
        told = {}
        for place, name in ((1, "readiness"), (2, "sleep_efficiency")):
            known = {who: told[place] for who, told in found.items() if not isnan(told[place])}
            told[name] = mean(known.values()) if len({who for who, _ in known}) >= 5 else nan
        return told

    def money(self) -> dict[str, float]:
        captured = {one["id"]: one["amount_minor"] for one in self.payments if one["status"] == "captured"}
        given_back = sum(
            one["amount_minor"] for one in self.refunds
            if one["payment_id"] in captured and one["status"] == "succeeded"
        )  # fmt: skip
        contested = [one for one in self.disputes if one["payment_id"] in captured]
        disputed = sum(one["amount_minor"] for one in contested if one["status"] != "won")
        disputed += sum(
            one["amount_minor"] - one["returned_minor"]
            for one in contested if one["status"] == "won" and one["returned_minor"] is not None
        )  # fmt: skip
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
            "commission_paid": sum(
                one["amount_minor"] for one in self.paid_out
                if one["reverses_id"] is None and one["id"] not in {back["reverses_id"] for back in self.paid_out}
            ),
        }  # fmt: skip

    def collecting(self) -> dict[str, float]:
        """Invoices whose payment failed before they were paid, and the days until money came all the same."""
        tries: dict[str, list[Row]] = defaultdict(list)
        for one in self.payments:
            tries[one["invoice_id"]].append(one)
        lost, days = 0, list[float]()
        for invoice in self.invoices:
            failed = [one["attempted_at"] for one in tries[invoice["id"]] if one["status"] == "failed"]
            if (
                not failed
                or invoice["status"] in ("open", "void")
                or (invoice["paid_at"] and invoice["paid_at"] <= min(failed))
            ):
                continue
            came = [
                one["captured_at"] for one in tries[invoice["id"]]
                if one["status"] == "captured" and one["captured_at"] and one["captured_at"] > min(failed)
            ]  # fmt: skip
            if came and invoice["status"] == "paid":
                days.append((min(came) - min(failed)) / timedelta(days=1))
            else:
                lost += 1
        return {
            "dunning_recovery_rate": len(days) / (len(days) + lost) if days or lost else nan,
            "days_to_recover": mean(days) if days else nan,
        }

    def renewals(self) -> dict[str, float]:
        used: dict[str, list[date]] = defaultdict(list)
        for one in self.bookings:
            if one["session_pack_id"] and one["status"] in ("attended", "no_show", "late_cancelled"):
                used[one["session_pack_id"]].append(self.day(one["starts_at"], one["customer_id"]))
        packs = [pack for pack in self.packs if (pack["sessions_refunded"] or 0) < pack["sessions_total"]]
        bought = [(one["customer_id"], one["purchased_at"]) for one in packs]
        begun: dict[str, Row] = {}
        for one in self.changes:
            if one["kind"] == "started" and one["changed_at"] < begun.get(one["subscription_id"], one)["changed_at"]:
                begun[one["subscription_id"]] = one
            elif one["kind"] == "started":
                begun.setdefault(one["subscription_id"], one)
        bought += [(one["customer_id"], one["changed_at"]) for one in begun.values()]
        known, renewed = 0, 0
        for pack in packs:
            who = pack["customer_id"]
            ended = self.day(pack["expires_at"], who)
            gone = pack["sessions_used"] + (pack["sessions_refunded"] or 0)
            if gone >= pack["sessions_total"] and used[pack["id"]]:
                ended = min(ended, max(used[pack["id"]]))
            if ended + timedelta(30) <= self.now.date():
                known += 1
                renewed += any(
                    buyer == who and at > pack["purchased_at"] and self.day(at, who) <= ended + timedelta(30)
                    for buyer, at in bought
                )
        return {"package_renewal_rate": renewed / known if known else nan}

    def leaving(self) -> dict[str, float]:
        """Ends of memberships that had started, by what ended them."""
        ways, started = list[str | None](), set[str]()
        for one in sorted(self.changes, key=lambda one: (one["changed_at"], str(one["id"]))):
            if one["kind"] == "started":
                started.add(one["subscription_id"])
            elif one["kind"] == "ended" and one["subscription_id"] in started:
                ways.append(self.subscriptions.get(one["subscription_id"], {}).get("cancel_kind"))
        return {
            "voluntary_churn": ways.count("voluntary"),
            "involuntary_churn": ways.count("involuntary"),
            "involuntary_churn_rate": share((way for way in ways if way == "involuntary"), ways),
        }

    def deliveries(self) -> dict[str, float]:
        sent = [one for one in self.emails if one["status"] == "sent"]
        known = [one for one in self.emails if one["status"] != "queued"]
        reached = sum(
            one["template"] == "announcement" and one["dedupe_key"].startswith(f"announcement:{told['id']}")
            for told in self.announcements for one in sent
        )  # fmt: skip
        asked = sum(one["recipients"] for one in self.announcements)
        week = timedelta(days=7)
        decided = [one for one in self.steps if one["left_at"] is not None or one["entered_at"] + week <= self.now]
        return {
            "deliveries_sent": len(sent),
            "delivery_rate": share((one for one in sent if one["delivered_at"]), sent),
            "withheld_rate": share((one for one in known if one["status"] == "withheld"), known),
            "announcement_reach": reached / asked if asked else nan,
            "onboarding_drop_off": share((one for one in decided if one["left_at"] is None), decided),
        }

    def care(self) -> dict[str, float]:
        """Of clients who had a coach then; questionnaires only where five of a coach's clients answered in a month."""

        def coaches(customer: str, at: datetime) -> list[str]:
            return [
                one["coach_id"] for one in self.assignments
                if one["customer_id"] == customer and one["assigned_at"] <= at
                and (one["ended_at"] is None or at < one["ended_at"])
            ]  # fmt: skip

        asked = [one for one in self.check_ins for _ in coaches(one["customer_id"], one["submitted_at"])]
        answered = [one for one in asked if one["answered_at"] is not None]
        months: dict[tuple[str, date], list[tuple[str, bool]]] = defaultdict(list)
        for one in self.screenings:
            for coach in coaches(one["customer_id"], one["answered_at"]):
                month = self.day(one["answered_at"], one["customer_id"]).replace(day=1)
                months[coach, month].append((one["customer_id"], one["is_red"]))
        told = [held for month in months.values() if len({who for who, _ in month}) >= 5 for _, held in month]
        hours = [(one["answered_at"] - one["submitted_at"]) / timedelta(hours=1) for one in answered]
        return {
            "check_in_answer_rate": share(answered, asked),
            "check_in_answer_hours": mean(hours) if hours else nan,
            "screening_hold_rate": share((held for held in told if held), told),
        }

    def talk(self) -> dict[str, float]:
        def since(kind: str, lead: Row) -> bool:
            return any(
                one["kind"] == kind and one["customer_id"] == lead["customer_id"]
                and one["changed_at"] >= lead["created_at"]
                for one in self.changes
            )  # fmt: skip

        return {
            "messages_sent": sum(one["kind"] != "system" for one in self.messages),
            "nudges_sent": sum(one["kind"] == "nudge" for one in self.messages),
            "lead_conversion": share((one for one in self.leads if since("started", one)), self.leads),
            "lead_to_trial": share((one for one in self.leads if since("trial_started", one)), self.leads),
        }
