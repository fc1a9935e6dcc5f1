"""Random lives of members, and how they land in a lake: memberships, payments, invoices, visits, leads.

What the warehouse is to say of them is `test_lives`.
"""

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import duckdb
import numpy as np
import polars as pl

from tests.dbt_project import bills
from tests.dbt_project import lake as lakes

NOW = datetime(2026, 6, 17, 12, tzinfo=UTC)
ZONES = {"Europe/Berlin": "EUR", "Asia/Ho_Chi_Minh": "VND", "America/New_York": "USD"}
PLANS = {name: UUID(int=9000 + place) for place, name in enumerate(("basic", "plus", "gold"))}
PRICES = {"basic": 3000, "plus": 4500, "gold": 9001}


@dataclass(frozen=True)
class Step:
    subscription: UUID
    customer: UUID
    plan: str
    kind: str
    before: int
    after: int
    currency: str
    at: datetime

    @property
    def day(self) -> date:
        return self.at.astimezone(ZoneInfo(self.zone)).date()

    @property
    def zone(self) -> str:
        return next(name for name, currency in ZONES.items() if currency == self.currency)


def life(rng: np.random.Generator, number: int) -> list[Step]:
    """Up to five memberships of a customer, one after the other: some steps an hour apart, some on an edge of a day."""
    zone = str(rng.choice(list(ZONES)))
    customer, steps = UUID(int=number * 1000), list[Step]()
    at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=int(rng.integers(90 * 24 * 60)))
    for nth in range(int(rng.integers(1, 6))):
        subscription, plan, state, earns = UUID(int=number * 1000 + nth + 1), str(rng.choice(list(PLANS))), "none", 0
        for _ in range(int(rng.integers(2, 9))):
            kind = str(rng.choice(_FOLLOWS[state]))
            before = earns
            if kind == "plan_changed":
                plan = str(rng.choice([one for one in PLANS if one != plan]))
            if kind in ("started", "resumed", "plan_changed") and not (kind == "plan_changed" and state != "active"):
                earns = PRICES[plan]
            elif kind == "price_changed":
                earns = max(1, earns + int(rng.integers(-500, 500)))
            elif kind in ("paused", "ended"):
                earns = 0
            steps.append(Step(subscription, customer, plan, kind, before, earns, ZONES[zone], at))
            state = _BECOMES.get(kind, state)
            at = _later(rng, at, zone)
            if state == "ended":
                break
        if state != "ended":
            break
    return [step for step in steps if step.at <= NOW]


_FOLLOWS = {
    "none": ["trial_started", "started", "started"], "trial": ["started", "started", "ended", "plan_changed"],
    "active": ["paused", "plan_changed", "price_changed", "ended"],
    "paused": ["resumed", "resumed", "plan_changed", "ended"],
}  # fmt: skip
_BECOMES = {"trial_started": "trial", "started": "active", "resumed": "active", "paused": "paused", "ended": "ended"}


def _later(rng: np.random.Generator, at: datetime, zone: str) -> datetime:
    match rng.integers(4):
        case 0:
            return at + timedelta(microseconds=1)
        case 1:
            return at + timedelta(hours=int(rng.integers(1, 30)))
    later = at + timedelta(minutes=int(rng.integers(40 * 24 * 60)))
    if rng.random() < 0.5:
        return later
    ends = (
        later.astimezone(ZoneInfo(zone)) + timedelta(days=1)
    ).date()  # a month's first midnight there, or just before
    ends = ends.replace(day=1) if rng.random() < 0.5 else ends
    midnight = datetime.combine(ends, time(), ZoneInfo(zone)).astimezone(UTC)
    edge = midnight - timedelta(microseconds=int(rng.integers(2)))
    return edge if edge > at else later


@dataclass(frozen=True)
class Payment:
    """An attempt to collect a part of an invoice, or all of it; `back` of it was refunded. `status` and `paid_at` are
    the invoice's."""

    by: Step
    invoice: UUID
    attempt: int
    is_captured: bool
    minor: int
    at: datetime
    status: str
    paid_at: datetime | None
    back: int

    @property
    def id(self) -> UUID:
        return UUID(int=self.invoice.int * 10 + self.attempt)

    @property
    def day(self) -> date:
        return self.at.astimezone(ZoneInfo(self.by.zone)).date()


def pays(rng: np.random.Generator, lives: list[list[Step]]) -> list[Payment]:
    """Attempts to collect from customers, as members or not; an invoice is paid at any of them, or never."""
    tries = list[Payment]()
    for steps in (steps for steps in lives for _ in range(int(rng.integers(4))) if steps):
        minutes = sorted(int(one) for one in rng.integers(150 * 24 * 60, size=int(rng.integers(1, 5))))
        times = [NOW - timedelta(minutes=one) for one in reversed(minutes)]
        captured = [bool(rng.random() < 0.5) for _ in times]
        came = [at for at, is_captured in zip(times, captured, strict=True) if is_captured]
        status = str(
            rng.choice(["paid", "paid", "open", "void", "uncollectible"] if came else ["open", "uncollectible"])
        )
        paid_at = came[rng.integers(len(came))] if came and status == "paid" else None
        invoice = UUID(int=len(tries) + 1)
        for nth, (at, is_captured) in enumerate(zip(times, captured, strict=True), 1):
            minor = int(rng.integers(1, 9000))
            back = int(rng.integers(minor + 1)) * is_captured * int(rng.random() < 0.3)
            tries.append(Payment(steps[0], invoice, nth, is_captured, minor, at, status, paid_at, back))
    return tries


SPENT = ((date(2026, 1, 1), "EUR", 90_001), (date(2026, 1, 1), "EUR", 20_000), (date(2026, 2, 1), "VND", 70_000),
         (date(2026, 4, 15), "EUR", 5_000))  # fmt: skip
"""What the seed `marketing_spend` says: a day of a month, the currency, the amount. Of other months nobody has said."""


@dataclass(frozen=True)
class Lived:
    lake: duckdb.DuckDBPyConnection
    lives: list[list[Step]]
    paid: list[Payment]
    bills: list[bills.Bill]

    def rows(self, query: str) -> list[tuple]:
        return self.lake.execute(query).fetchall()


def land(lake: duckdb.DuckDBPyConnection, steps: list[Step]) -> None:
    """Customers and the steps of their memberships, as capture lands them."""
    loader = f"'i' as _op, 1004 as _lsn, row_number() over () as _seq, 0 as _xid, timestamptz '{NOW}' as _committed_at"
    told = pl.DataFrame(
        {
            "subscription_id": [str(step.subscription) for step in steps],
            "customer_id": [str(step.customer) for step in steps],
            "plan_id": [str(PLANS[step.plan]) for step in steps],
            "kind": [step.kind for step in steps],
            "mrr_before_minor": [step.before for step in steps],
            "mrr_after_minor": [step.after for step in steps],
            "currency": [step.currency for step in steps],
            "changed_at": [step.at for step in steps],
            "time_zone": [step.zone for step in steps],
        }
    )
    assert told.height > 200
    lake.register("told", told)
    lake.execute(
        f"""insert into raw.commerce__subscription_changes by name
        select {loader}, _committed_at as _landed_at, uuid() as id, * exclude (time_zone) from told"""
    )
    lake.execute(
        f"""insert into raw.training__clients by name
        select {loader}, _committed_at as _landed_at, id, time_zone, timestamptz '2026-01-01 00:00:00+00' as joined_at
        from (select distinct customer_id as id, time_zone from told)"""
    )
    lake.execute(
        """insert into raw.identity__accounts by name
        select account.* replace (
            'i' as _op, 1004 as _lsn, row_number() over () as _seq, who.id::uuid as id, who.time_zone as time_zone
        )
        from (select * from raw.identity__accounts where role = 'customer' and _op <> 't' limit 1) as account
        cross join (select distinct customer_id as id, time_zone from told) as who"""
    )


def collect(lake: duckdb.DuckDBPyConnection, tries: list[Payment]) -> None:
    """Invoices and attempts to collect them, as capture lands them."""
    tried = pl.DataFrame(
        {
            "customer": [str(one.by.customer) for one in tries],
            "invoice": [str(one.invoice) for one in tries],
            "payment_id": [str(one.id) for one in tries],
            "back": [one.back for one in tries],
            "currency": [one.by.currency for one in tries],
            "nth": [one.attempt for one in tries],
            "is_captured": [one.is_captured for one in tries],
            "minor": [one.minor for one in tries],
            "at": [one.at for one in tries],
            "status": [one.status for one in tries],
            "paid_at": [one.paid_at for one in tries],
        }
    )
    lake.register("tried", tried)
    lake.execute(
        """insert into raw.commerce__payments by name
        select payment.* replace (
            'i' as _op, 1004 as _lsn, row_number() over () as _seq, payment_id::uuid as id,
            customer::uuid as customer_id, invoice::uuid as invoice_id, tried.currency as currency,
            minor as amount_minor, nth as attempt,
            if(is_captured, 'captured', 'failed') as status, tried.at as attempted_at,
            if(is_captured, tried.at, null) as captured_at
        )
        from (select * from raw.commerce__payments where status = 'captured' and _op <> 't' limit 1) as payment
        cross join tried"""
    )
    lake.execute(
        """insert into raw.commerce__refunds by name
        select refund.* replace (
            'i' as _op, 1004 as _lsn, row_number() over () as _seq, uuid() as id, tried.payment_id::uuid as payment_id,
            customer::uuid as customer_id, tried.currency as currency, back as amount_minor, tried.at as refunded_at
        )
        from (select * from raw.commerce__refunds where _op <> 't' limit 1) as refund
        cross join tried where back > 0"""
    )
    lake.execute(
        """insert into raw.commerce__invoices by name
        select demand.* replace (
            'i' as _op, 1004 as _lsn, row_number() over () as _seq, invoice::uuid as id, invoice as number,
            customer::uuid as customer_id, null as subscription_id, known.currency as currency, known.status as status,
            known.paid_at as paid_at
        )
        from (select * from raw.commerce__invoices where _op <> 't' limit 1) as demand
        cross join (select distinct invoice, customer, currency, status, paid_at from tried) as known"""
    )


def visit(lake: duckdb.DuckDBPyConnection, rng: np.random.Generator, lives: list[list[Step]]) -> None:
    """Sessions that customers attended in the last sixty days, as members or not, as capture lands them: some at the
    midnight of the studio at which thirty days begin."""
    midnight = datetime.combine(NOW.astimezone(ZoneInfo("Europe/Berlin")).date(), time(), ZoneInfo("Europe/Berlin"))
    told = set[tuple[str, datetime]]()
    for steps in (steps for steps in lives if steps):
        days = rng.choice(60, size=int(rng.integers(3)), replace=False)  # nobody is in two sessions at once
        told |= {
            (str(steps[0].customer), NOW - timedelta(days=int(day), minutes=int(rng.integers(600)))) for day in days
        }
        if rng.random() < 0.25:
            edge = midnight - timedelta(days=29) - timedelta(microseconds=int(rng.integers(2)))
            told.add((str(steps[0].customer), edge.astimezone(UTC)))
    visits = pl.DataFrame({"who": [who for who, _ in sorted(told)], "at": [at for _, at in sorted(told)]})
    assert visits.height > 60
    lake.register("visits", visits)
    lake.execute(
        """insert into raw.scheduling__bookings by name
        select booking.* replace (
            'i' as _op, 1004 as _lsn, row_number() over () as _seq, uuid() as id, who::uuid as customer_id,
            visits.at as starts_at, visits.at + interval 1 hour as ends_at, null as session_pack_id
        )
        from (select * from raw.scheduling__bookings where status = 'attended' and _op <> 't' limit 1) as booking
        cross join visits"""
    )


def ask(lake: duckdb.DuckDBPyConnection, rng: np.random.Generator, lives: list[list[Step]]) -> None:
    """Leads who are, were or will be customers, as capture lands them."""
    for steps in (steps for steps in lives if steps and rng.random() < 0.5):
        at = NOW - timedelta(minutes=int(rng.integers(170 * 24 * 60)))
        lakes.change(
            lake, "engagement__leads", "i", lsn=1004, where="_op = 'r' limit 1", id="uuid()",
            customer_id=f"'{steps[0].customer}'::uuid", created_at=f"timestamptz '{at}'",
        )  # fmt: skip


def charge(rng: np.random.Generator, lives: list[list[Step]]) -> list[bills.Bill]:
    """Invoices of each membership."""
    told = list[bills.Bill]()
    for steps in by_subscription(lives):
        if any(step.kind == "started" for step in steps):
            one, (began, ended) = steps[0], span(steps)
            told += bills.bill(
                rng, subscription=one.subscription, customer=one.customer, currency=one.currency, zone=one.zone,
                began=began, ended=ended, now=NOW, first=len(told),
            )  # fmt: skip
    return told


def by_subscription(lives: list[list[Step]]) -> list[list[Step]]:
    """Steps of each membership."""
    found: dict[UUID, list[Step]] = defaultdict(list)
    for step in (step for steps in lives for step in steps):
        found[step.subscription].append(step)
    return list(found.values())


def span(steps: list[Step]) -> tuple[date, date]:
    """The days on which a membership began and ended; one without an end ends after all days."""
    ended = steps[-1].day if steps[-1].kind == "ended" else date.max
    return next(step.day for step in steps if step.kind == "started"), ended
