"""What a bank's decision about a contested payment makes of a membership that we bill."""

from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any, cast

import pytest
from sqlalchemy import func, select

from operational_api.commerce import retelling
from operational_api.commerce.billing.models import BillingItem
from operational_api.commerce.billing.proration import Mode
from operational_api.commerce.billing.service import giving_back, invoicing, memberships, plan_changes
from operational_api.commerce.models import Dispute
from operational_api.commerce.providers.port import Billing, BillingProvider, PaymentProvider, ProviderDispute
from operational_api.commerce.service import disputes, refunds
from operational_api.core.models import OutboxEvent
from tests.operational_api.commerce.billing.conftest import Desk, Family, Studio


@dataclass
class Issuer:
    """The cardholder's bank behind the port: it tells of the one dispute as it stands."""

    seen: ProviderDispute
    name = "stripe"

    def dispute(self, dispute_id: str) -> ProviderDispute:
        assert dispute_id == self.seen.id
        return self.seen

    def tell(self, studio: Studio, **changed: Any) -> None:
        """It says something else; we look, twice."""
        self.seen = replace(self.seen, **changed)
        for _ in range(2):
            disputes.sync_dispute(
                studio.session, cast("BillingProvider", self), provider_id=self.seen.id, now=studio.now
            )


@pytest.fixture
def issuer(studio: Studio) -> Issuer:
    """A member in the second month, who contests what they paid for the first."""
    studio.start(studio.plan("Small", 4000))
    studio.collect()
    studio.wait(days=30)
    studio.collect()
    studio.wait(days=3)
    return contested(studio)


def contested(studio: Studio) -> Issuer:
    """Somebody contests what they paid first."""
    paid = studio.payments[0]
    return Issuer(
        ProviderDispute(
            id=f"dp_{paid.id.hex}", payment_id=str(paid.provider_payment_id), amount_minor=4000, fee_minor=1500,
            currency="EUR", reason="fraudulent", status="needs_response", opened_at=studio.now,
        )
    )  # fmt: skip


class TestMembership:
    def test_goes_on_until_the_bank_decides(self, studio: Studio, issuer: Issuer) -> None:
        issuer.tell(studio)
        assert studio.member.status == "active"
        issuer.tell(studio, status="won", returned_minor=4000, returned_at=studio.now)
        assert studio.member.status == "active"
        assert "disputes" not in studio.balances()

    def test_ends_when_the_payment_is_lost(self, studio: Studio, issuer: Issuer) -> None:
        issuer.tell(studio)
        studio.wait(days=1)
        issuer.tell(studio, status="lost")
        member = studio.member
        assert (member.status, member.cancel_kind, member.cancel_reason) == (
            "cancelled", "involuntary", "payment_disputed",
        )  # fmt: skip
        payload = studio.session.scalars(
            select(OutboxEvent.payload).where(OutboxEvent.type == "commerce.subscription_cancelled")
        ).one()
        assert (payload["reason"], payload["is_voluntary"], payload["ends_now"]) == ("payment_disputed", False, True)
        assert studio.announced()["commerce.dispute_closed"] == 1
        before = len(studio.invoices)
        studio.wait(days=60)
        assert len(studio.invoices) == before, "nobody is billed for what has ended"

    def test_that_is_won_in_parts_has_every_part_in_the_books(self, studio: Studio, issuer: Issuer) -> None:
        issuer.tell(studio)
        taken = studio.balances()["stripe_balance"]
        parts = [(1500, 0), (4000, 0), (4000, 1500)]
        for returned, fee in parts:
            studio.wait(days=1)
            issuer.tell(studio, status="won", returned_minor=returned, fee_back_minor=fee, returned_at=studio.now)
            assert studio.balances()["stripe_balance"] == taken + returned + fee
            assert studio.balances().get("disputes", 0) == 4000 - returned
        told = [one["reinstated_minor"] for one in studio.told("commerce.dispute_closed")]
        assert told == [returned + fee for returned, fee in parts]
        assert studio.session.scalars(select(Dispute.returned_minor)).all() == [4000]

    def test_that_ends_takes_a_change_of_plan_along_that_was_not_paid_yet(self, studio: Studio, issuer: Issuer) -> None:
        """Nobody is charged for it afterwards, whatever is in their wallet by then."""
        large = studio.plan("Large", 9000)
        plan_changes.change_plan(studio.session, customer_id=studio.customer_id, plan_code=large, now=studio.now)
        issuer.tell(studio, status="lost")
        assert (studio.member.status, studio.invoices[-1].status) == ("cancelled", "void")
        [told] = studio.told("commerce.plan_change_decided")
        assert (told["outcome"], told["failure_code"]) == ("failed", "membership_ended")
        assert studio.session.scalars(select(BillingItem.id).where(*invoicing.WAITS)).all() == []
        assert studio.balances().get("receivable", 0) == 0

    def test_that_ends_gives_back_a_change_of_plan_that_turns_out_to_be_paid(
        self, studio: Studio, issuer: Issuer
    ) -> None:
        """Its answer was lost: the bank is asked about it, once; the money is booked, and goes back."""
        large, desk = studio.plan("Large", 9000), Desk()
        plan_changes.change_plan(studio.session, customer_id=studio.customer_id, plan_code=large, now=studio.now)
        studio.bank.is_silent = True
        studio.collect()
        issuer.tell(studio, status="lost")
        studio.bank.is_silent = False
        for _ in range(2):
            studio.now += timedelta(minutes=11)
            studio.collect()
            giving_back.give_back_due(studio.session, {"stripe": cast("PaymentProvider", desk)}, studio.now)
        paid = studio.payments[-1]
        assert (studio.member.status, studio.invoices[-1].status, paid.status) == ("cancelled", "paid", "captured")
        assert [one.amount_minor for one in desk.refunds.values()] == [paid.amount_minor]
        [told] = studio.told("commerce.plan_change_decided")
        assert (told["outcome"], told["failure_code"]) == ("failed", "membership_ended")
        assert (studio.balances().get("receivable", 0), sum(studio.balances().values())) == (0, 0)
        assert retelling.retell(studio.session).differences == []

    def test_that_ends_gives_back_a_change_that_another_pays_to_them_alone(self, family: Family) -> None:
        """The days that the change would have given back to the parent are no one's: it does not hold."""
        studio = family.studio
        studio.wait(days=30)
        studio.collect()
        family.pays(family.aunt)
        studio.wait(days=15)
        family.change("Large", Mode.INVOICE)
        studio.bank.is_silent = True
        studio.collect()
        contested(studio).tell(studio, status="lost")
        studio.bank.is_silent = False
        for _ in range(2):
            studio.now += timedelta(minutes=11)
            family.worker()
        paid = studio.payments[-1]
        assert (studio.member.status, paid.status, family.back) == ("cancelled", "captured", [paid.amount_minor])
        assert family.waiting == []
        assert retelling.retell(studio.session).differences == []

    def test_stays_ended_when_the_bank_thinks_better_of_it(self, studio: Studio, issuer: Issuer) -> None:
        issuer.tell(studio, status="lost")
        issuer.tell(studio, status="won", returned_minor=4000, returned_at=studio.now + timedelta(days=2))
        assert studio.member.status == "cancelled"
        assert studio.session.scalars(select(Dispute.status)).all() == ["won"]
        assert sum(studio.balances().values()) == 0


class TestDaysGivenBack:
    @pytest.mark.parametrize(("returned", "left"), [(None, 0), (3000, -1500), (4000, -2000)])
    def test_are_worth_what_the_bank_left_of_their_payment(
        self, studio: Studio, returned: int | None, left: int
    ) -> None:
        """Half of April at 40.00 is not used, and then the payment is contested."""
        studio.start(studio.plan("Small", 4000))
        studio.collect()
        studio.wait(days=15)
        memberships.pause(studio.session, customer_id=studio.customer_id, resumes_on=date(2026, 6, 1), now=studio.now)
        issuer = contested(studio)
        issuer.tell(studio)
        if returned is None:
            issuer.tell(studio, status="lost")
        else:
            issuer.tell(studio, status="won", returned_minor=returned, returned_at=studio.now)
        waits = select(func.coalesce(func.sum(BillingItem.amount_minor), 0)).where(*invoicing.WAITS)
        assert studio.session.scalar(waits) == left
        assert len(studio.told("commerce.billing_item_settled")) == int(left > -2000)

    @pytest.mark.parametrize("told", [
        [("lost", 0, 0), ("won", 4000, -2000)], [("lost", 0, 0), ("won", 3000, -1500), ("won", 4000, -2000)],
        [("won", 1000, -500), ("won", 3000, -1500), ("won", 4000, -2000)],
    ])  # fmt: skip
    def test_are_back_once_the_bank_gives_their_payment_back_after_all(
        self, studio: Studio, told: list[tuple[str, int, int]]
    ) -> None:
        studio.start(studio.plan("Small", 4000))
        studio.collect()
        studio.wait(days=15)
        memberships.pause(studio.session, customer_id=studio.customer_id, resumes_on=date(2026, 6, 1), now=studio.now)
        issuer = contested(studio)
        issuer.tell(studio)
        waits = select(func.coalesce(func.sum(BillingItem.amount_minor), 0)).where(*invoicing.WAITS)
        days = select(func.sum(BillingItem.amount_minor)).where(BillingItem.kind == "unused")
        for status, returned, left in told:
            studio.wait(days=1)
            issuer.tell(studio, status=status, returned_minor=returned, returned_at=studio.now if returned else None)
            assert (studio.session.scalar(waits), studio.session.scalar(days)) == (left, -2000)
        assert studio.told("commerce.billing_item_settled")[-1]["settled_as"] is None
        assert sum(studio.balances().values()) == 0

    def test_that_are_not_given_back_yet_are_worth_what_comes_after_all(self, studio: Studio) -> None:
        studio.start(studio.plan("Small", 4000))
        studio.collect()
        issuer = contested(studio)
        for returned in (3000, 4000):
            issuer.tell(studio, status="won", returned_minor=returned, returned_at=studio.now)
        studio.wait(days=15)
        memberships.pause(studio.session, customer_id=studio.customer_id, resumes_on=date(2026, 6, 1), now=studio.now)
        assert studio.session.scalars(select(BillingItem.amount_minor).where(*invoicing.WAITS)).all() == [-2000]

    def test_go_back_to_a_card_only_as_far_as_its_bank_left_something(self, studio: Studio) -> None:
        """Of April's 40.00 the bank kept 30.00, and of May's 20.00 were given back for something else."""
        studio.start(studio.plan("Small", 4000))
        studio.collect()
        studio.wait(days=30)
        studio.collect()
        contested(studio).tell(studio, status="won", returned_minor=1000, returned_at=studio.now)
        desk = Desk()
        refunds.refund_payment(
            studio.session, cast("PaymentProvider", desk), payment_id=studio.payments[1].id, amount_minor=2000,
            reason="A course", asked_as=f"{refunds.OF_NO_DAYS}a course", now=studio.now,
        )  # fmt: skip
        memberships.cancel(
            studio.session, cast("Billing", studio.bank), customer_id=studio.customer_id, reason="moving",
            at_once=True, now=studio.now,
        )  # fmt: skip
        for _ in range(2):
            giving_back.give_back_due(studio.session, {"stripe": cast("PaymentProvider", desk)}, studio.now)
        assert [one.amount_minor for one in desk.refunds.values()] == [2000, 2000, 1000]
        assert studio.session.scalars(select(BillingItem.amount_minor).where(*invoicing.WAITS)).all() == [-1000]

    def test_are_not_given_back_again_with_what_a_bank_left(self, studio: Studio) -> None:
        """Half of 40.00 waits; the bank kept 24.00, and the other 16.00 are given back."""
        studio.start(studio.plan("Small", 4000))
        studio.collect()
        studio.wait(days=15)
        memberships.pause(studio.session, customer_id=studio.customer_id, resumes_on=date(2026, 6, 1), now=studio.now)
        contested(studio).tell(studio, status="won", returned_minor=1600, returned_at=studio.now)
        refunds.refund_payment(
            studio.session, cast("PaymentProvider", Desk()), payment_id=studio.payments[0].id, amount_minor=1600,
            reason="A course", now=studio.now,
        )  # fmt: skip
        assert studio.session.scalars(select(BillingItem.amount_minor).where(*invoicing.WAITS)).all() == []

    def test_are_worth_as_much_after_a_part_was_lost(self, studio: Studio) -> None:
        studio.start(studio.plan("Small", 4000))
        studio.collect()
        contested(studio).tell(studio, status="won", returned_minor=3000, returned_at=studio.now)
        studio.wait(days=15)
        memberships.pause(studio.session, customer_id=studio.customer_id, resumes_on=date(2026, 6, 1), now=studio.now)
        assert studio.session.scalars(select(BillingItem.amount_minor).where(*invoicing.WAITS)).all() == [-1500]
