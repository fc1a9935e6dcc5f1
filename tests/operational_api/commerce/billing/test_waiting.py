"""Credits and charges that wait for a person: why, what becomes of them by hand, and what a rule ends."""

from datetime import timedelta
from typing import cast

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from contracts.ids import new_id
from operational_api.commerce.billing.errors import NotSettledSo, NotWaiting, OwnMoney
from operational_api.commerce.billing.models import BillingItem
from operational_api.commerce.billing.proration import Mode
from operational_api.commerce.billing.service import fees, waiting
from operational_api.commerce.billing.service.waiting import How
from operational_api.commerce.models import Dispute, Refund
from operational_api.commerce.providers.port import PaymentProvider
from operational_api.core.models import AuditEntry
from operational_api.core.principal import Principal
from tests.factories import make_account
from tests.operational_api.commerce.billing.conftest import Family


@pytest.fixture
def finance(session: Session) -> Principal:
    return Principal("finance", "tests", make_account(session, role="finance").id)


def refused(family: Family) -> None:
    """The parent's days that are left go back to a card that the bank has closed."""
    family.pause()
    family.pays(family.aunt)
    family.desk.refuses = True
    family.worker()


def seen(family: Family) -> list[tuple[str, int]]:
    family.session.expire_all()
    return [(one.reason, one.amount_minor) for one in waiting.items(family.session, family.studio.now)]


class TestCredit:
    def test_waits_with_the_reason_and_whose_it_is(self, family: Family) -> None:
        assert seen(family) == []
        refused(family)
        [one] = waiting.items(family.session, family.studio.now)
        assert (one.reason, one.amount_minor, one.account_id) == ("refused", -5000, family.parent.id)
        assert one.customer_id == family.member.id

    def test_of_a_contested_payment_waits(self, family: Family, session: Session) -> None:
        [paid] = family.studio.payments
        session.add(Dispute(
            payment_id=paid.id, customer_id=paid.customer_id, amount_minor=5000, currency="EUR", reason="fraudulent",
            status="needs_response", opened_at=family.studio.now,
        ))  # fmt: skip
        family.pause()
        family.pays(family.aunt)
        family.worker()
        assert seen(family) == [("contested", -5000)]

    def test_that_no_payment_has_left_waits(self, family: Family, session: Session) -> None:
        [paid] = family.studio.payments
        session.add(Refund(
            payment_id=paid.id, customer_id=paid.customer_id, amount_minor=5000, currency="EUR", reason="Goodwill",
            status="succeeded", refunded_at=family.studio.now,
        ))  # fmt: skip
        family.pause()
        family.pays(family.aunt)
        family.worker()
        assert seen(family) == [("used_up", -5000)]

    def test_goes_to_the_card_where_it_takes_it_now_once(self, family: Family, finance: Principal) -> None:
        refused(family)
        desk = {"stripe": cast("PaymentProvider", family.desk)}
        for refuses, left in ((True, [("refused", -5000)]), (False, [])):
            family.desk.refuses = refuses
            [one] = waiting.items(family.session, family.studio.now)
            given = waiting.try_again(
                family.session, desk, item_id=one.item_id, principal=finance, now=family.studio.now
            )
            assert (given, seen(family)) == (not refuses, left)
        family.worker()
        assert (family.back, len(family.desk.refunds)) == ([5000], 3)
        assert sum(family.studio.balances().values()) == 0
        with pytest.raises(NotWaiting):
            waiting.try_again(family.session, desk, item_id=one.item_id, principal=finance, now=family.studio.now)

    def test_is_given_back_once_where_what_the_card_took_was_forgotten(
        self, family: Family, finance: Principal, session: Session
    ) -> None:
        family.studio.wait(days=15)
        refused(family)
        family.desk.refuses = False
        [one] = waiting.items(session, family.studio.now)

        def again() -> bool:
            desk = {"stripe": cast("PaymentProvider", family.desk)}
            return waiting.try_again(session, desk, item_id=one.item_id, principal=finance, now=family.studio.now)

        with session.begin_nested() as died:
            assert again()
            died.rollback()
        assert seen(family) == [("refused", -2500)]
        assert again()
        assert (sum(row.amount_minor for row in family.desk.refunds.values() if row.status == "succeeded")) == 2500
        assert (family.back, seen(family), sum(family.studio.balances().values())) == ([2500], [], 0)

    def test_that_the_provider_takes_no_request_for_waits_and_is_asked_once(self, family: Family) -> None:
        family.pause()
        family.pays(family.aunt)
        family.desk.is_shut = True
        family.worker()
        assert seen(family) == [("refused", -5000)]
        family.desk.is_shut = False
        family.worker()
        assert (family.back, seen(family)) == ([], [("refused", -5000)])

    def test_that_is_paid_otherwise_is_in_the_ledger_for_good(self, family: Family, finance: Principal) -> None:
        refused(family)
        [one] = waiting.items(family.session, family.studio.now)

        def settle(how: How) -> BillingItem:
            return waiting.settle(
                family.session, item_id=one.item_id, how=how, reason="By bank", principal=finance,
                now=family.studio.now,
            )  # fmt: skip

        with pytest.raises(NotSettledSo):
            settle("waived")
        settle("paid_outside")
        with pytest.raises(NotWaiting):
            settle("written_off")
        with pytest.raises(NotWaiting):
            waiting.undo(family.session, item_id=one.item_id, principal=finance, now=family.studio.now)
        family.desk.refuses = False
        family.worker()
        found = family.studio.balances()
        assert (found["bank_balance"], found["refunds"], found.get("tax_payable")) == (-5000, 4202, None)
        assert (sum(found.values()), family.back, seen(family)) == (0, [], [])
        assert [told["settled_as"] for told in family.studio.told("commerce.billing_item_settled")] == ["paid_outside"]
        noted = family.session.scalars(select(AuditEntry).where(AuditEntry.action == "commerce.settle_waiting")).all()
        assert [one.details["how"] for one in noted] == ["paid_outside"]

    def test_that_is_written_off_can_wait_again(self, family: Family, finance: Principal) -> None:
        refused(family)
        [one] = waiting.items(family.session, family.studio.now)
        waiting.settle(
            family.session, item_id=one.item_id, how="written_off", reason="Gone", principal=finance,
            now=family.studio.now,
        )  # fmt: skip
        assert seen(family) == []
        assert [row.settled_as for row in waiting.settled(family.session, family.studio.now)] == ["written_off"]
        waiting.undo(family.session, item_id=one.item_id, principal=finance, now=family.studio.now)
        assert seen(family) == [("refused", -5000)]

    def test_is_settled_by_nobody_for_themselves(self, family: Family) -> None:
        refused(family)
        [one] = waiting.items(family.session, family.studio.now)
        own = Principal("finance", "tests", family.parent.id)
        with pytest.raises(OwnMoney):
            waiting.settle(
                family.session, item_id=one.item_id, how="written_off", reason="Mine", principal=own,
                now=family.studio.now,
            )  # fmt: skip


class TestSmallCharge:
    def former(self, family: Family, amount: int = 40) -> None:
        """What somebody who pays no more has caused, too little for a card."""
        family.late(amount)
        family.pays(family.aunt)
        family.studio.wait(days=2)
        family.worker()

    def test_of_a_former_payer_waits_and_is_written_off_by_rule(self, family: Family) -> None:
        self.former(family)
        [one] = waiting.items(family.session, family.studio.now)
        assert (one.reason, one.amount_minor, one.account_id) == ("too_small", 40, family.parent.id)
        waiting.write_off_small(family.session, family.studio.now + timedelta(days=87))
        assert seen(family) == [("too_small", 40)]
        waiting.write_off_small(family.session, family.studio.now + timedelta(days=88))
        assert (seen(family), family.waiting_all()) == ([], [(family.parent.id, 40, "too_small")])

    def test_is_collected_with_the_next_of_the_same_payers(self, family: Family) -> None:
        self.former(family)
        family.pays(family.parent)
        family.late(1500)
        family.pays(family.aunt)
        family.studio.wait(days=3)
        family.worker()
        assert (family.paid[family.parent.id], seen(family)) == ([5000, 1540], [])

    def test_is_waived_by_hand_and_waits_again(self, family: Family, finance: Principal) -> None:
        self.former(family)
        [one] = waiting.items(family.session, family.studio.now)
        waiting.settle(
            family.session, item_id=one.item_id, how="waived", reason="Cents", principal=finance, now=family.studio.now
        )
        fees.let_go(family.session, booking_id=one.item_id, reason="ill", actor_id=new_id(), now=family.studio.now)
        assert seen(family) == []
        waiting.undo(family.session, item_id=one.item_id, principal=finance, now=family.studio.now)
        assert seen(family) == [("too_small", 40)]

    def test_that_credits_pay_all_but_cents_leaves_an_invoice_of_the_rest(self, family: Family) -> None:
        """30.00 of April come back to the parent, who owes a fee of 30.40: 0.40 is written off, the rest invoiced."""
        family.change("Tiny", Mode.PRORATE)
        family.late(3040)
        family.pays(family.aunt)
        family.studio.wait(days=2)
        family.worker()
        assert family.paid == {family.parent.id: [5000]}
        later = family.studio.now + timedelta(days=91)
        for _ in range(3):
            waiting.write_off_small(family.session, later)
        fees.invoice_due(family.session, later)
        assert family.paid[family.parent.id] == [5000, 0]
        gone = [minor for _, minor, how in family.waiting_all() if how == "too_small"]
        assert (sum(gone), seen(family)) == (40, [])
        assert sum(family.studio.balances().values()) == 0

    def test_of_who_pays_still_waits_for_nobody(self, family: Family) -> None:
        family.late(40)
        family.studio.wait(days=2)
        family.worker()
        assert seen(family) == []


def test_a_credit_waits_for_the_charge_beside_it(family: Family) -> None:
    refused(family)
    family.pays(family.parent)
    family.late(40)
    family.pays(family.aunt)
    family.studio.wait(days=2)
    assert seen(family) == [("not_invoiced", 40)]
    family.worker()
    assert family.paid[family.parent.id] == [5000, 0]
    assert seen(family) == [("refused", -4960)]
    assert waiting.count(family.session, family.studio.now) == 1
