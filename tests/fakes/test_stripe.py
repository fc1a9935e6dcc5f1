"""The local Stripe, driven by Stripe's own SDK over real HTTP."""

import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
import stripe

from tests.fakes.stripe.testing import LocalStripe, local_stripe, session_id


def monthly_price(client: stripe.StripeClient, amount: int = 4900, **given: Any) -> stripe.Price:
    product = client.v1.products.create({"name": "Standard"})
    return client.v1.prices.create(
        {"product": product.id, "unit_amount": amount, "currency": "eur", "recurring": {"interval": "month"}} | given
    )


def payer(client: stripe.StripeClient, card: str = "pm_card_visa") -> stripe.Customer:
    customer = client.v1.customers.create({"email": "mia@example.test", "name": "Mia"})
    method = client.v1.payment_methods.attach(card, {"customer": customer.id})
    return client.v1.customers.update(customer.id, {"invoice_settings": {"default_payment_method": method.id}})


def subscribe(client: stripe.StripeClient, card: str = "pm_card_visa", **given: Any) -> stripe.Subscription:
    customer = payer(client, card)
    return client.v1.subscriptions.create(
        {"customer": customer.id, "items": [{"price": monthly_price(client).id}]} | given
    )


class TestAuthentication:
    def test_refuses_another_key(self, shared_stripe: LocalStripe) -> None:
        stranger = stripe.StripeClient("sk_test_wrong", base_addresses={"api": shared_stripe.url})
        with pytest.raises(stripe.AuthenticationError, match="Invalid API Key provided"):
            stranger.v1.customers.list()

    def test_takes_the_key_as_curl_sends_it(self, shared_stripe: LocalStripe) -> None:
        url = f"{shared_stripe.url}/v1/customers"
        assert httpx.get(url, auth=(shared_stripe.secret_key, "")).status_code == 200
        assert httpx.get(url, auth=("sk_test_wrong", "")).status_code == 401
        assert httpx.get(url).status_code == 401


class TestCustomers:
    def test_keeps_what_it_is_given(self, client: stripe.StripeClient) -> None:
        made = client.v1.customers.create({"email": "a@b.test", "metadata": {"k": "v"}})
        again = client.v1.customers.retrieve(made.id)
        assert (again.email, again.metadata.to_dict(), again.livemode) == ("a@b.test", {"k": "v"}, False)

    def test_merges_and_deletes_metadata(self, client: stripe.StripeClient) -> None:
        made = client.v1.customers.create({"metadata": {"a": "1", "b": "2"}})
        changed = client.v1.customers.update(made.id, {"metadata": {"a": "", "c": "3"}})
        assert changed.metadata.to_dict() == {"b": "2", "c": "3"}

    def test_says_that_an_unknown_one_is_missing(self, client: stripe.StripeClient) -> None:
        with pytest.raises(stripe.InvalidRequestError, match="No such customer: 'cus_nobody'") as caught:
            client.v1.customers.retrieve("cus_nobody")
        assert (caught.value.code, caught.value.http_status) == ("resource_missing", 404)

    def test_refuses_an_unknown_parameter(self, client: stripe.StripeClient) -> None:
        with pytest.raises(stripe.InvalidRequestError, match="Received unknown parameter: shoe_size") as caught:
            client.v1.customers.create({"shoe_size": 44})
        assert caught.value.code == "parameter_unknown"

    def test_pages_through_all_of_them_once(self, client: stripe.StripeClient) -> None:
        made = {client.v1.customers.create({"email": "page@b.test"}).id for _ in range(7)}
        listed = client.v1.customers.list({"email": "page@b.test", "limit": 3})
        assert listed.has_more
        seen = [one.id for one in listed.auto_paging_iter()]
        assert len(seen) == 7
        assert set(seen) == made


class TestPrices:
    def test_a_lookup_key_belongs_to_one_price(self, client: stripe.StripeClient) -> None:
        first = monthly_price(client, lookup_key="standard-eur")
        with pytest.raises(stripe.InvalidRequestError, match="already uses that lookup key"):
            monthly_price(client, lookup_key="standard-eur")
        second = monthly_price(client, lookup_key="standard-eur", transfer_lookup_key=True)
        found = client.v1.prices.list({"lookup_keys": ["standard-eur"]}).data
        assert [one.id for one in found] == [second.id]
        assert client.v1.prices.retrieve(first.id).lookup_key is None


class TestPaymentIntents:
    def test_charges_a_good_card_and_keeps_the_fee(self, client: stripe.StripeClient) -> None:
        intent = client.v1.payment_intents.create(
            {"amount": 4900, "currency": "eur", "payment_method": "pm_card_visa", "confirm": True},
        )
        assert intent.status == "succeeded"
        charge = client.v1.charges.retrieve(str(intent.latest_charge), {"expand": ["balance_transaction"]})
        movement = charge.balance_transaction
        assert isinstance(movement, stripe.BalanceTransaction)
        assert (movement.amount, movement.fee, movement.net) == (4900, 99, 4801)  # 1.5 % of 49.00 is 0.735, + 0.25

    @pytest.mark.parametrize(
        ("card", "code", "decline_code"),
        [
            ("pm_card_chargeDeclined", "card_declined", "generic_decline"),
            ("pm_card_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
            ("pm_card_chargeDeclinedExpiredCard", "expired_card", "expired_card"),
        ],
    )
    def test_declines_a_bad_card(self, client: stripe.StripeClient, card: str, code: str, decline_code: str) -> None:
        with pytest.raises(stripe.CardError) as caught:
            client.v1.payment_intents.create(
                {"amount": 4900, "currency": "eur", "payment_method": card, "confirm": True}
            )
        assert (caught.value.http_status, caught.value.code) == (402, code)
        assert caught.value.error is not None
        assert caught.value.error.decline_code == decline_code
        intent = caught.value.error.payment_intent
        charges = client.v1.charges.list({"payment_intent": intent.id}).data
        assert [one.failure_code for one in charges] == [code]

    def test_asks_for_authentication(self, client: stripe.StripeClient) -> None:
        intent = client.v1.payment_intents.create(
            {"amount": 4900, "currency": "eur", "payment_method": "pm_card_authenticationRequired", "confirm": True}
        )
        assert intent.status == "requires_action"


class TestIdempotencyKeys:
    def test_the_same_request_gets_the_same_answer(self, client: stripe.StripeClient) -> None:
        first = client.v1.customers.create({"email": "x@y.test"}, {"idempotency_key": "once"})
        again = client.v1.customers.create({"email": "x@y.test"}, {"idempotency_key": "once"})
        assert again.id == first.id
        assert again.last_response is not None
        assert again.last_response.headers["idempotent-replayed"] == "true"

    def test_a_decline_is_replayed_too(self, client: stripe.StripeClient) -> None:
        order = {"amount": 100, "currency": "eur", "payment_method": "pm_card_chargeDeclined", "confirm": True}
        intents = set()
        for _ in range(2):
            with pytest.raises(stripe.CardError) as caught:
                client.v1.payment_intents.create(order, {"idempotency_key": "declined-once"})
            assert caught.value.error is not None
            intents.add(caught.value.error.payment_intent.id)
        assert len(intents) == 1

    def test_other_parameters_are_refused(self, client: stripe.StripeClient) -> None:
        client.v1.customers.create({"email": "x@y.test"}, {"idempotency_key": "changed"})
        with pytest.raises(stripe.IdempotencyError, match="same parameters they were first used with") as caught:
            client.v1.customers.create({"email": "z@y.test"}, {"idempotency_key": "changed"})
        assert caught.value.http_status == 400

    def test_a_refused_parameter_uses_up_no_key(self, client: stripe.StripeClient) -> None:
        with pytest.raises(stripe.InvalidRequestError):
            client.v1.products.create({}, {"idempotency_key": "forgot-name"})
        assert client.v1.products.create({"name": "A"}, {"idempotency_key": "forgot-name"}).name == "A"

    def test_an_overlapping_request_is_a_conflict(self) -> None:
        with local_stripe(latency_seconds=3) as slow:  # longer than a busy machine needs to send the second
            statuses = []

            def create() -> None:
                headers = {"Authorization": f"Bearer {slow.secret_key}", "Idempotency-Key": "race"}
                statuses.append(httpx.post(f"{slow.url}/v1/customers", headers=headers).status_code)

            threads = [threading.Thread(target=create) for _ in range(2)]
            for thread in threads:
                thread.start()
                time.sleep(0.1)
            for thread in threads:
                thread.join()
            assert sorted(statuses) == [200, 409]
            assert len(slow.store.all("customer")) == 1


class TestSubscriptions:
    def test_is_active_once_its_first_invoice_is_paid(self, client: stripe.StripeClient) -> None:
        made = subscribe(client, expand=["latest_invoice.payments"])
        invoice = made.latest_invoice
        assert isinstance(invoice, stripe.Invoice)
        assert (made.status, invoice.status, invoice.total) == ("active", "paid", 4900)
        assert invoice.payments is not None
        assert [one.status for one in invoice.payments.data] == ["paid"]
        assert invoice.parent is not None
        assert invoice.parent.subscription_details is not None
        assert invoice.parent.subscription_details.subscription == made.id

    def test_a_trial_costs_nothing_yet(self, client: stripe.StripeClient) -> None:
        made = subscribe(client, trial_period_days=14, expand=["latest_invoice"])
        assert made.status == "trialing"
        assert made.trial_end == made.start_date + 14 * 86_400
        assert isinstance(made.latest_invoice, stripe.Invoice)
        assert (made.latest_invoice.total, made.latest_invoice.status) == (0, "paid")

    def test_default_incomplete_waits_for_a_payment(self, client: stripe.StripeClient) -> None:
        made = subscribe(client, payment_behavior="default_incomplete")
        assert made.status == "incomplete"
        client.v1.invoices.pay(str(made.latest_invoice))
        assert client.v1.subscriptions.retrieve(made.id).status == "active"

    def test_error_if_incomplete_leaves_nothing_behind(self, client: stripe.StripeClient) -> None:
        customer = payer(client, "pm_card_chargeCustomerFail")
        price = monthly_price(client)
        with pytest.raises(stripe.CardError):
            client.v1.subscriptions.create(
                {
                    "customer": customer.id,
                    "items": [{"price": price.id}],
                    "payment_behavior": "error_if_incomplete",
                }
            )
        assert client.v1.subscriptions.list({"customer": customer.id, "status": "all"}).data == []

    def test_cancels_at_the_end_of_the_period_and_back(self, client: stripe.StripeClient) -> None:
        made = subscribe(client)
        wanted = client.v1.subscriptions.update(
            made.id, {"cancel_at_period_end": True, "cancellation_details": {"comment": "moving"}}
        )
        assert wanted.cancel_at == wanted.items.data[0].current_period_end
        assert wanted.cancellation_details is not None
        assert wanted.cancellation_details.reason == "cancellation_requested"
        assert client.v1.subscriptions.update(made.id, {"cancel_at_period_end": False}).cancel_at is None

    def test_renews_each_month(self) -> None:
        with local_stripe() as running:
            client = running.client()
            made = subscribe(client)
            running.advance(days=62)
            invoices = client.v1.invoices.list({"subscription": made.id}).data
            assert [one.billing_reason for one in invoices] == ["subscription_cycle"] * 2 + ["subscription_create"]
            assert {one.status for one in invoices} == {"paid"}

    def test_ends_after_the_last_failed_renewal(self) -> None:
        with local_stripe() as running:
            client = running.client()
            made = subscribe(client)
            bad = client.v1.payment_methods.attach("pm_card_chargeCustomerFail", {"customer": str(made.customer)})
            client.v1.subscriptions.update(made.id, {"default_payment_method": bad.id})
            running.advance(days=32)
            assert client.v1.subscriptions.retrieve(made.id).status == "past_due"
            running.advance(days=30)
            ended = client.v1.subscriptions.retrieve(made.id)
            assert ended.status == "canceled"
            assert ended.cancellation_details is not None
            assert ended.cancellation_details.reason == "payment_failed"
            assert client.v1.invoices.retrieve(str(ended.latest_invoice)).attempt_count == 4


class TestRefunds:
    def test_gives_back_no_more_than_was_paid(self, client: stripe.StripeClient) -> None:
        intent = client.v1.payment_intents.create(
            {"amount": 1000, "currency": "usd", "payment_method": "pm_card_visa", "confirm": True}
        )
        client.v1.refunds.create({"payment_intent": intent.id, "amount": 400})
        with pytest.raises(stripe.InvalidRequestError, match="greater than unrefunded amount"):
            client.v1.refunds.create({"payment_intent": intent.id, "amount": 601})
        client.v1.refunds.create({"payment_intent": intent.id})
        with pytest.raises(stripe.InvalidRequestError) as caught:
            client.v1.refunds.create({"payment_intent": intent.id})
        assert caught.value.code == "charge_already_refunded"
        charge = client.v1.charges.retrieve(str(intent.latest_charge), {"expand": ["refunds"]})
        assert charge.refunds is not None
        assert [one.amount for one in charge.refunds.data] == [600, 400]


class TestDisputes:
    @pytest.mark.parametrize(("evidence", "status"), [("winning_evidence", "won"), ("losing_evidence", "lost")])
    def test_evidence_decides(self, shared_stripe: LocalStripe, evidence: str, status: str) -> None:
        client = shared_stripe.client()
        intent = client.v1.payment_intents.create(
            {"amount": 1000, "currency": "usd", "payment_method": "pm_card_visa", "confirm": True}
        )
        opened = shared_stripe.dispute(str(intent.latest_charge))
        assert opened["balance_transactions"][0]["net"] == -2500
        closed = client.v1.disputes.update(opened["id"], {"evidence": {"uncategorized_text": evidence}, "submit": True})
        assert closed.status == status
        assert len(closed.balance_transactions) == (2 if status == "won" else 1)


class TestCheckout:
    def open(self, client: stripe.StripeClient, **given: Any) -> stripe.checkout.Session:
        order: Any = {
            "mode": "subscription",
            "line_items": [{"price": monthly_price(client).id, "quantity": 1}],
            "success_url": "https://plyo.test/return?session_id={CHECKOUT_SESSION_ID}",
            "cancel_url": "https://plyo.test/plans",
            "subscription_data": {"metadata": {"ours": "7"}},
        }
        return client.v1.checkout.sessions.create(order | given)

    def test_a_paid_page_leads_back_with_a_subscription(self, shared_stripe: LocalStripe) -> None:
        client = shared_stripe.client()
        session = self.open(client)
        assert session.url is not None
        page = httpx.get(session.url)
        assert "€49.00" in page.text
        assert "Subscribe to Standard" in page.text
        answer = shared_stripe.pay(session.url)
        assert answer.status_code == 303
        assert answer.headers["location"] == f"https://plyo.test/return?session_id={session.id}"
        done = client.v1.checkout.sessions.retrieve(session.id, {"expand": ["subscription.latest_invoice"]})
        assert (done.status, done.payment_status) == ("complete", "paid")
        assert isinstance(done.subscription, stripe.Subscription)
        assert done.subscription.metadata.to_dict() == {"ours": "7"}
        assert done.subscription.status == "active"
        assert shared_stripe.pay(session.url).headers["location"] == answer.headers["location"]

    def test_a_declined_card_can_be_replaced(self, shared_stripe: LocalStripe) -> None:
        client = shared_stripe.client()
        session = self.open(client)
        assert session.url is not None
        refused = shared_stripe.pay(session.url, "4000000000009995")
        assert refused.status_code == 402
        assert "insufficient funds" in refused.text
        assert shared_stripe.pay(session.url).status_code == 303
        done = client.v1.checkout.sessions.retrieve(session.id, {"expand": ["invoice"]})
        assert isinstance(done.invoice, stripe.Invoice)
        assert done.invoice.attempt_count == 2

    @pytest.mark.parametrize(
        ("field", "value", "message"),
        [
            ("cardNumber", "4242424242424241", "number is incorrect"),
            ("cardExpiry", "01 / 20", "expiration year"),
            ("cardExpiry", "nonsense", "expiration date is incomplete"),
            ("cardCvc", "1", "security code is invalid"),
        ],
    )
    def test_explains_a_mistyped_card(self, shared_stripe: LocalStripe, field: str, value: str, message: str) -> None:
        session = self.open(shared_stripe.client())
        assert session.url is not None
        answer = shared_stripe.pay(session.url, **{field: value})
        assert answer.status_code == 402
        assert message in answer.text.replace("&#39;", "'")

    def test_3d_secure_is_asked_and_can_fail(self, shared_stripe: LocalStripe) -> None:
        session = self.open(shared_stripe.client())
        assert session.url is not None
        assert "is this you?" in shared_stripe.pay(session.url, "4000002500003155").text
        failed = httpx.post(session.url, data={"challenge": "fail"})
        assert failed.status_code == 402
        shared_stripe.pay(session.url, "4000002500003155")
        assert httpx.post(session.url, data={"challenge": "complete"}).status_code == 303

    def test_a_card_authenticated_for_a_trial_can_be_charged_after_it(self) -> None:
        with local_stripe() as running:
            session = self.open(running.client(), subscription_data={"trial_period_days": 7})
            running.pay(str(session.url), "4000002500003155")
            assert httpx.post(str(session.url), data={"challenge": "complete"}).status_code == 303
            running.advance(days=8)
            [subscription] = running.client().v1.subscriptions.list().data
            assert subscription.status == "active"

    def test_one_payment_with_an_invoice(self, shared_stripe: LocalStripe) -> None:
        client = shared_stripe.client()
        product = client.v1.products.create({"name": "Ten sessions"})
        price = client.v1.prices.create({"product": product.id, "unit_amount": 45000, "currency": "vnd"})
        session = self.open(
            client,
            mode="payment",
            line_items=[{"price": price.id, "quantity": 1}],
            invoice_creation={"enabled": True, "invoice_data": {"metadata": {"ours": "8"}}},
            subscription_data={},
        )
        assert session.url is not None
        assert "45,000 ₫" in httpx.get(session.url).text
        shared_stripe.pay(session.url)
        done = client.v1.checkout.sessions.retrieve(session.id, {"expand": ["invoice.payments", "payment_intent"]})
        assert isinstance(done.invoice, stripe.Invoice)
        assert isinstance(done.payment_intent, stripe.PaymentIntent)
        assert (done.invoice.total, done.invoice.status, done.payment_intent.status) == (45000, "paid", "succeeded")

    def test_an_expired_page_takes_no_money(self, shared_stripe: LocalStripe) -> None:
        client = shared_stripe.client()
        session = self.open(client)
        client.v1.checkout.sessions.expire(session.id)
        assert session.url is not None
        assert shared_stripe.pay(session.url).status_code == 410

    def test_an_unknown_page_says_so(self, shared_stripe: LocalStripe) -> None:
        assert httpx.get(f"{shared_stripe.url}/c/pay/cs_test_nothing").status_code == 404


class TestState:
    def test_survives_a_restart(self, tmp_path: Path) -> None:
        file = str(tmp_path / "stripe.sqlite")
        with local_stripe(state=file) as first:
            client = first.client()
            order: Any = {"mode": "subscription", "success_url": "https://plyo.test/"}
            session = client.v1.checkout.sessions.create(
                order | {"line_items": [{"price": monthly_price(client).id, "quantity": 1}]}
            )
            customer = client.v1.customers.create({"email": "a@b.test"}, {"idempotency_key": "k"})
        with local_stripe(state=file) as second:
            assert second.client().v1.customers.retrieve(customer.id).email == "a@b.test"
            replayed = second.client().v1.customers.create({"email": "a@b.test"}, {"idempotency_key": "k"})
            assert replayed.id == customer.id
            assert second.pay(f"{second.url}/c/pay/{session_id(str(session.url))}").status_code == 303


class TestFaults:
    def test_the_sdk_retries_with_one_key_and_one_object_is_made(self) -> None:
        with local_stripe() as running:
            running.fail(500, 503)
            running.client(max_network_retries=3).v1.customers.create({"email": "a@b.test"})
            assert len(running.store.all("customer")) == 1
