"""What coaches are owed once money of sessions that they were paid for goes back, and comes again."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, cast
from uuid import UUID

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from contracts.ids import new_id
from operational_api.commerce.billing.models import (
    CommissionCorrection,
    CommissionPayout,
    CommissionStatement,
    DeliveredSession,
)
from operational_api.commerce.billing.service import earnings, pay_lines, payouts
from operational_api.commerce.models import Customer, Dispute, Invoice, Payment, Refund, SessionPack
from operational_api.commerce.providers.port import BillingProvider, ProviderDispute, ProviderRefund
from operational_api.commerce.service import disputes, journals, packs, refunds
from operational_api.core.models import OutboxEvent
from operational_api.core.principal import Principal
from tests.factories import make_account, make_pack

YEAR = 2026
FINANCE = Principal("finance", "tests", new_id())


def day(month: int, on: int, hour: int = 9) -> datetime:
    return datetime(YEAR, month, on, hour, tzinfo=UTC)


@dataclass
class Till:
    """A provider at our port: what it gave back of the one payment, and what the cardholder's bank says of it."""

    payment_id: str = ""
    given_back: list[ProviderRefund] = field(default_factory=list)
    contested: ProviderDispute | None = None
    name = "stripe"

    def refunds_of(self, payment_id: str) -> Iterable[ProviderRefund]:
        return self.given_back if payment_id == self.payment_id else []

    def dispute(self, dispute_id: str) -> ProviderDispute:
        assert self.contested is not None
        assert self.contested.id == dispute_id
        return self.contested


@dataclass
class Pack:
    """A pack that was bought and paid, and everything that becomes of its money and its sessions."""

    session: Session
    row: SessionPack
    invoice: Invoice
    payment: Payment
    till: Till

    @classmethod
    def bought(
        cls, session: Session, *, sessions: int = 4, net: int = 10_000, tax: int = 1900, currency: str = "EUR"
    ) -> "Pack":
        account, at = make_account(session), day(1, 1)
        session.add(Customer(id=account.id, currency=currency))
        session.flush()
        row = make_pack(
            session, customer_id=account.id, sessions_total=sessions, net_minor=net, currency=currency, now=at,
            expires_at=at + timedelta(days=365),
        )  # fmt: skip
        mark = new_id().hex
        paid = Invoice(
            number=mark, customer_id=account.id, session_pack_id=row.id, status="paid", currency=currency,
            subtotal_minor=net, tax_minor=tax, total_minor=net + tax, issued_at=at, due_at=at, paid_at=at,
        )  # fmt: skip
        session.add(paid)
        session.flush()
        payment = Payment(
            invoice_id=paid.id, customer_id=account.id, provider="stripe", provider_payment_id=f"pi_{mark}",
            status="captured", amount_minor=net + tax, currency=currency, attempted_at=at, captured_at=at,
        )  # fmt: skip
        session.add(payment)
        session.flush()
        return cls(session, row, paid, payment, Till(f"pi_{mark}"))

    def hold(self, coach: UUID, at: datetime, *, marked: datetime | None = None) -> UUID:
        booking = new_id()
        earnings.deliver(
            self.session, booking_id=booking, coach_id=coach, customer_id=self.row.customer_id,
            session_pack_id=self.row.id, has_attended=True, delivered_at=at, held_on=at.date(), now=marked or at,
        )  # fmt: skip
        return booking

    def give_back(self, amount: int, at: datetime) -> None:
        self.till.given_back.append(ProviderRefund(
            f"re_{new_id().hex}", self.till.payment_id, amount, self.payment.currency, "asked", "succeeded", at
        ))  # fmt: skip
        provider = cast("BillingProvider", self.till)
        for _ in range(2):
            refunds.sync_refunds(self.session, provider, payment=self.payment, invoice=self.invoice, now=at)

    def contest(self, status: str, at: datetime, *, amount: int | None = None) -> None:
        known = self.till.contested
        taken = known.amount_minor if known else amount or self.payment.amount_minor
        self.till.contested = ProviderDispute(
            id=known.id if known else f"dp_{new_id().hex}", payment_id=self.till.payment_id,
            amount_minor=taken, fee_minor=1500, returned_minor=taken if status == "won" else 0,
            currency=self.payment.currency, reason="fraudulent", status=status,
            opened_at=known.opened_at if known else at, returned_at=at if status == "won" else None,
        )  # fmt: skip
        for _ in range(2):
            disputes.sync_dispute(
                self.session, cast("BillingProvider", self.till), provider_id=self.till.contested.id, now=at
            )

    def kept_minor(self) -> int:
        """What is left of the pack's money without tax, as an outsider works it out."""
        back = sum(one.amount_minor for one in self.till.given_back)
        if self.till.contested and self.till.contested.status == "lost":
            back += self.till.contested.amount_minor
        left = self.invoice.total_minor - min(back, self.invoice.total_minor)
        tax_left = self.invoice.tax_minor - round_half_up(
            min(back, self.invoice.total_minor) * self.invoice.tax_minor, self.invoice.total_minor
        )
        return left - tax_left


def round_half_up(number: int, by: int) -> int:
    return (2 * number + by) // (2 * by)


def rate(
    session: Session, coach: UUID, *, per: int = 2000, share: int = 5000, since: date = date(2025, 1, 1),
    currency: str = "EUR",
) -> None:  # fmt: skip
    earnings.set_rate(
        session, coach_id=coach, currency=currency, per_session_minor=per, pack_share_bp=share, valid_from=since,
        actor_id=None, now=day(1, 1),
    )  # fmt: skip


def close(session: Session, month: int) -> list[CommissionStatement]:
    first = date(YEAR, month, 1)
    last = (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
    return earnings.close(session, first_on=first, last_on=last, actor_id=None, now=day(1, 1).replace(year=YEAR + 2))


def seen(session: Session, row: CommissionStatement) -> list[tuple[Any, ...]]:
    """A statement as it is printed: its sums and its lines."""
    session.flush()
    session.expire_all()
    facts: list[tuple[Any, ...]] = [(
        row.sessions, row.pack_revenue_minor, row.session_pay_minor, row.pack_pay_minor, row.corrections,
        row.corrected_minor, row.total_minor,
    )]  # fmt: skip
    return facts + [
        (line.held.booking_id, line.held_on, line.revenue_minor, line.session_pay_minor, line.pack_pay_minor)
        for line in pay_lines.closed_lines(session, row)
    ]


def corrected(session: Session) -> list[CommissionCorrection]:
    query = select(CommissionCorrection).order_by(CommissionCorrection.noted_at, CommissionCorrection.id)
    return list(session.scalars(query))


class TestRefund:
    def test_after_its_pay_period_was_closed_is_taken_back_in_the_next(self, session: Session) -> None:
        coach, pack = new_id(), Pack.bought(session)
        rate(session, coach)
        last = [pack.hold(coach, day(4, on)) for on in (10, 11, 12, 13)][-1]
        [april] = close(session, 4)
        before = seen(session, april)
        assert (april.total_minor, april.pack_pay_minor) == (4 * 2000 + 5000, 5000)
        pack.give_back(2975, day(5, 3))  # a quarter, tax included
        pack.hold(coach, day(5, 4))  # a fifth session of four is worth nothing of the pack
        [may] = close(session, 5)
        assert (may.sessions, may.corrections, may.corrected_minor, may.total_minor) == (1, 1, -1250, 2000 - 1250)
        assert seen(session, april) == before
        [one] = corrected(session)
        assert (one.booking_id, one.revenue_minor, one.noted_on) == (last, -2500, date(YEAR, 5, 3))
        refund = session.scalars(select(Refund.id)).one()
        assert (one.source_type, one.source_id, one.statement_id) == ("refund", refund, may.id)
        assert journals.balances(session)["commission_payable", "EUR"] == -(13_000 + 750)
        told = session.scalars(select(OutboxEvent.payload).where(
            OutboxEvent.type == "commerce.commission_corrected"
        )).one()  # fmt: skip
        assert (told["booking_id"], told["source_id"], told["revenue_minor"]) == (str(last), str(refund), -2500)

    def test_pays_for_sessions_that_were_not_held_first(self, session: Session) -> None:
        coach, pack = new_id(), Pack.bought(session)
        rate(session, coach)
        pack.hold(coach, day(4, 10))
        pack.give_back(11_900 * 3 // 4, day(4, 20))
        assert corrected(session) == []
        pack.give_back(1190, day(4, 21))
        [april] = close(session, 4)
        assert (april.pack_pay_minor, april.corrected_minor, april.total_minor) == (1250, -500, 2000 + 750)

    def test_of_more_than_the_next_period_earns_leaves_a_debt_that_is_said(self, session: Session) -> None:
        coach, pack = new_id(), Pack.bought(session)
        rate(session, coach, per=0)
        for on in (10, 11, 12, 13):
            pack.hold(coach, day(4, on))
        close(session, 4)
        pack.give_back(11_900, day(5, 3))
        [may] = close(session, 5)  # they left: nothing was held
        assert (may.sessions, may.total_minor) == (0, -5000)
        assert journals.balances(session).get(("commission_payable", "EUR"), 0) == 0
        assert close(session, 6) == []

    def test_before_a_session_that_it_no_longer_pays_leaves_that_without_a_share(self, session: Session) -> None:
        coach, pack = new_id(), Pack.bought(session)
        rate(session, coach)
        pack.give_back(11_900, day(4, 2))
        pack.hold(coach, day(4, 10))  # it was booked before
        [april] = close(session, 4)
        assert (april.sessions, april.pack_pay_minor, april.corrected_minor) == (1, 1250, -1250)

    def test_of_a_session_that_waits_for_a_rate_waits_with_it(self, session: Session) -> None:
        coach, pack = new_id(), Pack.bought(session, sessions=1)
        pack.hold(coach, day(4, 10))
        pack.give_back(5950, day(4, 12))
        assert close(session, 4) == []
        [waits] = [one for one in earnings.earned(session, last_on=date(YEAR, 5, 31)) if one.coach_id == coach]
        assert (waits.sessions_without_rate, waits.corrections, waits.total_minor) == (1, 0, 0)
        rate(session, coach)
        [may] = close(session, 5)
        assert (may.sessions, may.corrections, may.total_minor) == (1, 1, 2000 + 2500)

    def test_of_a_currency_is_in_that_currencys_statement(self, session: Session) -> None:
        coach = new_id()
        euros, dong = Pack.bought(session), Pack.bought(session, net=900_000, tax=90_000, currency="VND")
        for one in ("EUR", "VND"):
            rate(session, coach, per=0, currency=one)
        for pack in (euros, dong):
            for on in range(10, 14):
                pack.hold(coach, day(4, on))
        dong.give_back(990_000, day(4, 20))
        found = {one.currency: (one.pack_pay_minor, one.corrected_minor) for one in close(session, 4)}
        assert found == {"EUR": (5000, 0), "VND": (450_000, -450_000)}


class TestDispute:
    def test_lost_takes_back_and_won_after_all_returns_it(self, session: Session) -> None:
        coach, pack = new_id(), Pack.bought(session)
        rate(session, coach, per=0)
        for on in (10, 11, 12, 13):
            pack.hold(coach, day(4, on))
        [april] = close(session, 4)
        pack.contest("needs_response", day(5, 2))
        assert corrected(session) == []
        pack.contest("lost", day(5, 20))
        [may] = close(session, 5)
        pack.contest("won", day(6, 20))
        [june] = close(session, 6)
        assert [one.total_minor for one in (april, may, june)] == [5000, -5000, 5000]
        assert {(one.source_type, one.source_id) for one in corrected(session)} == {
            ("dispute", session.scalars(select(Dispute.id)).one())
        }

    def test_won_in_time_changes_nothing(self, session: Session) -> None:
        pack = Pack.bought(session)
        pack.hold(new_id(), day(4, 10))
        pack.contest("needs_response", day(5, 2))
        pack.contest("won", day(5, 20))
        assert corrected(session) == []


class TestRunOutPack:
    def test_is_the_studios_and_a_session_held_after_all_is_its_coachs(self, session: Session) -> None:
        """We called a session off, so the pack lives on after what was left of it had been earned."""
        coach, pack = new_id(), Pack.bought(session)
        rate(session, coach)
        pack.row.expires_at = day(2, 1)
        assert earnings.earn_expired(session, day(4, 2)) == 1
        packs.use_session_of(session, pack_id=pack.row.id)
        packs.return_session(session, pack_id=pack.row.id, called_off_at=day(4, 3))
        session.refresh(pack.row)
        pack.hold(coach, day(4, 20))
        [april] = close(session, 4)
        assert (april.pack_revenue_minor, april.total_minor) == (2500, 2000 + 1250)
        assert pack.row.recognised_minor == 10_000
        assert journals.balances(session)["pack_revenue", "EUR"] == -10_000


STATES = ("", "needs_response", "lost", "won")
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("hold"), st.integers(0, 2), st.integers(1, 27), st.booleans()),
        st.tuples(st.just("give back"), st.integers(1, 5000)),
        st.tuples(st.just("contest"), st.sampled_from(STATES[1:])),
        st.tuples(st.just("close")),
        st.tuples(st.just("pay"), st.integers(0, 5), st.integers(1, 3)),
        st.tuples(st.just("take back"), st.integers(0, 5)),
        st.tuples(st.just("rate"), st.integers(0, 2)),
        st.tuples(st.just("run out")),
    ),
    min_size=1, max_size=10,
)  # fmt: skip


@settings(
    max_examples=40, phases=[Phase.explicit, Phase.generate], deadline=None, suppress_health_check=list(HealthCheck)
)
@given(steps=STEPS, net=st.integers(1, 20_000), tax=st.integers(0, 3000), sessions=st.integers(1, 7),
       share=st.sampled_from([0, 3333, 5000, 10_000]))  # fmt: skip
@example(
    steps=[("hold", 0, 3, False), ("close",), ("give back", 77), ("close",), ("contest", "lost"), ("close",),
           ("contest", "won"), ("hold", 1, 2, True), ("close",)],
    net=999, tax=190, sessions=2, share=3333,
)  # fmt: skip
@example(  # a period below zero comes off one that is half paid, of which the payment is taken back
    steps=[("rate", 0), ("hold", 0, 3, False), ("close",), ("pay", 0, 2), ("contest", "lost"), ("close",),
           ("take back", 0), ("contest", "won")],
    net=999, tax=190, sessions=1, share=3333,
)  # fmt: skip
def test_all_periods_together_owe_what_the_facts_say_in_the_end(
    session: Session, steps: list[tuple[Any, ...]], net: int, tax: int, sessions: int, share: int
) -> None:
    """Whatever is held, marked late, given back, contested, closed, paid and taken back in whatever order: to the cent,
    once each; a closed statement reads as it did; and what is left of all of them is what is owed and was not paid."""
    with session.begin_nested() as life:
        coaches, month, printed = [new_id() for _ in range(3)], 2, {}
        pack = Pack.bought(session, sessions=sessions, net=net, tax=tax)
        paid_out: list[tuple[CommissionStatement, CommissionPayout]] = []
        rated: set[UUID] = set()
        for step in [*steps, ("rate", 0), ("rate", 1), ("rate", 2), ("close",)]:
            if step[0] == "hold":
                at = day(month - 1 if step[3] else month, step[2])
                pack.hold(coaches[step[1]], at, marked=day(month, 28))
            elif step[0] == "give back" and not pack.till.contested:
                left = pack.invoice.total_minor - sum(one.amount_minor for one in pack.till.given_back)
                if left:
                    pack.give_back(min(step[1], left), day(month, 20))
            elif step[0] == "contest" and STATES.index(step[1]) > STATES.index(
                pack.till.contested.status if pack.till.contested else ""
            ):
                pack.contest(step[1], day(month, 25))
            elif step[0] == "run out":
                pack.row.expires_at = day(month, 1) - earnings.GRACE
                session.flush()
                earnings.earn_expired(session, day(month, 1))
            elif step[0] == "rate" and coaches[step[1]] not in rated:
                rated.add(coaches[step[1]])
                rate(session, coaches[step[1]], per=100, share=share)
            elif step[0] == "close":
                made = [one for one in close(session, month) if one.coach_id in coaches]
                for one in made:
                    printed[one] = seen(session, one)
                month += 1
            elif step[0] == "pay" and printed:
                row = list(printed)[step[1] % len(printed)]
                left = payouts.standings(session, [row.id])[row.id].left_minor
                if part := left // step[2]:
                    paid_out.append((row, payouts.record(
                        session, FINANCE, statement_id=row.id, amount_minor=part, left_minor=left,
                        paid_on=row.first_on, reference=None, now=day(1, 1).replace(year=YEAR + 2),
                    )))  # fmt: skip
            elif step[0] == "take back" and paid_out:
                _, payout = paid_out.pop(step[1] % len(paid_out))
                payouts.reverse(session, FINANCE, payout_id=payout.id, reason="x", now=day(month, 28))
        held = session.scalars(
            select(DeliveredSession)
            .where(DeliveredSession.session_pack_id == pack.row.id)
            .order_by(DeliveredSession.delivered_at, DeliveredSession.booking_id)
        ).all()
        owed: dict[UUID, int] = defaultdict(int)
        left = pack.kept_minor()
        for counted in held:
            kept = min(counted.revenue_minor, left)
            left -= kept
            owed[counted.coach_id] += 100 + round_half_up(kept * share, 10_000)
        paid: dict[UUID, int] = defaultdict(int)
        for row, lines in printed.items():
            assert seen(session, row) == lines
            assert row.pack_pay_minor + row.session_pay_minor + row.corrected_minor == row.total_minor
            assert sum(pay for *_, pay_session, pay_pack in lines[1:] for pay in (pay_session, pay_pack)) == (
                row.total_minor
            )
            paid[row.coach_id] += row.total_minor
        assert paid == owed
        assert sum(one.revenue_minor for one in held) <= net
        books = journals.balances(session)
        had: dict[UUID, int] = defaultdict(int)
        for row, payout in paid_out:
            had[row.coach_id] += payout.amount_minor
        assert sum(books.values()) == 0
        assert -books.get(("commission_payable", "EUR"), 0) == sum(paid.values()) - sum(had.values())
        standing = payouts.standings(session, [row.id for row in printed])
        for coach in coaches:
            left = sum(standing[row.id].left_minor for row in printed if row.coach_id == coach)
            owing = paid[coach] - had[coach]
            assert {one.left_minor for one in payouts.balances(session, coach_id=coach)} == {owing} - {0}
            assert left == max(owing, 0)
        assert all(one.left_minor >= 0 for one in standing.values())
        life.rollback()


@pytest.mark.parametrize("change", ["revenue_minor = 1", "source_id = booking_id"])
def test_a_correction_is_never_changed(session: Session, change: str) -> None:
    coach, pack = new_id(), Pack.bought(session)
    pack.hold(coach, day(4, 10))
    pack.give_back(11_900, day(4, 11))
    with pytest.raises(DBAPIError, match="commission_corrections"), session.begin_nested():
        session.execute(text(f"update commerce.commission_corrections set {change}"))
