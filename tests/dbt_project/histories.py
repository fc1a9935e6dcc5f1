"""Random lives of the business's rows, as capture lands them: corrected, moved to others, deleted, come back, late."""

import duckdb
import numpy as np

from tests.dbt_project import lake as lakes

ANY = "any"
"""The value that some other row of the table has."""
LATER = "later"
"""Up to nine days later, or two months earlier; one in four comes to stand at an edge of a day."""
EDGES = (
    "2026-06-17 23:59:59.999999+00", "2026-06-18 00:00:00+00",  # UTC's
    "2026-06-17 21:59:59.999999+00", "2026-06-17 22:00:00+00", "2026-06-17 17:00:00+00",  # Berlin's, Ho Chi Minh City's
    "2026-03-29 00:59:59+00", "2026-03-29 01:00:00+00", "2026-03-29 22:00:00+00",  # the day of 23 hours
    "2026-10-24 22:00:00+00", "2026-10-25 00:59:59.999999+00", "2026-10-25 01:00:00+00",
    "2026-10-25 22:30:00+00", "2026-10-25 23:00:00+00",  # the day of 25
)  # fmt: skip
MORE = "more"
"""By one."""

FINISHED = "finished"
"""Done or not: a workout that is done has a time, one that is not has none."""
WORKOUT = "(select id from raw.training__workouts where _op <> 't' order by hash(rowid + {number}) limit 1)"
"""Some workout's."""

CHANGING = {
    "scheduling__bookings": {
        "status": ANY, "outcome_at": LATER, "customer_id": ANY, "slot_id": ANY, "booked_at": LATER,
    },
    "scheduling__slots": {"status": ANY, "starts_at": LATER, "location_id": ANY},
    "training__workouts": {"status": FINISHED, "completed_at": LATER, "customer_id": ANY, "session_rpe": MORE},
    "training__workout_sets": {"reps": MORE, "weight_kg": MORE, "workout_id": WORKOUT, "position": MORE},
    "training__wearable_days": {"sleep_minutes": MORE, "hrv_rmssd_ms": MORE},
    "training__coach_assignments": {"coach_id": ANY},
    "training__clients": {"display_name": ANY, "time_zone": ANY, "home_distance_km": MORE},
    "training__injuries": {"resolved_on": "current_date", "customer_id": ANY},
    "engagement__messages": {"kind": ANY, "sent_at": LATER, "read_at": LATER},
    "commerce__payments": {"status": ANY, "fee_minor": MORE, "attempted_at": LATER},
    "commerce__invoices": {"status": ANY, "paid_at": LATER, "subscription_id": ANY},
    "commerce__refunds": {"amount_minor": MORE, "payment_id": ANY},
    "commerce__subscription_changes": {"changed_at": LATER, "mrr_after_minor": MORE},
    "compliance__consents": {"customer_id": ANY},
    "automation__runs": {"status": ANY, "started_at": LATER},
    "identity__accounts": {"display_name": ANY, "time_zone": ANY},
    "commerce__subscriptions": {"status": ANY, "plan_id": ANY},
    "commerce__session_packs": {"sessions_used": MORE, "sessions_refunded": MORE, "expires_at": LATER},
    "commerce__commission_statements": {"sessions": MORE, "coach_id": ANY},
    "commerce__commission_payouts": {"amount_minor": MORE, "coach_id": ANY},
    "commerce__credit_notes": {"amount_minor": MORE},
    "scheduling__coaches": {"location_id": ANY, "client_capacity": MORE},
    "scheduling__time_off": {"coach_id": ANY},
    "scheduling__availability_exceptions": {"coach_id": ANY},
    "scheduling__waitlist_entries": {"status": ANY, "slot_id": ANY},
    "engagement__leads": {"source": ANY, "converted_at": LATER},
    "engagement__announcements": {"recipients": MORE},
    "engagement__outgoing_emails": {"status": ANY, "delivered_at": LATER},
    "training__onboarding_steps": {"left_at": LATER, "outcome": ANY},
    "training__check_ins": {"answered_at": LATER, "customer_id": ANY},
    "training__screenings": {"cleared_at": LATER, "is_red": "not is_red"},
}  # fmt: skip
LEAVES = ("scheduling__bookings", "training__workouts", "training__workout_sets", "training__wearable_days",
          "engagement__messages", "commerce__payments", "training__injuries", "commerce__refunds",
          "scheduling__waitlist_entries", "engagement__outgoing_emails", "training__check_ins",
          "scheduling__time_off")  # fmt: skip
"""Tables whose rows may go without another row being left without what it names."""
EMPTIED = ("engagement__messages", "training__injuries")
ALONE = ("training__coach_assignments", "commerce__commission_payouts")
"""Tables of which no row may come beside another: a client has one coach at a time, a payment is taken back once."""
KEYED = ("training__workout_sets", "training__wearable_days", "training__onboarding_steps")
"""Tables whose key is not `id`: one that comes in is what another became."""


def live(lake: duckdb.DuckDBPyConnection, rng: np.random.Generator, *, lsn: int, steps: int) -> int:
    """Land random changes, each at its own place in the log or before what is known already; returns the last place.

    One step in eight is late: it lands now and happened before the first snapshot, so it must change nothing that a
    later change of the same row has said.
    """
    for _ in range(steps):
        table = str(rng.choice(list(CHANGING)))
        rows = lake.execute(f"select rowid from raw.{table} where _op <> 't' order by rowid").fetchall()
        if not rows:
            continue
        lsn += 1
        at = 500 + lsn % 100 if rng.random() < 0.125 else lsn
        chosen = int(rows[rng.integers(len(rows))][0])
        operation = str(rng.choice(["u", "u", "u", "i", "d"]))
        if (operation == "d" and table not in LEAVES) or (operation == "i" and table in ALONE):
            operation = "u"
        values = {} if operation == "d" else _values(table, rng)
        if operation == "i" and table not in KEYED:
            values["id"] = "uuid()"
        lakes.change(lake, table, operation, lsn=at, where=f"rowid = {chosen}", **values)
    return lsn


def empty(lake: duckdb.DuckDBPyConnection, *, lsn: int) -> int:
    """Truncate two tables, and let some rows of theirs come back; returns the last place in the log."""
    for table in EMPTIED:
        lakes.change(lake, table, "t", lsn=lsn + 1, where="true limit 1")
        lakes.change(lake, table, "i", lsn=lsn + 2, where="_op = 'r' and hash(rowid) % 2 = 0")
        lsn += 2
    return lsn


RECOVERED, LOST = (f"'00000000-0000-7000-8000-00000000000{n}'::uuid" for n in (1, 2))
"""Invoices: one is paid two days after it could not be collected, one never."""


def _client(nth: int) -> str:
    return f"(select distinct id from raw.training__clients where _op <> 't' order by id limit 1 offset {nth})"


def _coached_by_one(lake: duckdb.DuckDBPyConnection, *, lsn: int) -> int:
    """Five clients come to the coach of most of them; returns the last place in the log."""
    known = """from raw.training__coach_assignments where _op <> 't'
        qualify row_number() over (partition by id order by _lsn desc, _seq desc) = 1"""
    (coach,) = lake.execute(
        f"select coach_id from ({known}) where ended_at is null group by all order by count(*) desc, coach_id"
    ).fetchall()[0]
    moment = "timestamptz '2026-10-19 09:00:00+00'"
    for nth in range(5):
        (client,) = lake.execute(f"select {_client(nth)}").fetchall()[0]
        current = f"from ({known}) where customer_id = '{client}' and ended_at is null"
        if lake.execute(f"{current} and coach_id = '{coach}'").fetchall():
            continue
        lakes.change(
            lake, "training__coach_assignments", "u", lsn=lsn + 1, ended_at=moment,
            where=f"(id, _lsn, _seq) in (select (id, _lsn, _seq) {current})",
        )  # fmt: skip
        lakes.change(
            lake, "training__coach_assignments", "i", lsn=lsn + 2, id="uuid()", customer_id=f"'{client}'",
            coach_id=f"'{coach}'", assigned_at=moment, ended_at="null",
            where="rowid = (select min(rowid) from raw.training__coach_assignments where _op <> 't')",
        )  # fmt: skip
        lsn += 2
    return lsn


def complete(lake: duckdb.DuckDBPyConnection, *, lsn: int) -> int:
    """Land what a few hundred random changes seldom come to, so that every metric has something to tell of by October
    2026; returns the last place in the log.

    Weeks of training, questionnaires of one coach's clients, days of five clients who share them, failed payments.
    """
    one = "rowid = (select min(rowid) from raw.{table} where {which})"
    done = one.format(table="training__workouts", which="_op <> 't' and status = 'completed'")
    for nth, day in enumerate(("09-20", "10-02", "10-05", "10-09", "10-14", "10-19", "10-20", "10-22", "10-24")):
        lsn += 1
        lakes.change(
            lake, "training__workouts", "i", lsn=lsn, where=done, id="uuid()", status="'completed'",
            completed_at=f"timestamptz '2026-{day} 10:00:00+00'", scheduled_on=f"date '2026-{day}'",
            session_rpe=str(3 + nth % 5), duration_minutes="45",
        )  # fmt: skip
    lsn = _coached_by_one(lake, lsn=lsn)
    screening = one.format(table="training__screenings", which="_op <> 't'")
    for nth in range(6):
        lsn += 1
        lakes.change(
            lake, "training__screenings", "i", lsn=lsn, where=screening, id="uuid()",
            customer_id=_client(nth % 5),
            answered_at=f"timestamptz '2026-10-20 1{nth}:00:00+00'", is_red=str(nth % 3 == 0).lower(),
        )  # fmt: skip
    worn = one.format(table="training__wearable_days", which="_op <> 't'")
    consent = one.format(table="compliance__consents", which="_op <> 't'")
    for nth in range(5):
        who = _client(nth)
        for kind in ("daily", "sleep"):
            lsn += 1
            lakes.change(
                lake, "compliance__consents", "i", lsn=lsn, where=consent, id="uuid()", customer_id=who,
                data_kind=f"'{kind}'", purpose="'coaching'", is_given="true",
                decided_at="timestamptz '2026-10-01 10:00:00+00'",
            )  # fmt: skip
        sleep(lake, who, nth)
        for day in range(10, 19):
            lsn += 1
            lakes.change(
                lake, "training__wearable_days", "i", lsn=lsn, where=worn, customer_id=who, device="'oura'",
                day=f"date '2026-10-{day}'", hrv_rmssd_ms=str(40 + (7 * day + 3 * nth) % 11),
            )  # fmt: skip
    invoice = one.format(table="commerce__invoices", which="_op <> 't'")
    payment = one.format(table="commerce__payments", which="_op <> 't' and status = 'captured'")
    for invoice_id, status, paid_at in (
        (RECOVERED, "paid", "timestamptz '2026-10-22 08:00:00+00'"), (LOST, "uncollectible", "null"),
    ):  # fmt: skip
        lsn += 1
        lakes.change(
            lake, "commerce__invoices", "i", lsn=lsn, where=invoice, id=invoice_id, number=f"{invoice_id}::varchar",
            status=f"'{status}'", paid_at=paid_at,
        )  # fmt: skip
        for state, at in (("failed", "timestamptz '2026-10-20 08:00:00+00'"), ("captured", paid_at)):
            if at != "null":
                lsn += 1
                lakes.change(
                    lake, "commerce__payments", "i", lsn=lsn, where=payment, id="uuid()", invoice_id=invoice_id,
                    status=f"'{state}'", attempted_at=at, captured_at=at if state == "captured" else "null",
                )  # fmt: skip
    return lsn


def sleep(lake: duckdb.DuckDBPyConnection, who: str, nth: int) -> None:
    """What a client's ring told of nights: one in two pieces and one told anew, a nap, and nights of which it knows too
    little, or more sleep than time in bed."""
    for day, piece, asleep, in_bed, said, is_nap in (
        (11, "a", 400 + nth, 450, 1, False), (12, "a", 200, 230, 1, False), (12, "b", 180 + nth, 240, 1, False),
        (13, "a", 300, 310, 1, False), (13, "a", 360, 480, 2, False), (14, "a", 420, None, 1, False),
        (15, "a", 500, 480, 1, False), (16, "a", 410, 430, 1, False), (16, "nap", 60, 60, 1, True),
    ):  # fmt: skip
        lake.execute(
            f"""insert into raw.wearables__sleeps by name
            select uuid() as payload_id, 'data[0]' as position, 1 as normaliser_version, {who} as customer_id,
                'terra' as source, 'sleep' as kind, 'OURA' as provider, $identity as identity,
                timestamptz '2026-10-20 10:00:00+00' + to_hours($said) as ordering_at,
                timestamptz '2026-10-20 10:00:00+00' + to_hours($said) as received_at, $day::date as day,
                $day::timestamptz as started_at, $day::timestamptz as ended_at, $is_nap as is_nap,
                60.0 * $asleep as asleep_seconds, 60.0 * $in_bed as in_bed_seconds""",
            {"identity": f"{day} {piece}", "said": said, "day": f"2026-10-{day}", "is_nap": is_nap, "asleep": asleep,
             "in_bed": in_bed},
        )  # fmt: skip


def _values(table: str, rng: np.random.Generator) -> dict[str, str]:
    column = str(rng.choice(list(CHANGING[table])))
    how = CHANGING[table][column]
    if how == FINISHED:
        if rng.random() < 0.5:
            return {column: "'skipped'", "completed_at": "null"}
        return {column: "'completed'", "completed_at": "coalesce(completed_at, scheduled_on + interval '18 hours')"}
    if how == ANY:
        place = f"hash(other.rowid + {rng.integers(99)})"
        return {column: f"(select other.{column} from raw.{table} as other order by {place} limit 1)"}
    if how == LATER and rng.random() < 0.25:
        return {column: f"timestamptz '{rng.choice(EDGES)}'"}
    if how == LATER:
        return {column: f"{column} + interval '{rng.integers(-1500, 200)} hours'"}
    return {column: f"{column} + 1" if how == MORE else how.format(number=rng.integers(99))}
