"""What held sessions and assisted classes bring coaches: commission rates, what counts, and closed pay periods.

The studios pay by Plyo for some months only: before, they reconciled by hand. Pay periods are calendar months, and each
is closed on the third of the next, and paid two days later but for the newest, which waits to be marked as paid.
"""

import numpy as np
import pyarrow.compute as pc

from contracts.events import billing as facts
from plyo.demo.batch import Batch
from plyo.demo.billing import Charges
from plyo.demo.catalogue import CURRENCIES, OFFERS, PACK
from plyo.demo.clock import DAY, HOUR, Clock
from plyo.demo.columns import Coded, Ids, Ints, Times, id_array
from plyo.demo.people import Coaches, Customers
from plyo.demo.prices import divide_half_up, net_minor
from plyo.demo.sessions import ATTENDED, MISSED, Assists, Bookings, leads

MONTHS = 3
"""Whole months of pay before the current one."""
_PER_SESSION = np.array([1200, 1500, 150_000])
"""By studio, minor units; coaches who hold classes have a quarter more."""
_PACK_SHARE_BP = 4000
_NEVER = np.datetime64("NaT", "us")


def first_days(clock: Clock) -> Times:
    """The first day of each month of pay, the current one last."""
    months = clock.until.astype("datetime64[M]") + np.arange(-MONTHS, 1)
    days: Times = np.unique(np.maximum(months, clock.monday.astype("datetime64[M]"))).astype("datetime64[D]")
    return days


def earn(
    batch: Batch, bookings: Bookings, packs: Charges, assists: Assists, *, customers: Customers, coaches: Coaches,
    desk: Ids, clock: Clock,
) -> None:  # fmt: skip
    """Rates of a block's coaches, what they held and assisted since these began, and a statement for each month that is
    closed.

    Args:
        packs: Of which `bookings.pack` are.
        desk: The account that set rates and closed periods.
    """
    first_on = first_days(clock)
    begins = np.maximum(first_on[0], clock.monday)
    rates = np.where(leads(coaches), _PER_SESSION[coaches.studio] * 5 // 4, _PER_SESSION[coaches.studio])
    _write_rates(batch, coaches, rates, begins, desk, clock)

    held_on = clock.local_day(coaches.studio[bookings.coach], bookings.starts_at)
    counts = np.flatnonzero(np.isin(bookings.status, (ATTENDED, MISSED)) & (held_on >= begins))
    counts = counts[np.lexsort((bookings.starts_at[counts], bookings.coach[counts]))]
    coach, held_on = bookings.coach[counts], held_on[counts]
    revenue = _of_packs(bookings.pack[counts], bookings.starts_at[counts], packs, customers)
    closed_at = (first_on[1:] + 2).astype("datetime64[us]") + 9 * HOUR
    closes = np.append(np.where(closed_at <= clock.until, closed_at, _NEVER), _NEVER)
    helped_on = clock.local_day(coaches.studio[assists.coach], assists.starts_at)
    helped = np.flatnonzero(~np.isnat(assists.held_at) & (helped_on >= begins))
    helper, helped_on = assists.coach[helped], helped_on[helped]
    # One number for each coach and month: of who held sessions, then of who assisted.
    statement = np.concatenate(
        [
            who * len(first_on) + np.searchsorted(first_on, on, side="right") - 1
            for who, on in ((coach, held_on), (helper, helped_on))
        ]
    )
    is_closed = ~np.isnat(closes[statement % len(first_on)])
    names, place = np.unique(statement[is_closed], return_inverse=True)
    ids = batch.ids(closed_at[names % len(first_on)])
    statement_ids = np.zeros(len(statement), "V16")
    statement_ids[is_closed] = ids[place]
    who, session = customers.ids[bookings.customer[counts]], bookings.ids[counts]
    currency = Coded(coaches.studio[coach], CURRENCIES)
    batch.add(
        "commerce.delivered_sessions", booking_id=session, coach_id=coaches.ids[coach], customer_id=who,
        session_pack_id=bookings.pack[counts], has_attended=bookings.status[counts] == ATTENDED, revenue_minor=revenue,
        currency=currency, delivered_at=bookings.starts_at[counts], held_on=held_on,
        statement_id=statement_ids[: len(counts)],
    )  # fmt: skip
    batch.add(
        "commerce.assisted_classes", id=batch.ids(assists.held_at[helped]), class_id=assists.classes[helped],
        coach_id=coaches.ids[helper], currency=Coded(coaches.studio[helper], CURRENCIES), held_on=helped_on,
        noted_at=assists.held_at[helped], statement_id=statement_ids[len(counts) :],
    )  # fmt: skip
    batch.announce(
        facts.SessionDelivered, bookings.outcome_at[counts], booking_id=session, coach_id=coaches.ids[coach],
        customer_id=who, revenue_minor=revenue, currency=currency,
    )  # fmt: skip
    share = divide_half_up(revenue * _PACK_SHARE_BP, 10_000)
    one, none = np.ones(len(counts), int), np.zeros(len(counts), int)
    nothing = np.zeros(len(helped), int)
    sums = {
        name: np.bincount(place, np.concatenate(columns)[is_closed], len(names)).astype(int)
        for name, columns in {
            "sessions": (one, nothing),
            "pack_revenue_minor": (revenue, nothing),
            "session_pay_minor": (rates[coach], nothing),
            "pack_pay_minor": (share, nothing),
            "classes": (none, nothing + 1),
            "class_pay_minor": (none, rates[helper] // 2),
        }.items()
    }
    _write_statements(
        batch, ids, coaches, names // len(first_on), first_on, names % len(first_on), sums, closed_at, desk
    )


def _write_rates(batch: Batch, coaches: Coaches, rates: Ints, begins: np.datetime64, desk: Ids, clock: Clock) -> None:
    hired = clock.monday + (coaches.hired_week * 7).astype("timedelta64[D]")
    stays = clock.monday + (coaches.left_week.astype(np.int64) * 7).astype("timedelta64[D]") > begins
    valid_from = np.maximum(hired, begins)[stays]
    set_at = np.minimum(np.maximum(valid_from.astype("datetime64[us]") - 4 * DAY, clock.start), clock.until)
    currency = Coded(coaches.studio[stays], CURRENCIES)
    batch.add(
        "commerce.commission_rates", id=batch.ids(set_at), coach_id=coaches.ids[stays], currency=currency,
        per_session_minor=rates[stays], pack_share_bp=_PACK_SHARE_BP, per_class_minor=rates[stays] // 2,
        valid_from=valid_from, set_by=desk[0], set_at=set_at,
    )  # fmt: skip
    batch.announce(
        facts.CommissionRateSet, set_at, coach_id=coaches.ids[stays], currency=currency,
        per_session_minor=rates[stays], pack_share_bp=_PACK_SHARE_BP, per_class_minor=rates[stays] // 2,
        valid_from=_days(valid_from),
    )  # fmt: skip


def _of_packs(pack: Ids, at: Times, packs: Charges, customers: Customers) -> Ints:
    """The part of its pack's price that each session is worth, without tax; 0 where no pack pays it."""
    row = pc.fill_null(pc.index_in(id_array(pack), id_array(packs.pack)), -1).to_numpy()
    net = net_minor(packs.gross, customers.studio[packs.customer])
    size = OFFERS[PACK].sessions_included or 10
    order = np.lexsort((at, row))
    rank = np.empty(len(row), int)
    rank[order] = np.arange(len(row)) - np.searchsorted(row[order], row[order])
    whole = np.append(net, 0)[row]
    worth: Ints = np.where(row < 0, 0, whole // size + (rank < whole % size))
    return worth


def _write_statements(
    batch: Batch, ids: Ids, coaches: Coaches, coach: Ints, first_on: Times, month: Ints, sums: dict[str, Ints],
    closed_at: Times, desk: Ids,
) -> None:  # fmt: skip
    if not len(ids):
        return
    at, total = closed_at[month], sums["session_pay_minor"] + sums["class_pay_minor"] + sums["pack_pay_minor"]
    last_on, currency = first_on[month + 1] - 1, Coded(coaches.studio[coach], CURRENCIES)
    batch.add(
        "commerce.commission_statements", id=ids, coach_id=coaches.ids[coach], first_on=first_on[month],
        last_on=last_on, currency=currency, **sums, total_minor=total, closed_at=at, closed_by=desk[0], corrections=0,
        corrected_minor=0,
    )  # fmt: skip
    batch.announce(
        facts.PayPeriodClosed, at, statement_id=ids, coach_id=coaches.ids[coach], first_on=_days(first_on[month]),
        last_on=_days(last_on), sessions=sums["sessions"], total_minor=total, currency=currency, corrected_minor=0,
    )  # fmt: skip
    _post(batch, "commission_earned", "commission_statement", ids, at, "commission_expense", total, currency)
    paid = (month < len(closed_at) - 1) & (total > 0)
    if paid.any():
        _write_payouts(
            batch, ids[paid], coaches, coach[paid], total[paid], Coded(coaches.studio[coach[paid]], CURRENCIES),
            at[paid] + 2 * DAY, desk,
        )  # fmt: skip


def _write_payouts(
    batch: Batch, statements: Ids, coaches: Coaches, coach: Ints, amounts: Ints, currency: Coded, at: Times, desk: Ids
) -> None:
    ids, paid_on, who = batch.ids(at), at.astype("datetime64[D]"), coaches.ids[coach]
    batch.add(
        "commerce.commission_payouts", id=ids, statement_id=statements, coach_id=who, currency=currency,
        amount_minor=amounts, paid_on=paid_on, recorded_by=desk[0], recorded_at=at,
    )  # fmt: skip
    batch.announce(
        facts.CommissionPaid, at, payout_id=ids, statement_id=statements, coach_id=who, amount_minor=amounts,
        currency=currency, paid_on=_days(paid_on),
    )  # fmt: skip
    _post(batch, "commission_paid", "commission_payout", ids, at, "bank_balance", -amounts, currency)


def _post(
    batch: Batch, kind: str, source_type: str, ids: Ids, at: Times, account: str, amounts: Ints, currency: Coded
) -> None:
    """A journal of each, between an account and what coaches are owed."""
    journals = batch.ids(at)
    batch.add(
        "commerce.ledger_journals", id=journals, kind=kind, source_type=source_type, source_id=ids, posted_at=at,
    )  # fmt: skip
    for name, amount in ((account, amounts), ("commission_payable", -amounts)):
        batch.add(
            "commerce.ledger_lines", id=batch.ids(at), journal_id=journals, account=name, customer_id=None,
            amount_minor=amount, currency=currency,
        )  # fmt: skip


def _days(days: Times) -> Coded:
    """Dates as events write them."""
    names, codes = np.unique(days.astype("datetime64[D]"), return_inverse=True)
    return Coded(codes, tuple(np.datetime_as_string(names).tolist()))
