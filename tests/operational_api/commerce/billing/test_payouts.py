"""That coaches were paid: recorded once, never more than is left, taken back by a row, and in the ledger with each."""

from collections.abc import Callable
from datetime import date
from uuid import UUID

import pytest
from sqlalchemy import create_engine, func, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from contracts.ids import new_id
from operational_api.commerce import retelling
from operational_api.commerce.billing.errors import (
    OwnMoney,
    PayChanged,
    PayoutDayInvalid,
    PayoutNotFound,
    PayoutTakenBack,
    PayoutTooLarge,
    StatementNotFound,
)
from operational_api.commerce.billing.models import CommissionPayout, CommissionStatement
from operational_api.commerce.billing.service import payout_batches, payouts
from operational_api.commerce.billing.slips import Standing
from operational_api.commerce.models import LedgerLine
from operational_api.commerce.service import journals
from operational_api.core.models import AuditEntry, OutboxEvent
from operational_api.core.principal import Principal
from tests.conftest import sqlalchemy_url
from tests.factories import make_statement
from tests.operational_api.commerce.billing.test_corrected_pay import FINANCE, Pack, close, day, rate
from tests.operational_api.commerce.billing.test_races import at_once


def pay(
    session: Session, row: CommissionStatement, amount: int | None = None, *, on: date = date(2026, 5, 4),
    by: Principal = FINANCE, seen: int | None = None,
) -> CommissionPayout:  # fmt: skip
    left = payouts.standings(session, [row.id])[row.id].left_minor
    return payouts.record(
        session, by, statement_id=row.id, amount_minor=left if amount is None else amount,
        left_minor=left if seen is None else seen, paid_on=on, reference=" SEPA 17 ", now=day(8, 1),
    )  # fmt: skip


def standing(session: Session, row: CommissionStatement) -> Standing:
    return payouts.standings(session, [row.id])[row.id]


@pytest.fixture
def april(session: Session) -> CommissionStatement:
    """A statement of 50.00 for four sessions of a pack."""
    coach, pack = new_id(), Pack.bought(session)
    rate(session, coach, per=0)
    for on in (10, 11, 12, 13):
        pack.hold(coach, day(4, on))
    [row] = close(session, 4)
    return row


class TestRecord:
    def test_moves_what_is_owed_out_of_the_bank_and_tells_it(
        self, session: Session, april: CommissionStatement
    ) -> None:
        first = pay(session, april, 1999)
        assert standing(session, april) == Standing(1999, 0, 3001)
        pay(session, april)
        assert standing(session, april) == Standing(5000, 0, 0)
        assert payouts.balances(session, coach_id=april.coach_id) == []
        books = journals.balances(session)
        assert (books["commission_payable", "EUR"], books["bank_balance", "EUR"]) == (0, -5000)
        assert session.scalar(select(func.sum(LedgerLine.amount_minor))) == 0
        assert (first.reference, first.recorded_by) == ("SEPA 17", FINANCE.account_id)
        told = session.scalars(
            select(OutboxEvent.payload)
            .where(OutboxEvent.type == "commerce.commission_paid")
            .order_by(OutboxEvent.position)
        ).all()
        assert (told[0]["payout_id"], told[0]["amount_minor"]) == (str(first.id), 1999)
        assert (told[0]["paid_on"], told[1]["amount_minor"]) == ("2026-05-04", 3001)
        noted = session.scalars(select(AuditEntry).where(AuditEntry.action == "commerce.record_payout")).all()
        assert {(one.actor_id, one.subject_id) for one in noted} == {(FINANCE.account_id, april.coach_id)}
        with pytest.raises(PayoutTooLarge):
            pay(session, april, 1)

    def test_of_more_than_is_left_of_less_than_was_seen_or_of_a_day_to_come_is_refused(
        self, session: Session, april: CommissionStatement
    ) -> None:
        for amount in (5001, 0, -1):
            with pytest.raises(PayoutTooLarge):
                pay(session, april, amount)
        pay(session, april, 1000)
        with pytest.raises(PayChanged):  # the same page, sent twice
            pay(session, april, 1000, seen=5000)
        for on in (date(2026, 3, 31), date(2026, 8, 2)):
            with pytest.raises(PayoutDayInvalid):
                pay(session, april, on=on)
        assert pay(session, april, on=date(2026, 8, 1)).amount_minor == 4000
        with pytest.raises(StatementNotFound):
            payouts.record(
                session, FINANCE, statement_id=new_id(), amount_minor=1, left_minor=1, paid_on=date(2026, 5, 4),
                reference=None, now=day(8, 1),
            )  # fmt: skip

    def test_of_ones_own_pay_is_somebody_elses(self, session: Session, april: CommissionStatement) -> None:
        """Also of an admin who coaches, and in the table."""
        with pytest.raises(OwnMoney):
            pay(session, april, by=Principal("admin", "tests", april.coach_id))
        paid = pay(session, april)
        with pytest.raises(OwnMoney):
            payouts.reverse(
                session, Principal("admin", "tests", april.coach_id), payout_id=paid.id, reason="x", now=day(8, 1)
            )
        session.add(CommissionPayout(
            statement_id=april.id, coach_id=april.coach_id, currency="EUR", amount_minor=1,
            paid_on=date(2026, 5, 4), recorded_by=april.coach_id, recorded_at=day(8, 1),
        ))  # fmt: skip
        with pytest.raises(DBAPIError, match="not_ones_own"):
            session.flush()


class TestReverse:
    def test_is_a_row_of_its_own_after_which_it_is_owed_again(
        self, session: Session, april: CommissionStatement
    ) -> None:
        paid = pay(session, april)
        back = payouts.reverse(session, FINANCE, payout_id=paid.id, reason="Bounced", now=day(8, 1))
        assert standing(session, april) == Standing(0, 0, 5000)
        books = journals.balances(session)
        assert (books["commission_payable", "EUR"], books["bank_balance", "EUR"]) == (-5000, 0)
        [seen] = payouts.of_statement(session, april.id)
        assert (seen.id, seen.is_reversed, seen.reversal_reason) == (paid.id, True, "Bounced")
        with pytest.raises(PayoutTakenBack):
            payouts.reverse(session, FINANCE, payout_id=paid.id, reason="Again", now=day(8, 1))
        for unknown in (back.id, new_id()):
            with pytest.raises(PayoutNotFound):
                payouts.reverse(session, FINANCE, payout_id=unknown, reason="x", now=day(8, 1))
        pay(session, april)
        assert standing(session, april).left_minor == 0

    @pytest.mark.parametrize("change", ["update {} set amount_minor = 1", "delete from {}", "truncate {}"])
    def test_is_the_only_change(self, session: Session, april: CommissionStatement, change: str) -> None:
        pay(session, april)
        with pytest.raises(DBAPIError, match="commission_payouts"), session.begin_nested():
            session.execute(text(change.format("commerce.commission_payouts")))


def test_what_a_statement_is_short_of_comes_off_those_that_are_not_paid(
    session: Session, april: CommissionStatement
) -> None:
    pack = Pack.bought(session)
    for on in (10, 11):
        pack.hold(april.coach_id, day(5, on))
    pack.give_back(11_900, day(6, 3))
    [may] = close(session, 5)
    paid = pay(session, april, 4000)
    [june] = close(session, 6)
    assert (may.total_minor, june.total_minor) == (2500, -2500)
    assert [standing(session, one).left_minor for one in (april, may, june)] == [0, 1000, 0]
    assert payouts.balances(session, coach_id=april.coach_id) == [payouts.Balance(april.coach_id, "EUR", 1000, may.id)]
    with pytest.raises(PayoutTooLarge):
        pay(session, june, 1)
    pay(session, may)
    payouts.reverse(session, FINANCE, payout_id=paid.id, reason="Bounced", now=day(8, 1))
    assert [standing(session, one).left_minor for one in (april, may)] == [2500, 1500]


class TestRetold:
    def test_is_what_tables_and_ledger_say(self, session: Session, april: CommissionStatement) -> None:
        first = pay(session, april, 1000)
        second = pay(session, april)
        payouts.reverse(session, FINANCE, payout_id=second.id, reason="Bounced", now=day(8, 1))
        assert differences(session) == []
        told = select(OutboxEvent.event_id).where(OutboxEvent.type == "commerce.commission_payout_reversed")
        for change in (
            f"update platform.outbox_events set payload = payload || '{{\"amount_minor\": 9}}' where "
            f"type = 'commerce.commission_paid' and payload ->> 'payout_id' = '{first.id}'",
            f'update platform.outbox_events set payload = payload || \'{{"payout_id": "{new_id()}"}}\' where '
            f"event_id = '{session.scalars(told).one()}'",
            f"update commerce.ledger_journals set source_id = '{new_id()}' where source_id = '{first.id}'",
        ):
            with session.begin_nested() as spoiled:
                session.execute(text("set local session_replication_role = replica"))
                session.execute(text(change))
                assert differences(session)
                spoiled.rollback()


def differences(session: Session) -> list[tuple[str, str]]:
    session.flush()
    return [(one.id, one.what) for one in retelling.retell(session).differences if one.about == "payout"]


def test_two_who_record_the_same_payment_at_once_pay_once(fresh_database: Callable[[], str]) -> None:
    engine = create_engine(sqlalchemy_url(fresh_database()), connect_args={"options": "-c timezone=UTC"})
    with Session(engine) as session, session.begin():
        row = make_statement(session, coach_id=new_id(), customer_id=new_id())
        statement: UUID = row.id

    def record(session: Session) -> str:
        payouts.record(
            session, Principal("finance", "tests", new_id()), statement_id=statement, amount_minor=1000,
            left_minor=2500, paid_on=date(2026, 1, 2), reference=None, now=day(8, 1),
        )  # fmt: skip
        return "paid"

    assert sorted(at_once(engine, *[record] * 3)) == ["commerce.pay_changed"] * 2 + ["paid"]
    with Session(engine) as session:
        assert session.scalars(select(CommissionPayout.amount_minor)).all() == [1000]
    engine.dispose()


class TestAllAtOnce:
    """`april` is of one coach; another has April too, and May."""

    @pytest.fixture
    def others(self, session: Session, april: CommissionStatement) -> tuple[UUID, list[CommissionStatement]]:
        coach, client = new_id(), Pack.bought(session).row.customer_id
        days = (date(2026, 4, 5), date(2026, 5, 31))
        return coach, [make_statement(session, coach_id=coach, customer_id=client, first_on=one) for one in days]

    def test_is_what_is_left_until_a_day_each_once_and_can_be_taken_back_but_for_what_was(
        self, session: Session, april: CommissionStatement, others: tuple[UUID, list[CommissionStatement]]
    ) -> None:
        _, [first, later] = others
        pay(session, april, 1999)
        seen = payout_batches.unpaid_until(session, FINANCE, last_on=date(2026, 4, 30))
        assert [(one.statement.id, one.left_minor) for one in seen.rows] == [(first.id, 2500), (april.id, 3001)]
        assert seen.totals == {"EUR": 5501}

        def record(last_on: date = date(2026, 4, 30)) -> UUID:
            return payout_batches.record(
                session, FINANCE, last_on=last_on, seen=seen.seen, reference="Excel", now=day(8, 1)
            )

        with pytest.raises(PayChanged):  # until then there is more
            record(date(2026, 5, 31))
        batch_id = record()
        with pytest.raises(PayChanged):
            record()
        assert [standing(session, one).left_minor for one in (april, first, later)] == [0, 0, 2500]
        paid = payout_batches.of_batch(session, batch_id)
        assert [(one.paid_on, one.amount_minor, one.reference) for one, _ in paid] == [
            (date(2026, 4, 5), 2500, "Excel"), (date(2026, 4, 30), 3001, "Excel"),
        ]  # fmt: skip
        payouts.reverse(session, FINANCE, payout_id=paid[0][0].id, reason="Not this", now=day(8, 1))
        assert payout_batches.reverse(session, FINANCE, batch_id=batch_id, reason="Nor that", now=day(8, 2)) == 1
        with pytest.raises(PayoutTakenBack):
            payout_batches.reverse(session, FINANCE, batch_id=batch_id, reason="Again", now=day(8, 2))
        with pytest.raises(PayoutNotFound):
            payout_batches.reverse(session, FINANCE, batch_id=new_id(), reason="x", now=day(8, 2))
        assert [standing(session, one) for one in (april, first)] == [Standing(1999, 0, 3001), Standing(0, 0, 2500)]
        assert journals.balances(session)["bank_balance", "EUR"] == -1999
        assert session.scalar(select(func.sum(LedgerLine.amount_minor))) == 0
        noted = select(func.count()).select_from(AuditEntry).where(AuditEntry.action == "commerce.record_payout")
        assert session.scalar(noted) == 5

    def test_leaves_out_ones_own_pay(
        self, session: Session, april: CommissionStatement, others: tuple[UUID, list[CommissionStatement]]
    ) -> None:
        coach, _ = others
        admin = Principal("admin", "tests", coach)
        seen = payout_batches.unpaid_until(session, admin, last_on=date(2026, 5, 31))
        assert ([one.statement.id for one in seen.rows], seen.own) == ([april.id], 2)
        batch_id = payout_batches.record(
            session, FINANCE, last_on=date(2026, 4, 30), reference="", now=day(8, 1),
            seen=payout_batches.unpaid_until(session, FINANCE, last_on=date(2026, 4, 30)).seen,
        )  # fmt: skip
        with pytest.raises(OwnMoney):
            payout_batches.reverse(session, admin, batch_id=batch_id, reason="x", now=day(8, 1))
