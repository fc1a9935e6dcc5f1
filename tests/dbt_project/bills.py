"""Invoices of random memberships, as billing writes them, and what of them is told a month: worked out from what they
were written for, not from their dates.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import duckdb
import numpy as np
import polars as pl

from operational_api.commerce.billing.periods import add_months

STATUSES = ("paid", "paid", "paid", "open", "uncollectible", "void")


@dataclass(frozen=True)
class Line:
    """`kind` as `InvoiceLine` has it; days are a membership's."""

    kind: str
    amount_minor: int
    tax_minor: int
    starts_on: date | None = None
    ends_on: date | None = None


@dataclass(frozen=True)
class Bill:
    """An invoice of a membership. `months` are charged whole from `since` until `until`, for `net_minor`; 0 where it
    charges a part of a month only. Without lines it is a provider's: `period` is then of instants."""

    number: int
    subscription: UUID
    customer: UUID
    currency: str
    zone: str
    status: str
    issued_at: datetime
    months: int
    net_minor: int
    since: date
    until: date
    lines: tuple[Line, ...] = ()
    period: tuple[datetime, datetime] | None = None

    @property
    def id(self) -> UUID:
        return UUID(int=7_000_000 + self.number)

    def covers(self, day: date) -> bool:
        return self.months > 0 and self.status != "void" and self.since <= day < self.until


def taxed(net_minor: int) -> tuple[int, int]:
    """An amount with its tax, and the tax."""
    tax = net_minor * 19 // 100
    return net_minor + tax, tax


def bill(
    rng: np.random.Generator, *, subscription: UUID, customer: UUID, currency: str, zone: str, began: date, ended: date,
    now: datetime, first: int,
) -> list[Bill]:  # fmt: skip
    """Invoices of a membership from its first day until it ends or today, numbered from `first`."""
    told = list[Bill]()
    today, is_ours = now.astimezone(ZoneInfo(zone)).date(), bool(rng.random() < 0.7)
    months = int(rng.choice([1, 1, 1, 3, 12]))
    anchor, nth, waiting = began, 0, tuple[Line, ...]()

    def write(since: date, until: date, charged: int, net: int, lines: Sequence[Line], at: time = time(12)) -> None:
        issued = datetime.combine(since, at, ZoneInfo(zone)).astimezone(UTC)
        instants = None
        if not lines:
            hour = time(int(rng.integers(24)), 30)
            instants = (
                datetime.combine(since, hour, UTC), datetime.combine(until, hour, UTC),
            )  # fmt: skip
        told.append(Bill(
            first + len(told), subscription, customer, currency, zone, str(rng.choice(STATUSES)), issued, charged, net,
            since, until, tuple(lines), instants,
        ))  # fmt: skip

    while True:
        since, until = add_months(anchor, nth * months), add_months(anchor, (nth + 1) * months)
        if since > today or since >= ended:
            return told
        net = int(rng.integers(1000, 9000))
        if not is_ours:
            write(since, until, months, net, ())
            nth += 1
            continue
        whole = Line("membership", *taxed(net), since, until)
        off = int(rng.integers(net)) if rng.random() < 0.3 else 0
        lines = [whole, *([Line("discount", *(-one for one in taxed(off)), since, until)] if off else [])]
        lines += [Line("fee", *taxed(500))] if rng.random() < 0.2 else []
        tax = sum(line.tax_minor for line in lines if line.kind in ("membership", "discount"))
        paid = sum(line.amount_minor for line in lines if line.kind in ("membership", "discount"))
        write(since, until, months, paid - tax, [*waiting, *lines])
        nth, waiting = nth + 1, ()
        change = str(rng.choice(["none", "none", "now", "with the next", "a new period"]))
        # As often in the first days of a period as in all others; on its very first day only anew.
        days, early = (until - since).days, int(change != "a new period")
        on = since + timedelta(days=int(rng.integers(early, 4) if rng.random() < 0.5 else rng.integers(early, days)))
        if change == "none" or on > today or on >= ended:
            continue
        left = (until - on).days
        back = Line("unused", -paid * left // days, -tax * left // days, on, until)
        if change == "a new period":
            months, anchor, nth = int(rng.choice([1, 3, 12])), on, 1
            net = int(rng.integers(9000, 20000))
            until = add_months(on, months)
            write(on, until, months, net, [back, Line("membership", *taxed(net), on, until)], time(18))
            continue
        part = Line("membership", *taxed(12000 * left // days), on, until)
        if change == "now":
            write(on, until, 0, 0, [back, part], time(18))
        else:
            waiting = (back, part)


def land(lake: duckdb.DuckDBPyConnection, bills: Sequence[Bill]) -> None:
    """Invoices and their lines, as capture lands them."""
    invoices = pl.DataFrame([
        {
            "bill": str(one.id), "subscription": str(one.subscription), "customer": str(one.customer),
            "status": one.status, "currency": one.currency, "issued_at": one.issued_at,
            "net": sum(line.amount_minor - line.tax_minor for line in one.lines) if one.lines else one.net_minor,
            "tax": sum(line.tax_minor for line in one.lines),
            "since": one.period[0] if one.period else None, "until": one.period[1] if one.period else None,
        }
        for one in bills
    ], infer_schema_length=None)  # fmt: skip
    lines = pl.DataFrame([
        {
            "bill": str(one.id), "position": place, "kind": line.kind, "amount": line.amount_minor,
            "tax": line.tax_minor, "currency": one.currency, "since": line.starts_on, "until": line.ends_on,
        }
        for one in bills for place, line in enumerate(one.lines, 1)
    ], infer_schema_length=None)  # fmt: skip
    lake.register("bills", invoices)
    lake.register("bill_lines", lines)
    lake.execute(
        """insert into raw.commerce__invoices by name
        select demand.* replace (
            'i' as _op, 1004 as _lsn, row_number() over () as _seq, bill::uuid as id, bill as number,
            customer::uuid as customer_id, subscription::uuid as subscription_id, told.status as status,
            told.currency as currency, net as subtotal_minor, told.tax as tax_minor, net + told.tax as total_minor,
            told.since as period_start, told.until as period_end, told.issued_at as issued_at,
            told.issued_at as due_at, if(told.status = 'paid', told.issued_at, null) as paid_at
        )
        from (select * from raw.commerce__invoices where _op <> 't' limit 1) as demand cross join bills as told"""
    )
    lake.execute(
        """insert into raw.commerce__invoice_lines by name
        select line.* replace (
            'i' as _op, 1004 as _lsn, row_number() over () as _seq, uuid() as id, bill::uuid as invoice_id,
            told.position as position, told.kind as kind, amount as amount_minor, told.tax as tax_minor,
            told.currency as currency, told.since as starts_on, told.until as ends_on
        )
        from (select * from raw.commerce__invoice_lines where _op <> 't' limit 1) as line
        cross join bill_lines as told"""
    )


def charged(bills: Sequence[Bill], day: date) -> dict[UUID, tuple[float, float]]:
    """By membership what is billed a month on a day, and what of it was collected: by the newest invoice that charges
    whole months and has the day in them."""
    newest: dict[UUID, Bill] = {}
    for one in sorted(bills, key=lambda one: (one.since, one.issued_at)):
        if one.covers(day):
            newest[one.subscription] = one
    return {
        who: (one.net_minor / one.months, one.net_minor / one.months if one.status == "paid" else 0)
        for who, one in newest.items()
    }


def changes(bills: Sequence[Bill]) -> dict[str, int]:
    """How many of each kind there are: of what is hard."""
    found: dict[str, int] = defaultdict(int)
    for one in bills:
        kinds = [line.kind for line in one.lines]
        found["provider"] += not kinds
        found["new period"] += one.months > 0 and kinds[:1] == ["unused"] and len(kinds) == 2
        found["part of a month"] += one.months == 0
        found["with the next"] += kinds.count("membership") == 2
        found["discount"] += "discount" in kinds
    return dict(found)
