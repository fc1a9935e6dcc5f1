"""Commerce over HTTP: JSON, pages, and one whole story with real commits and real webhooks."""

import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import SecretStr
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from contracts.ids import new_id
from operational_api.commerce import handlers, public
from operational_api.commerce.models import Customer, Invoice, LedgerLine, Payment, PlanPrice, Subscription
from operational_api.core.consumers import handle_next
from operational_api.core.models import AuditEntry, InboxMessage, OutboxEvent
from operational_api.core.retries import RetryPolicy
from operational_api.identity.models import Account
from tests.factories import LONG_AGO, make_account, make_pack, make_plan, make_subscription
from tests.fakes.stripe.testing import LocalStripe, free_listener, local_stripe, served
from tests.operational_api.commerce.conftest import Shop, adapter
from tests.operational_api.conftest import SignIn, access_token

HTML = {"Accept": "text/html"}


@pytest.fixture
def mia(session: Session) -> Account:
    return make_account(session, display_name="Mia Maier")


@pytest.fixture
def client(app: FastAPI, sign_in: SignIn, mia: Account, stripe_server: LocalStripe) -> TestClient:
    """Mia's client, on an app that talks to the local Stripe."""
    app.state.payment_provider = adapter(stripe_server)
    return sign_in(mia)


def only_plan(session: Session, **given: Any) -> str:
    """The code of a plan at 49.00 with 19 % tax."""
    plan = make_plan(session, price=None, **given)
    session.add(PlanPrice(plan_id=plan.id, currency="EUR", amount_minor=4900, tax_rate_bp=1900, valid_from=LONG_AGO))
    session.flush()
    return plan.code


def subscribe(client: TestClient, stripe: LocalStripe, code: str) -> str:
    """Through the payment page; the path Stripe sends the browser back to."""
    answer = client.post("/api/commerce/checkout-sessions", json={"plan_code": code})
    assert answer.status_code == 201, answer.text
    back = stripe.pay(answer.json()["url"]).headers["location"]
    assert back.startswith("http://testserver/checkout/return?session_id=cs_test_")
    return str(back.removeprefix("http://testserver"))


class TestPlans:
    def test_lists_what_is_sold_in_the_currency_asked_for(self, api: TestClient, session: Session) -> None:
        make_plan(session, code="eur-only", price=4900)
        make_plan(session, code="usd-only", price=5900, currency="USD")
        make_plan(session, code="retired", price=100, is_active=False)
        found = api.get("/api/commerce/plans", params={"currency": "USD"}).json()["items"]
        assert [(one["code"], one["amount_minor"], one["currency"]) for one in found] == [("usd-only", 5900, "USD")]

    def test_refuses_a_currency_that_is_none(self, api: TestClient) -> None:
        assert api.get("/api/commerce/plans", params={"currency": "euro"}).status_code == 422

    def test_shows_yesterdays_price_to_nobody(self, api: TestClient, session: Session) -> None:
        plan = make_plan(session, price=5900)
        session.add(PlanPrice(plan_id=plan.id, currency="EUR", amount_minor=1, valid_from=LONG_AGO, valid_to=LONG_AGO))
        session.flush()
        assert [one["amount_minor"] for one in api.get("/api/commerce/plans").json()["items"]] == [5900]

    def test_asks_the_database_as_often_for_many_plans_as_for_one(
        self, api: TestClient, session: Session, count_queries: Callable[[], int]
    ) -> None:
        make_plan(session)
        api.get("/api/commerce/plans")
        before = count_queries()
        api.get("/api/commerce/plans")
        one = count_queries() - before
        for _ in range(5):
            make_plan(session)
        before = count_queries()
        api.get("/api/commerce/plans")
        assert count_queries() - before == one


@pytest.fixture
def count_queries(session: Session) -> Iterator[Callable[[], int]]:
    from sqlalchemy import event

    count = [0]
    engine = session.get_bind().engine

    def heard(*_: object) -> None:
        count[0] += 1

    event.listen(engine, "before_cursor_execute", heard)
    yield lambda: count[0]
    event.remove(engine, "before_cursor_execute", heard)


class TestCheckout:
    @pytest.mark.asvs("8.2.1")
    def test_guests_coaches_and_admins_cannot_buy(self, api: TestClient, sign_in: SignIn, session: Session) -> None:
        body = {"plan_code": "x"}
        assert api.post("/api/commerce/checkout-sessions", json=body).status_code == 401
        for role in ("coach", "admin"):
            theirs = sign_in(make_account(session, role=role))
            assert theirs.post("/api/commerce/checkout-sessions", json=body).status_code == 403

    def test_an_unknown_plan_is_a_clear_problem(self, client: TestClient) -> None:
        answer = client.post("/api/commerce/checkout-sessions", json={"plan_code": "platinum"})
        assert (answer.status_code, answer.json()["code"]) == (404, "commerce.plan_not_found")
        assert "See the plans page" in answer.json()["detail"]

    def test_a_way_to_pay_that_is_not_set_up_is_the_buyers_to_change(self, client: TestClient) -> None:
        answer = client.post("/api/commerce/checkout-sessions", json={"plan_code": "platinum", "provider": "momo"})
        assert (answer.status_code, answer.json()["code"]) == (422, "commerce.way_not_offered")

    @pytest.mark.asvs("2.2.1")
    def test_a_nul_character_is_refused_not_a_crash(self, client: TestClient) -> None:
        assert client.post("/api/commerce/checkout-sessions", json={"plan_code": "a\0"}).status_code == 422
        assert client.get("/checkout/return?session_id=%00", headers=HTML).status_code == 422
        assert client.post("/checkout", data={"plan_code": "a\0"}, headers=HTML).status_code == 422

    @pytest.mark.parametrize("was_paid", [False, True])
    def test_a_page_for_a_membership_is_closed_before_one_begins_here(
        self, client: TestClient, session: Session, stripe_server: LocalStripe, mia: Account, was_paid: bool
    ) -> None:
        """Whoever paid a pack by card begins a membership here, with the page for one open in another tab: paid later,
        it would be a second one. Where it was paid, that is the one."""
        client.get(subscribe(client, stripe_server, only_plan(session, kind="pack")), headers=HTML)
        code = only_plan(session)
        page = client.post("/api/commerce/checkout-sessions", json={"plan_code": code}).json()["url"]
        back = stripe_server.pay(page).headers["location"] if was_paid else None
        begun = client.post("/api/commerce/memberships", json={"plan_code": code})
        assert begun.status_code == (409 if was_paid else 201), begun.text
        if back is not None:
            client.get(back.removeprefix("http://testserver"), headers=HTML)
        else:
            assert stripe_server.pay(page).status_code != 303
        [own] = session.scalars(select(Subscription).where(Subscription.customer_id == mia.id))
        assert own.billed_by == ("provider" if was_paid else "plyo")

    def test_a_repeated_post_with_its_key_opens_one_page(
        self, client: TestClient, session: Session, stripe_server: LocalStripe
    ) -> None:
        code, key = only_plan(session, kind="pack"), {"Idempotency-Key": new_id().hex}
        first, again = (
            client.post("/api/commerce/checkout-sessions", json={"plan_code": code}, headers=key) for _ in range(2)
        )
        assert first.json() == again.json()
        assert again.headers["idempotency-replayed"] == "true"

    def test_subscribes_shows_cancels_and_keeps(
        self, client: TestClient, session: Session, stripe_server: LocalStripe
    ) -> None:
        code = only_plan(session)
        assert client.get("/api/commerce/subscription").json()["code"] == "commerce.no_subscription"
        client.get(subscribe(client, stripe_server, code), headers=HTML)
        read = client.get("/api/commerce/subscription").json()
        assert (read["plan_code"], read["status"], read["cancel_at"]) == (code, "active", None)
        again = client.post("/api/commerce/checkout-sessions", json={"plan_code": code})
        assert (again.status_code, again.json()["code"]) == (409, "commerce.already_subscribed")
        ending = client.post("/api/commerce/subscription/cancellation", json={"reason": "Moving away"}).json()
        assert (ending["cancel_at"], ending["cancel_reason"]) == (read["current_period_end"], "Moving away")
        kept = client.delete("/api/commerce/subscription/cancellation").json()
        assert (kept["cancel_at"], kept["cancel_reason"]) == (None, None)
        types = session.scalars(select(OutboxEvent.type).order_by(OutboxEvent.position)).all()
        assert types[-2:] == ["commerce.subscription_cancelled", "commerce.subscription_changed"]

    @pytest.mark.parametrize("reason", ["", "   ", "x" * 501, "a\0b"])
    def test_a_cancellation_needs_a_reason(self, client: TestClient, reason: str) -> None:
        answer = client.post("/api/commerce/subscription/cancellation", json={"reason": reason})
        assert answer.status_code == 422


class TestInvoices:
    @pytest.mark.asvs("8.2.2")
    def test_shows_only_ones_own_page_by_page(
        self, client: TestClient, session: Session, stripe_server: LocalStripe, sign_in: SignIn
    ) -> None:
        code = only_plan(session, kind="pack")
        for _ in range(3):
            client.get(subscribe(client, stripe_server, code), headers=HTML)
        first = client.get("/api/commerce/invoices", params={"limit": 2}).json()
        second = client.get("/api/commerce/invoices", params={"limit": 2, "cursor": first["next_cursor"]}).json()
        assert [len(first["items"]), len(second["items"]), second["next_cursor"]] == [2, 1, None]
        assert len({one["number"] for one in first["items"] + second["items"]}) == 3
        assert {(one["subtotal_minor"], one["tax_minor"], one["total_minor"]) for one in first["items"]} == {
            (4118, 782, 4900)
        }
        assert sign_in(make_account(session)).get("/api/commerce/invoices").json()["items"] == []


class TestRefunds:
    def test_only_admins_give_money_back(
        self, client: TestClient, session: Session, stripe_server: LocalStripe, sign_in: SignIn, mia: Account
    ) -> None:
        client.get(subscribe(client, stripe_server, only_plan(session)), headers=HTML)
        payment = session.scalars(select(Payment).where(Payment.customer_id == mia.id)).one()
        body = {"payment_id": str(payment.id), "amount_minor": 1000, "reason": "Coach was ill"}
        assert client.post("/api/commerce/refunds", json=body).status_code == 403
        admin = sign_in(make_account(session, role="admin"))
        done = admin.post("/api/commerce/refunds", json=body)
        assert (done.status_code, done.json()["status"]) == (201, "succeeded")
        [entry] = session.scalars(select(AuditEntry).where(AuditEntry.object_id == str(payment.id)))
        assert entry.details["reason"] == "Coach was ill"
        too_much = admin.post("/api/commerce/refunds", json=body | {"amount_minor": 3901})
        assert (too_much.status_code, too_much.json()["left_minor"]) == (422, 3900)


class TestPages:
    def test_a_guest_sees_plans_in_each_currency(self, api: TestClient, session: Session) -> None:
        make_plan(session, name="Two a week", price=18900, sessions_included=8)
        make_plan(session, name="Hai buổi", price=4_490_000, currency="VND")
        euros = api.get("/plans", headers=HTML)
        assert euros.status_code == 200
        assert "€189.00" in euros.text
        assert "8 sessions a month" in euros.text
        assert 'href="/signup?next=%2Fplans%3Fcurrency%3DEUR"' in euros.text
        assert "4,490,000 ₫" in api.get("/plans?currency=VND", headers=HTML).text
        assert "€189.00" in api.get("/plans?currency=KWD", headers=HTML).text

    def test_nothing_for_sale_is_said(self, api: TestClient) -> None:
        assert "Nothing for sale right now" in api.get("/plans", headers=HTML).text

    def test_the_way_to_stripe_and_back(self, client: TestClient, session: Session, stripe_server: LocalStripe) -> None:
        code = only_plan(session, name="Two a week")
        away = client.post("/checkout", data={"plan_code": code, "currency": "EUR"}, headers=HTML)
        assert away.status_code == 303
        assert away.headers["location"].startswith(f"{stripe_server.url}/c/pay/cs_test_")
        path = stripe_server.pay(away.headers["location"]).headers["location"].removeprefix("http://testserver")
        for _ in range(2):
            welcome = client.get(path, headers=HTML)
            assert welcome.status_code == 200
            assert "Welcome to Two a week" in welcome.text
            assert "€49.00" in welcome.text
        assert "Your plan" in client.get("/plans", headers=HTML).text
        membership = client.get("/membership", headers=HTML).text
        assert "Next payment" in membership
        assert "€7.82" in membership

    def test_leaving_and_staying(self, client: TestClient, session: Session, stripe_server: LocalStripe) -> None:
        client.get(subscribe(client, stripe_server, only_plan(session)), headers=HTML)
        assert "I am moving away" in client.get("/membership/cancel", headers=HTML).text
        form = {"reason": "I am moving away", "words": "Loved it <3"}
        assert client.post("/membership/cancellation", data=form, headers=HTML).status_code == 303
        ending = client.get("/membership", headers=HTML).text
        assert "Your membership ends on" in ending
        assert "I am moving away: Loved it &lt;3" in ending
        assert client.post("/membership/cancellation/undo", headers=HTML).status_code == 303
        assert "Next payment" in client.get("/membership", headers=HTML).text

    def test_an_unpaid_page_an_unknown_one_and_stripe_being_away(
        self, client: TestClient, session: Session, app: FastAPI, stripe_server: LocalStripe
    ) -> None:
        answer = client.post("/api/commerce/checkout-sessions", json={"plan_code": only_plan(session)})
        found = re.search(r"cs_test_\w+", answer.json()["url"])
        assert found is not None
        open_ = client.get(f"/checkout/return?session_id={found.group()}", headers=HTML)
        assert (open_.status_code, "You have not been charged" in open_.text) == (409, True)
        assert client.get("/checkout/return?session_id=cs_test_x", headers=HTML).status_code == 404
        assert client.get("/checkout/return", headers=HTML).status_code == 404
        stripe_server.fail(503, 503, 503, 503)
        waiting = client.get(f"/checkout/return?session_id={found.group()}", headers=HTML)
        stripe_server.fail()
        assert (waiting.status_code, "Please do not pay a second time" in waiting.text) == (503, True)

    def test_a_member_without_anything_is_led_to_the_plans(self, client: TestClient) -> None:
        assert "No membership yet" in client.get("/membership", headers=HTML).text
        assert client.get("/membership/cancel", headers=HTML).status_code == 404

    @pytest.mark.parametrize("status", ["trialing", "active", "past_due", "paused"])
    def test_every_state_has_its_words(self, client: TestClient, session: Session, mia: Account, status: str) -> None:
        words = {
            "trialing": "Trial",
            "active": "Active",
            "past_due": "did not go through",
            "paused": "none while paused",
        }
        make_subscription(session, customer_id=mia.id, status=status, trial_ends_at=LONG_AGO)
        make_pack(session, customer_id=mia.id, sessions_used=4)
        page = client.get("/membership", headers=HTML).text
        assert words[status] in page
        assert "4 of 10 sessions used" in page


class TestMembershipWithoutProvider:
    """Such as the demo's: nobody bills them, so we end them ourselves."""

    def test_ends_on_its_last_day(self, client: TestClient, session: Session, mia: Account) -> None:
        row = make_subscription(session, customer_id=mia.id)
        assert client.post("/api/commerce/subscription/cancellation", json={"reason": "x"}).status_code == 200
        session.refresh(row)
        assert row.cancel_at is not None
        handlers.advance_memberships(session, LONG_AGO)
        assert row.status == "active"
        handlers.advance_memberships(session, row.cancel_at)
        handlers.advance_memberships(session, row.cancel_at)
        assert (row.status, row.ended_at, row.cancel_kind) == ("cancelled", row.cancel_at, "voluntary")
        told = select(OutboxEvent).where(OutboxEvent.type == "commerce.subscription_cancelled")
        ended = session.scalars(told.order_by(OutboxEvent.position)).all()
        assert [one.payload["ends_now"] for one in ended] == [False, True]


class TestStory:
    """Real commits, a real server, webhooks over real HTTP, the worker's own loop."""

    def test_many_clicks_two_returns_and_all_webhooks_at_once_make_one_membership(
        self, serve_app: Callable[[str], FastAPI], fresh_database: Callable[[], str]
    ) -> None:
        app = serve_app(fresh_database())
        listener = free_listener()
        hook = f"http://127.0.0.1:{listener.getsockname()[1]}/webhooks/stripe"
        with (
            local_stripe(webhook_url=hook, webhook_secret="whsec_story") as stripe,
            served(app, listener) as at,
        ):
            app.state.payment_provider = adapter(stripe)
            app.state.settings.stripe_webhook_secrets = SecretStr("whsec_story")
            with app.state.sessions.begin() as session:
                mia, code = make_account(session), only_plan(session)
            headers = {"Authorization": f"Bearer {access_token(app, mia)}"}
            with httpx.Client(base_url=at.url, headers=headers, timeout=30) as browser:

                def press(_: int) -> str:
                    answer = browser.post("/api/commerce/checkout-sessions", json={"plan_code": code})
                    return str(answer.json()["url"])

                def come_back(_: int) -> int:
                    return browser.get(path, headers=HTML).status_code

                with ThreadPoolExecutor(4) as hands:
                    [url] = set(hands.map(press, range(4)))
                    assert len(stripe.store.all("checkout.session")) == 1
                    path = httpx.URL(stripe.pay(url).headers["location"]).raw_path.decode()
                    returns = hands.map(come_back, range(2))
                    workers = [hands.submit(_work, app, stripe) for _ in range(2)]
                    assert set(returns) == {200}
                    assert stripe.deliverer.settle(20)
                    for worker in workers:
                        worker.result()
                _work(app, stripe)
                assert {one["status"] for one in stripe.deliverer.log} == {200}
                assert browser.get("/api/commerce/subscription").json()["status"] == "active"
            with app.state.sessions() as session:
                for model in (Subscription, Invoice, Payment, Customer):
                    assert session.scalar(select(func.count()).select_from(model)) == 1
                assert session.scalar(select(func.sum(LedgerLine.amount_minor))) == 0
                assert sorted(session.scalars(select(OutboxEvent.type))) == [
                    "commerce.payment_captured",
                    "commerce.subscription_started",
                ]
                assert not session.scalars(select(InboxMessage).where(InboxMessage.last_error.is_not(None))).all()


def _work(app: FastAPI, stripe: LocalStripe) -> None:
    provider = adapter(stripe)
    consumers = {"stripe": lambda session, message: handlers.on_stripe(session, message, provider)}
    deadline = time.monotonic() + 60
    while handle_next(app.state.sessions, consumers, retry=RetryPolicy()):
        assert time.monotonic() < deadline


class TestPublic:
    def test_packs_are_used_in_the_order_they_expire_and_given_back(self, shop: Shop) -> None:
        later = make_pack(shop.session, customer_id=shop.customer_id, sessions_total=1)
        sooner = make_pack(
            shop.session,
            customer_id=shop.customer_id,
            sessions_total=1,
            expires_at=later.expires_at - timedelta(days=1),
        )
        now = sooner.purchased_at
        assert public.use_pack_session(shop.session, shop.customer_id, now) == sooner.id
        assert public.use_pack_session(shop.session, shop.customer_id, now) == later.id
        assert public.use_pack_session(shop.session, shop.customer_id, now) is None
        public.return_pack_session(shop.session, sooner.id)
        public.return_pack_session(shop.session, sooner.id)
        assert public.use_pack_session(shop.session, shop.customer_id, now) == sooner.id
        assert public.use_pack_session(shop.session, shop.customer_id, later.expires_at) is None

    def test_a_plan_is_current_until_it_ends_or_pauses(self, shop: Shop) -> None:
        row = make_subscription(shop.session, customer_id=shop.customer_id)
        assert row.current_period_end is not None
        plan = public.current_plan(shop.session, shop.customer_id)
        assert plan is not None
        assert plan.subscription_id == row.id
        assert public.has_active_plan(shop.session, shop.customer_id, LONG_AGO)
        row.cancel_at = row.current_period_end
        shop.session.flush()
        assert not public.has_active_plan(shop.session, shop.customer_id, row.current_period_end)
        row.status = "paused"
        shop.session.flush()
        assert public.current_plan(shop.session, shop.customer_id) is None
