"""Changes of plan against fractions worked out from the words of the rule, and not with our own formulas.

The words: days from the change on are given back at what they cost after a discount, and charged at the new price;
to the nearest cent, where a half belongs to the days already used. Tax is inside a price, half a cent rounded up. A
second change gives back what the first charged. A trial and a pause cost nothing, a pause gives back what it does not
use, and a whole month begins where it ends.
"""

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from math import ceil, floor
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operational_api.commerce.billing import contract, proration
from operational_api.commerce.billing.contract import Terms
from operational_api.commerce.billing.drafts import draft
from operational_api.commerce.billing.errors import IntervalDiffers
from operational_api.commerce.billing.periods import day_of, first_moment
from operational_api.commerce.billing.proration import Mode

STARTS = st.sampled_from([date(2024, 2, 29), date(2026, 1, 31), date(2027, 12, 31)]) | st.dates(
    date(2024, 1, 1), date(2029, 12, 31)
)
ZONES = ["Pacific/Pago_Pago", "America/Santiago", "America/Havana", "UTC", "Africa/Cairo", "Pacific/Kiritimati"]


def plan(number: int) -> st.SearchStrategy[Terms]:
    return st.builds(
        lambda amount, rate, months: Terms(UUID(int=number), UUID(int=number), f"Plan {number}", amount, rate, months),
        st.integers(0, 10**6), st.sampled_from([0, 700, 1000, 1900]), st.sampled_from([1, 12]),
    )  # fmt: skip


def month_later(day: date, months: int) -> date:
    """The same day of a later month, or the nearest one before it that exists."""
    first = day.replace(day=1)
    for _ in range(months):
        first = (first + timedelta(days=31)).replace(day=1)
    days = [first + timedelta(days=number) for number in range(day.day)]
    return max(one for one in days if one.month == first.month)


def share(whole: int, days: int, of: int) -> int:
    return ceil(Fraction(whole * days, of) - Fraction(1, 2))


def tax_in(amount: int, rate_bp: int) -> int:
    return floor(amount - amount / (1 + Fraction(rate_bp, 10_000)) + Fraction(1, 2))


class TestChangePlan:
    @settings(max_examples=300, deadline=None)
    @given(plan(1), plan(2), STARTS, st.integers(0, 365), st.sampled_from(Mode), st.integers(0, 10**6))
    def test_is_what_the_words_say(self, old: Terms, new: Terms, on: date, later: int, mode: Mode, coupon: int) -> None:
        begun = contract.start(old, on=on)
        ends = month_later(on, old.interval_months)
        days = (ends - on).days
        change_on = on + timedelta(days=later % days)
        left = (ends - change_on).days
        assert begun.contract.period is not None
        assert (begun.contract.period.starts_on, begun.contract.period.ends_on) == (on, ends)
        less = proration.discount(begun.items[0], coupon, "Coupon")
        paid = max(0, old.amount_minor - coupon)
        paid_tax = tax_in(paid, old.tax_rate_bp)
        before = replace(begun.contract, cover=proration.cover(begun.items[0], less))
        if mode in (Mode.INVOICE, Mode.PRORATE) and old.interval_months != new.interval_months:
            with pytest.raises(IntervalDiffers):
                contract.change_plan(before, new, mode=mode, on=change_on)
            return
        step = contract.change_plan(before, new, mode=mode, on=change_on)
        found = [(item.kind, item.amount_minor, item.tax_minor, item.starts_on, item.ends_on) for item in step.items]
        if mode is Mode.NEXT_PERIOD:
            assert found == []
            due = contract.advance(step.contract, ends)
            assert due is not None
            assert due[0] == ends
            assert [item.amount_minor for item in due[1].items] == [new.amount_minor]
            return
        full = mode is Mode.RESET
        price = new.amount_minor if full else share(new.amount_minor, left, days)
        until = month_later(change_on, new.interval_months) if full else ends
        back = ("unused", -share(paid, left, days), -share(paid_tax, left, days), change_on, ends)
        assert found == [back, ("membership", price, tax_in(price, new.tax_rate_bp), change_on, until)]
        assert step.bills_now is (mode is not Mode.PRORATE)
        made = draft(step.items)
        assert made is not None
        assert made.total_minor >= 0
        assert 0 <= made.tax_minor <= made.total_minor
        waits = [item for item in made.left if item is not None]
        assert made.total_minor + sum(item.amount_minor for item in waits) == price + back[1]
        assert made.tax_minor + sum(item.tax_minor for item in waits) == tax_in(price, new.tax_rate_bp) + back[2]


def charged(step: contract.Step) -> list[tuple[str, int, int, date | None, date | None]]:
    return [(item.kind, item.amount_minor, item.tax_minor, item.starts_on, item.ends_on) for item in step.items]


@dataclass
class Ledger:
    """What somebody with a pencil knows of a period's days: since when what was charged for them, and the tax."""

    begins: date
    ends: date
    since: date
    paid: int
    tax: int

    def back(self, on: date) -> tuple[str, int, int, date, date]:
        """Days of what was charged that are not used from a day on."""
        left, of = (self.ends - on).days, (self.ends - self.since).days
        return ("unused", -share(self.paid, left, of), -share(self.tax, left, of), on, self.ends)

    @classmethod
    def whole(cls, terms: Terms, on: date) -> "Ledger":
        ends = month_later(on, terms.interval_months)
        return cls(on, ends, on, terms.amount_minor, tax_in(terms.amount_minor, terms.tax_rate_bp))

    def charge(self) -> tuple[str, int, int, date, date]:
        return ("membership", self.paid, self.tax, self.since, self.ends)


def monthly(number: int) -> st.SearchStrategy[Terms]:
    return plan(number).map(lambda terms: replace(terms, interval_months=1))


class TestChains:
    """Several things within one period: each takes up what the one before left."""

    @settings(max_examples=200, deadline=None)
    @given(
        st.tuples(*(monthly(number) for number in range(1, 5))), STARTS,
        st.lists(st.integers(0, 30), min_size=2, max_size=3),
        st.lists(st.sampled_from([Mode.INVOICE, Mode.PRORATE, Mode.RESET]), min_size=3, max_size=3),
    )  # fmt: skip
    def test_of_changes_give_back_what_the_last_one_charged(
        self, plans: tuple[Terms, ...], on: date, gaps: list[int], modes: list[Mode]
    ) -> None:
        now, book, day = contract.start(plans[0], on=on).contract, Ledger.whole(plans[0], on), on
        for terms, gap, mode in zip(plans[1:], gaps, modes, strict=False):
            day = min(day + timedelta(days=gap), book.ends - timedelta(days=1))
            step = contract.change_plan(now, terms, mode=mode, on=day)
            back = book.back(day)
            if mode is Mode.RESET:
                book = Ledger.whole(terms, day)
            else:
                price = share(terms.amount_minor, (book.ends - day).days, (book.ends - book.begins).days)
                book = replace(book, since=day, paid=price, tax=tax_in(price, terms.tax_rate_bp))
            assert charged(step) == [back, book.charge()]
            now = step.contract
        due = contract.advance(now, book.ends)
        assert due is not None
        assert (due[0], charged(due[1])) == (book.ends, [("membership", *next_charge(now, book))])

    @settings(max_examples=100, deadline=None)
    @given(monthly(1), monthly(2), STARTS, st.integers(1, 40), st.integers(0, 40), st.sampled_from(Mode))
    def test_a_trial_costs_nothing_whatever_is_changed_in_it(
        self, old: Terms, new: Terms, on: date, days: int, later: int, mode: Mode
    ) -> None:
        begun = contract.start(old, on=on, trial_days=days)
        step = contract.change_plan(begun.contract, new, mode=mode, on=on + timedelta(days=later % days))
        assert (begun.items, step.items) == ((), ())
        due = contract.advance(step.contract, on + timedelta(days=days))
        assert due is not None
        ends = on + timedelta(days=days)
        assert (due[0], charged(due[1])) == (ends, [Ledger.whole(new, ends).charge()])

    @settings(max_examples=200, deadline=None)
    @given(
        monthly(1), monthly(2), monthly(3), STARTS, st.integers(0, 30), st.integers(0, 30), st.integers(1, 300),
        st.sampled_from([Mode.INVOICE, Mode.PRORATE, Mode.RESET]), st.booleans(),
    )  # fmt: skip
    def test_a_pause_gives_back_what_a_change_charged_and_begins_a_whole_month(
        self, old: Terms, new: Terms, other: Terms, on: date, first: int, second: int, long: int, mode: Mode,
        is_changed: bool,
    ) -> None:  # fmt: skip
        book = Ledger.whole(old, on)
        day = min(on + timedelta(days=first), book.ends - timedelta(days=1))
        step = contract.change_plan(contract.start(old, on=on).contract, new, mode=mode, on=day)
        if mode is Mode.RESET:
            book = Ledger.whole(new, day)
        else:
            price = share(new.amount_minor, (book.ends - day).days, (book.ends - book.begins).days)
            book = replace(book, since=day, paid=price, tax=tax_in(price, new.tax_rate_bp))
        rests = min(day + timedelta(days=second), book.ends - timedelta(days=1))
        wakes = rests + timedelta(days=long)
        paused = contract.pause(step.contract, on=rests, resumes_on=wakes)
        assert charged(paused) == [book.back(rests)]
        after = paused.contract
        if is_changed:
            changed = contract.change_plan(after, other, mode=mode, on=rests)
            assert changed.items == ()
            after = changed.contract
        due = contract.advance(after, wakes)
        assert due is not None
        assert (due[0], charged(due[1])) == (wakes, [Ledger.whole(other if is_changed else new, wakes).charge()])


def next_charge(now: contract.Contract, book: Ledger) -> tuple[int, int, date, date]:
    """A whole period after a book's end; its length is counted from the anchor, so 31 January comes back in March."""
    assert now.anchor_on is not None
    months = next(number for number in range(1, 40) if month_later(now.anchor_on, number) > book.ends)
    price = now.terms.amount_minor
    return price, tax_in(price, now.terms.tax_rate_bp), book.ends, month_later(now.anchor_on, months)


class TestFirstMoment:
    @settings(max_examples=200, deadline=None)
    @given(STARTS | st.sampled_from([date(2026, 4, 24), date(2026, 9, 6), date(2026, 11, 1)]), st.sampled_from(ZONES))
    def test_the_second_before_is_of_the_day_before(self, day: date, zone: str) -> None:
        begins = first_moment(day, zone)
        assert day_of(begins, zone) == day
        assert (begins - timedelta(seconds=1)).astimezone(ZoneInfo(zone)).date() == day - timedelta(days=1)

    def test_where_clocks_skip_midnight(self) -> None:
        assert first_moment(date(2026, 4, 24), "Africa/Cairo") == datetime(2026, 4, 23, 22, tzinfo=UTC)
