"""Whose a charge or a credit is when somebody else pays meanwhile, and what becomes of paid days nobody will use."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from contracts.events.registry import parse
from contracts.ids import new_id
from operational_api.commerce.billing.models import Collection
from operational_api.commerce.billing.proration import Mode
from operational_api.commerce.billing.service import (
    collection,
    coupons,
    fees,
    memberships,
    plan_changes,
    waiting,
)
from operational_api.commerce.billing.service.coupons import Worth
from operational_api.commerce.models import Customer, Plan
from operational_api.core.models import OutboxEvent
from operational_api.engagement import handlers
from operational_api.engagement.models import OutgoingEmail
from tests.operational_api.commerce.billing.conftest import Family
from tests.operational_api.conftest import SignIn


class TestFee:
    def test_is_of_who_paid_when_it_was_caused(self, family: Family) -> None:
        family.late()
        family.pays(family.aunt)
        family.studio.wait(days=2)
        family.worker()
        family.studio.wait(days=30)
        assert family.paid == {family.parent.id: [5000, 1500], family.aunt.id: [5000]}
        assert family.studio.collections[1].payer_id == family.parent.id

    def test_of_a_member_who_is_paid_for_since_is_their_own(self, family: Family) -> None:
        family.pays(None)
        family.late()
        family.pays(family.parent)
        family.studio.wait(days=2)
        family.worker()
        assert family.paid == {family.parent.id: [5000], None: [1500]}

    def test_goes_back_to_whose_it_was_when_credits_had_paid_it(self, family: Family) -> None:
        family.change("Tiny", Mode.PRORATE)
        fee = family.late()
        family.studio.wait(days=31)
        family.pays(family.aunt)
        fees.let_go(family.session, booking_id=fee, reason="ill", actor_id=new_id(), now=family.studio.now)
        assert {payer for payer, _ in family.waiting} == {family.parent.id}


class TestCredit:
    def test_of_a_pause_goes_back_to_the_card_that_paid_once_another_pays(self, family: Family) -> None:
        family.studio.wait(days=15)
        family.pause()
        family.worker()
        assert (family.back, family.waiting) == ([], [(family.parent.id, -2500)]), "the parent pays still"
        family.pays(family.aunt)
        family.worker()
        assert (family.back, family.waiting) == ([2500], [])
        family.studio.wait(days=31)
        assert family.paid == {family.parent.id: [5000], family.aunt.id: [5000]}
        assert sum(family.studio.balances().values()) == 0

    def test_of_a_change_that_another_pays_comes_off_nothing_of_theirs(self, family: Family) -> None:
        """Half of April at 50.00 is the parent's; the aunt pays half of it at 100.00, and is told so before."""
        family.pays(family.aunt)
        family.studio.wait(days=15)
        told = plan_changes.preview(
            family.session, customer_id=family.member.id, plan_code=family.studio.plans["Large"].code,
            mode=Mode.INVOICE, now=family.studio.now,
        )  # fmt: skip
        assert told.invoice is not None
        assert told.invoice.total_minor == 5000
        family.change("Large", Mode.INVOICE)
        assert family.back == [], "the change may fail"
        family.worker()
        assert (family.paid, family.back) == ({family.parent.id: [5000], family.aunt.id: [5000]}, [2500])

    def test_of_a_change_that_is_not_paid_is_none(self, family: Family) -> None:
        family.pays(family.aunt)
        family.studio.wait(days=15)
        family.change("Large", Mode.INVOICE)
        family.worker("stolen_card")
        assert (family.back, family.waiting) == ([], [])

    def test_after_a_change_that_was_not_paid_is_of_who_had_paid(self, family: Family) -> None:
        family.pays(family.aunt)
        family.studio.wait(days=15)
        family.change("Large", Mode.INVOICE)
        family.worker("stolen_card")
        family.pause()
        assert family.waiting == [(family.parent.id, -2500)]

    def test_of_days_that_cost_nothing_is_asked_of_no_bank(self, family: Family) -> None:
        """They had the month for nothing, and paid a fee by card."""
        studio = family.studio
        coupons.create(
            family.session, code="FREE", worth=Worth(percent_bp=10_000), duration="once", actor_id=None, now=studio.now
        )
        memberships.use_coupon(family.session, customer_id=family.member.id, code="free", now=studio.now)
        family.late()
        studio.wait(days=31)
        family.worker()
        assert family.paid == {family.parent.id: [5000, 1500]}
        family.end()
        family.worker()
        assert (family.desk.refunds, family.waiting) == ({}, [(family.parent.id, 0)])
        assert waiting.items(family.session, studio.now) == []

    def test_comes_off_the_next_invoice_where_the_payer_is_the_same_again(self, family: Family) -> None:
        family.change("Tiny", Mode.PRORATE)
        family.pays(family.aunt)
        family.pays(family.parent)
        family.worker()
        family.studio.wait(days=31)
        assert (family.paid, family.back) == ({family.parent.id: [5000, 0]}, [])

    def test_that_the_bank_does_not_take_waits_and_is_tried_once(self, family: Family) -> None:
        family.pause()
        family.pays(family.aunt)
        family.desk.refuses = True
        for _ in range(3):
            family.worker()
        assert (len(family.desk.refunds), family.back) == (1, [])
        assert family.waiting == [(family.parent.id, -5000)]

    def test_pays_first_what_its_payer_has_to_pay_themselves(self, family: Family) -> None:
        family.change("Tiny", Mode.PRORATE)
        family.pays(family.aunt)
        family.worker()
        assert family.back == []
        family.studio.wait(days=2)
        family.worker()
        assert (family.paid, family.back, family.waiting) == ({family.parent.id: [5000, 0]}, [3000], [])

    def test_is_shown_to_whose_it_is(self, family: Family, sign_in: SignIn) -> None:
        family.pause()
        assert "comes off the next invoice" in sign_in(family.parent).get("/membership").text
        family.pays(family.aunt)
        seen = sign_in(family.parent).get("/membership").text
        assert "50.00 that you paid is not used" in seen
        assert "goes back to your card" in seen
        for one in (family.member, family.aunt):
            assert "is not used" not in sign_in(one).get("/membership").text


class TestEnd:
    @pytest.mark.parametrize(
        ("rule", "back", "waits"), [("refund", [2500], []), ("credit", [], [-2500]), ("forfeit", [], [])]
    )
    def test_at_once_leaves_paid_days_as_the_plan_says(
        self, family: Family, rule: str, back: list[int], waits: list[int]
    ) -> None:
        family.session.execute(update(Plan).values(days_left=rule))
        family.studio.wait(days=15)
        family.end()
        [told] = family.studio.told("commerce.subscription_cancelled")
        assert (told["left_minor"], told["days_left"]) == ((0, None) if rule == "forfeit" else (2500, rule))
        family.worker()
        assert (family.back, [minor for _, minor in family.waiting]) == (back, waits)
        assert sum(family.studio.balances().values()) == 0

    def test_of_what_is_not_paid_gives_nothing_back(self, family: Family) -> None:
        family.studio.wait(days=30)
        family.end()
        family.worker()
        assert (family.back, family.waiting) == ([], [])

    def test_of_an_account_gives_its_days_back(self, family: Family) -> None:
        family.studio.wait(days=15)
        family.leaves(family.member)
        family.worker()
        assert family.back == [2500]

    def test_takes_more_than_one_payment_where_one_has_too_little(self, family: Family) -> None:
        """May was paid by what April's days were worth, all but 20.00."""
        family.studio.wait(days=10)
        family.pause(days=20)
        family.studio.wait(days=20)
        family.studio.collect()
        assert family.paid == {family.parent.id: [5000, 1667]}
        family.end()
        family.worker()
        assert (family.back, family.waiting) == ([1667, 3333], [])


class TestPayerWhoLeaves:
    def letters(self, family: Family) -> list[tuple[str, str, dict[str, Any]]]:
        """What engagement writes on what commerce announced of payers: to whom, which letter, and what it says."""
        wanted = ("commerce.payer_changed", "commerce.payer_left")
        query = select(OutboxEvent).where(OutboxEvent.type.in_(wanted)).order_by(OutboxEvent.position)
        for row in family.session.scalars(query):
            event = parse(
                event_type=row.type, version=row.version, event_id=row.event_id, occurred_at=row.occurred_at,
                payload=row.payload,
            )  # fmt: skip
            for handle in handlers.HANDLERS[row.type]:
                handle(family.session, event)
        rows = family.session.scalars(select(OutgoingEmail).order_by(OutgoingEmail.created_at, OutgoingEmail.id))
        return [(row.recipient, row.template, row.context) for row in rows]

    def test_is_charged_no_more_and_whom_it_was_for_may_pay(self, family: Family, sign_in: SignIn) -> None:
        family.studio.wait(days=30)
        family.studio.collect("insufficient_funds")
        family.leaves(family.parent)
        [_, row] = family.studio.collections
        assert (row.payer_id, row.status) == (family.member.id, "stopped")
        charged = len(family.studio.bank.charged)
        family.studio.wait(days=10)
        family.worker()
        assert len(family.studio.bank.charged) == charged, "nobody's card, but on their word"
        collection.card_changed(
            family.session, payer_id=family.member.id, given_at=family.studio.now, now=family.studio.now
        )
        family.worker()
        assert len(family.studio.bank.charged) == charged, "nor is a new card a word"
        page = sign_in(family.member).get("/membership").text
        assert "Whoever paid for you has closed their account" in page
        asked = sign_in(family.member).post(f"/api/commerce/invoices/{row.invoice_id}/payment-attempts")
        assert asked.status_code == 200
        family.studio.now = datetime.now(UTC) + timedelta(minutes=1)
        family.studio.collect(None)
        assert [one.status for one in family.studio.invoices][:2] == ["paid", "paid"]

    def test_leaves_a_membership_that_ends_if_nobody_pays_in_time(self, family: Family) -> None:
        family.studio.wait(days=30)
        family.studio.collect("insufficient_funds")
        family.leaves(family.parent)
        assert family.studio.member.status == "past_due"
        [_, row] = family.studio.collections
        assert row.next_attempt_at is not None
        assert (row.next_attempt_at - row.started_at).days == 28
        family.studio.wait(days=29)
        family.studio.collect()
        assert (family.studio.member.status, family.studio.member.cancel_kind) == ("cancelled", "involuntary")
        assert [one.status for one in family.studio.invoices][1] == "uncollectible"

    def test_while_an_attempt_has_no_answer_it_is_asked_about_first(self, family: Family) -> None:
        family.studio.wait(days=30)
        family.studio.bank.is_silent = True
        family.studio.collect("insufficient_funds")
        family.leaves(family.parent)
        family.studio.bank.is_silent = False
        for _ in range(2):
            family.studio.now += timedelta(days=3)
            family.studio.collect()
        assert family.studio.collections[1].payer_id == family.member.id
        assert len(family.studio.bank.charged) == 2

    def test_ends_a_change_of_plan_that_they_were_to_pay(self, family: Family) -> None:
        family.change("Large", Mode.INVOICE)
        family.leaves(family.parent)
        assert [one.status for one in family.studio.invoices] == ["paid", "void"]
        assert family.studio.collections[1].status == "credited"
        family.change("Large", Mode.NEXT_PERIOD)

    def test_is_told_to_the_member_with_what_is_open_and_when_they_pay(self, family: Family) -> None:
        family.studio.now = datetime.now(UTC)
        again = update(Collection).values(status="retrying", next_attempt_at=family.studio.now, ended_at=None)
        family.session.execute(again)
        family.leaves(family.parent)
        [(to, template, context)] = self.letters(family)[-1:]
        assert (to, template) == (family.member.email, "payer_left")
        assert context["renews_minor"] == 5000
        assert context["renews_at"] is not None


class TestLetters:
    def test_of_a_change_reach_the_member_and_who_paid(self, family: Family) -> None:
        family.studio.now = datetime.now(UTC)
        family.pays(family.aunt)
        found = TestPayerWhoLeaves().letters(family)
        assert [(to, template) for to, template, _ in found[-2:]] == [
            (family.member.email, "payer_changed"), (family.parent.email, "payer_ended"),
        ]  # fmt: skip


class TestPage:
    def test_asks_for_a_card_where_a_member_pays_and_has_none(self, family: Family, sign_in: SignIn) -> None:
        assert "Another account pays for you" in sign_in(family.member).get("/membership").text
        family.session.execute(update(Customer).where(Customer.id == family.member.id).values(stripe_customer_id=None))
        family.leaves(family.parent)
        seen = sign_in(family.member).get("/membership").text
        assert "we know no card of yours" in seen
