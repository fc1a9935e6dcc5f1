"""The collector on a local Stripe over real HTTP: what a bank says, what a wire loses, and that money moves once."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import select
from sqlalchemy.orm import Session

from contracts.events.commerce import PaymentCaptured
from contracts.ids import new_id
from operational_api.commerce.billing.collectors import Charge, StripeCollector
from operational_api.commerce.billing.service import collection
from operational_api.commerce.models import Customer, LedgerJournal, LedgerLine
from operational_api.commerce.service import cards, webhooks
from operational_api.commerce.settings import StripeSettings
from operational_api.core.models import InboxMessage, OutboxEvent
from tests.fakes.stripe.testing import LocalStripe
from tests.fakes.wire import Wire, wire_to
from tests.operational_api.commerce.billing.conftest import Studio
from tests.operational_api.commerce.conftest import adapter


@dataclass
class Bank:
    """A payer at the local Stripe, and our collector on a wire that can be cut."""

    server: LocalStripe
    wire: Wire
    collector: StripeCollector
    payer: str = ""

    def order(self, **given: Any) -> Charge:
        return replace(Charge(f"k-{new_id()}", self.payer, 5000, "EUR", "Invoice INV-1"), **given)

    def card(self, token: str) -> None:
        """The payer's card from now on."""
        client = self.server.client().v1
        method = client.payment_methods.attach(token, {"customer": self.payer}).to_dict()["id"]
        client.customers.update(self.payer, {"invoice_settings": {"default_payment_method": method}})

    def taken(self) -> list[int]:
        """What Stripe took from the payer."""
        charges = self.server.store.all("charge")
        return [one["amount"] for one in charges if one["customer"] == self.payer and one["status"] == "succeeded"]


@pytest.fixture(scope="module")
def wire(stripe_server: LocalStripe) -> Iterator[Wire]:
    with wire_to(stripe_server.url) as found:
        yield found


@pytest.fixture
def bank(stripe_server: LocalStripe, wire: Wire) -> Bank:
    wire.cuts.clear()
    settings = StripeSettings(
        api_base=wire.url, secret_key=SecretStr(stripe_server.secret_key), max_retries=0, timeout_seconds=5
    )
    payer = stripe_server.client().v1.customers.create({"name": "Mia Maier"}).to_dict()["id"]
    return Bank(stripe_server, wire, StripeCollector(settings), payer)


class TestCharge:
    def test_takes_the_money_and_tells_the_fee(self, bank: Bank) -> None:
        bank.card("pm_card_visa")
        seen = bank.collector.charge(bank.order())
        assert (seen.status, seen.fee_minor, seen.amount_minor, bank.taken()) == ("captured", 100, 5000, [5000])

    def test_who_has_no_card_is_not_charged(self, bank: Bank) -> None:
        for order in (bank.order(), bank.order(payer_ref=None)):
            assert bank.collector.charge(order).failure_code == "no_payment_method"

    @pytest.mark.parametrize(
        ("token", "code"),
        [
            ("pm_card_chargeCustomerFail", "generic_decline"),
            ("pm_card_authenticationRequired", "authentication_required"),
        ],
    )
    def test_a_no_says_why_however_often_it_is_asked_about(self, bank: Bank, token: str, code: str) -> None:
        bank.card(token)
        order = bank.order()
        first, again = bank.collector.charge(order), bank.collector.charge(order)
        assert (first.status, first.failure_code, bank.taken()) == ("failed", code, [])
        assert (again.status, again.failure_code, again.payment_id) == ("failed", code, first.payment_id)

    @pytest.mark.parametrize("cut", ["before", "after", "half"])
    @pytest.mark.parametrize("passing", [0, 1, 2, 3])
    def test_an_answer_that_is_lost_is_unknown_and_asking_again_charges_once(
        self, bank: Bank, cut: str, passing: int
    ) -> None:
        bank.card("pm_card_visa")
        order = bank.order()
        bank.wire.cuts[:] = [*[None] * passing, cut]
        assert bank.collector.charge(order).status == "unknown"
        assert bank.collector.charge(order).status == "captured"
        assert bank.taken() == [5000]

    def test_another_card_does_not_pay_a_second_time(self, bank: Bank) -> None:
        bank.card("pm_card_visa")
        order = bank.order()
        bank.wire.cuts[:] = [None, None, "after"]
        assert bank.collector.charge(order).status == "unknown"
        bank.card("pm_card_mastercard")
        assert bank.collector.charge(order).status == "captured"
        assert bank.taken() == [5000]

    def test_a_no_that_is_heard_late_tells_whether_it_was_of_the_card_of_now(self, bank: Bank) -> None:
        bank.card("pm_card_chargeCustomerFail")
        order = bank.order()
        assert bank.collector.charge(order).status == "failed"
        assert not bank.collector.charge(order).has_other_card
        bank.card("pm_card_visa")
        late = bank.collector.charge(order)
        assert (late.status, late.has_other_card, bank.taken()) == ("failed", True, [])

    def test_nor_does_a_key_that_stripe_has_forgotten(self, bank: Bank) -> None:
        bank.card("pm_card_visa")
        order = bank.order()
        bank.collector.charge(order)
        bank.server.store.replies.clear()
        assert bank.collector.charge(replace(order, amount_minor=4000)).amount_minor == 5000
        assert bank.taken() == [5000]

    def test_one_that_is_processing_is_asked_about_until_it_is_known(self, bank: Bank) -> None:
        bank.card("pm_card_visa")
        order = bank.order()
        done = bank.collector.charge(order)
        intent = dict(bank.server.store.find("payment_intent", str(done.payment_id)))
        with bank.server.store.transaction():
            bank.server.store.put(intent | {"status": "processing"})
        assert bank.collector.charge(order).status == "unknown"
        with bank.server.store.transaction():
            bank.server.store.put(intent)
        assert bank.collector.charge(order) == done


class TestCollected:
    """The same through the worker: one payment, one journal, one event, one charge at Stripe."""

    @pytest.fixture
    def member(self, studio: Studio, bank: Bank, session: Session) -> Studio:
        session.get_one(Customer, studio.customer_id).stripe_customer_id = bank.payer
        studio.start(studio.plan("Small", 5000))
        return studio

    def collect(self, studio: Studio, bank: Bank) -> None:
        collection.collect_due(studio.session, bank.collector, studio.now)

    def test_a_timeout_is_unknown_then_settled(self, member: Studio, bank: Bank) -> None:
        bank.card("pm_card_visa")
        bank.wire.cuts[:] = [None, None, "after"]
        self.collect(member, bank)
        assert [one.status for one in member.payments] == ["unknown"]
        assert member.invoices[0].status == "open"
        member.now += timedelta(minutes=11)
        self.collect(member, bank)
        assert [(one.status, one.fee_minor) for one in member.payments] == [("captured", 100)]
        assert (member.invoices[0].status, bank.taken()) == ("paid", [5000])

    def test_a_decline_is_tried_again_and_a_new_card_pays(self, member: Studio, bank: Bank) -> None:
        bank.card("pm_card_chargeCustomerFail")
        self.collect(member, bank)
        assert (member.member.status, member.collections[0].status) == ("past_due", "retrying")
        bank.card("pm_card_visa")
        collection.card_changed_at(member.session, provider_customer_id=bank.payer, given_at=member.now, now=member.now)
        self.collect(member, bank)
        assert [one.status for one in member.payments] == ["failed", "captured"]
        assert (member.member.status, bank.taken()) == ("active", [5000])

    def test_a_card_given_on_stripes_page_pays_what_a_stolen_one_did_not(self, member: Studio, bank: Bank) -> None:
        bank.card("pm_card_chargeCustomerFail")
        self.collect(member, bank)
        provider = adapter(bank.server)
        url = cards.open_page(
            member.session, provider, account_id=member.customer_id, display_name="Mia", public_url="http://plyo.test"
        )
        assert bank.server.pay(url, "4000000000000002").status_code == 402
        back = bank.server.pay(url)
        assert (back.status_code, back.headers["location"]) == (303, "http://plyo.test/membership?card=given")
        [told] = [
            one for one in bank.server.store.all("event")
            if one["type"] == "customer.updated" and one["data"]["object"]["id"] == bank.payer
        ][-1:]  # fmt: skip
        message = InboxMessage(source="stripe", message_id=told["id"], kind=told["type"], payload=told)
        webhooks.follow_up(member.session, provider, message, now=member.now)
        self.collect(member, bank)
        assert [one.status for one in member.payments] == ["failed", "captured"]
        assert (member.member.status, bank.taken()) == ("active", [5000])

    def test_the_event_is_the_ledger_entry_and_stripes_own(self, member: Studio, bank: Bank) -> None:
        bank.card("pm_card_visa")
        self.collect(member, bank)
        assert_same(member.session, bank.server, member.payments[0].id)


def assert_same(session: Session, server: LocalStripe, payment_id: Any) -> None:
    """`PaymentCaptured`, its journal, and what Stripe announced and booked tell one amount and fee."""
    [row] = session.scalars(select(OutboxEvent).where(OutboxEvent.type == PaymentCaptured.type))
    event = PaymentCaptured(event_id=row.event_id, occurred_at=row.occurred_at, **row.payload)
    assert event.payment_id == payment_id
    journal = session.scalars(select(LedgerJournal).where(LedgerJournal.source_id == payment_id)).one()
    lines = {
        line.account: line.amount_minor
        for line in session.scalars(select(LedgerLine).where(LedgerLine.journal_id == journal.id))
    }
    assert event.fee_minor is not None
    assert lines == {
        "stripe_balance": event.amount_minor - event.fee_minor, "payment_fees": event.fee_minor,
        "receivable": -event.amount_minor,
    }  # fmt: skip
    told = [
        one["data"]["object"] for one in server.store.all("event")
        if one["type"] == "charge.succeeded" and one["data"]["object"]["payment_intent"] == event.provider_payment_id
    ]  # fmt: skip
    [charge] = told
    assert (charge["amount"], charge["currency"].upper()) == (event.amount_minor, event.currency)
    movement = server.store.find("balance_transaction", charge["balance_transaction"])
    assert (movement["net"], movement["fee"]) == (lines["stripe_balance"], lines["payment_fees"])
    assert journal.posted_at == event.occurred_at
