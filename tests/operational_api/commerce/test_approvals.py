"""Refunds that take two: who asks does not approve, however they ask and in however many parts."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from fastapi import FastAPI
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from operational_api.commerce.models import Payment, Refund, RefundRequest
from operational_api.commerce.service import approvals
from operational_api.commerce.service.approvals import REFUNDS
from operational_api.commerce.settings import RefundSettings
from operational_api.core.models import AuditEntry, OutboxEvent
from operational_api.core.principal import Principal
from tests.factories import make_account
from tests.operational_api.commerce.conftest import Shop
from tests.operational_api.conftest import SignIn

PATH = "/api/commerce/refund-requests"
NOW = datetime.now(UTC)


@pytest.fixture
def payment(app: FastAPI, shop: Shop) -> Payment:
    """49 euros captured; one person alone gives back 10 of them."""
    app.state.payment_provider = shop.provider
    app.state.refund_settings = RefundSettings(alone_up_to={"EUR": 1000})
    shop.buy(shop.plan())
    found: Payment = shop.one(Payment)
    return found


class TestAlone:
    @pytest.mark.asvs("2.3.2")
    def test_ends_at_the_limit_also_in_parts(self, payment: Payment, session: Session, sign_in: SignIn) -> None:
        finance = sign_in(make_account(session, role="finance"))
        body = {"payment_id": str(payment.id), "reason": "Ill"}
        for given in ({}, {"amount_minor": 1001}):
            refused = finance.post("/api/commerce/refunds", json=body | given)
            assert (refused.status_code, refused.json()["code"]) == (409, "commerce.refund_needs_approval")
        assert finance.post("/api/commerce/refunds", json=body | {"amount_minor": 600}).status_code == 201
        again = finance.post("/api/commerce/refunds", json=body | {"amount_minor": 401})
        assert again.json()["code"] == "commerce.refund_needs_approval"
        assert finance.post("/api/commerce/refunds", json=body | {"amount_minor": 400}).status_code == 201

    def test_is_never_enough_in_a_currency_without_a_limit(
        self, app: FastAPI, payment: Payment, session: Session, sign_in: SignIn
    ) -> None:
        app.state.refund_settings = RefundSettings(alone_up_to={})
        body = {"payment_id": str(payment.id), "amount_minor": 1, "reason": "Ill"}
        refused = sign_in(make_account(session, role="admin")).post("/api/commerce/refunds", json=body)
        assert refused.json()["code"] == "commerce.refund_needs_approval"

    def test_one_that_died_is_found_by_its_key_also_when_stripe_told_of_it_first(
        self, payment: Payment, shop: Shop, sign_in: SignIn
    ) -> None:
        finance = sign_in(make_account(shop.session, role="finance"))

        def ask(key: str) -> int:
            body = {"payment_id": str(payment.id), "amount_minor": 300, "reason": "Ill"}
            return finance.post("/api/commerce/refunds", json=body, headers={"Idempotency-Key": key}).status_code

        with shop.session.begin_nested() as died:
            assert ask("one") == 201
            died.rollback()
        shop.session.expire_all()
        shop.deliver(shop.events("refund.created")[-1:])
        assert [one.amount_minor for one in shop.all(Refund)] == [300]
        assert ask("one") == 201
        assert [one.amount_minor for one in shop.all(Refund)] == [300]
        assert ask("two") == 201, "who asks by another key means another one"
        at_stripe = [
            one["amount"] for one in shop.stripe.store.all("refund")
            if one["payment_intent"] == payment.provider_payment_id
        ]  # fmt: skip
        assert at_stripe == [one.amount_minor for one in shop.all(Refund)] == [300, 300]


class TestByTwo:
    def test_who_asks_does_not_approve(self, payment: Payment, session: Session, sign_in: SignIn) -> None:
        asks, approves = (sign_in(make_account(session, role="finance")) for _ in range(2))
        body = {"payment_id": str(payment.id), "reason": "Moved away"}
        asked = asks.post(PATH, json=body)
        assert (asked.status_code, asked.json()["amount_minor"]) == (201, payment.amount_minor)
        assert asks.post(PATH, json=body).json()["code"] == "commerce.refund_asked_already"
        path = f"{PATH}/{asked.json()['id']}/approval"
        own = asks.post(path)
        assert (own.status_code, own.json()["code"]) == (403, "commerce.own_refund_request")
        assert session.scalars(select(Refund).where(Refund.payment_id == payment.id)).all() == []
        done = approves.post(path)
        assert (done.status_code, done.json()["status"]) == (200, "approved")
        [refund] = session.scalars(select(Refund).where(Refund.payment_id == payment.id))
        assert (str(refund.id), refund.status) == (done.json()["refund_id"], "succeeded")
        assert approves.post(path).json()["code"] == "commerce.refund_request_closed"
        with pytest.raises(IntegrityError, match="not_by_who_asked"), session.begin_nested():
            session.execute(text("update commerce.refund_requests set decided_by = requested_by"))
        published = select(OutboxEvent.type).where(OutboxEvent.aggregate_id == payment.id)
        types = session.scalars(published.order_by(OutboxEvent.position)).all()
        assert types[-3:] == ["commerce.refund_requested", "commerce.payment_refunded", "commerce.refund_decided"]

    def test_support_asks_and_does_not_decide(self, payment: Payment, session: Session, sign_in: SignIn) -> None:
        support = sign_in(make_account(session, role="support"))
        asked = support.post(PATH, json={"payment_id": str(payment.id), "amount_minor": 500, "reason": "Ill"}).json()
        for what in ("approval", "refusal"):
            assert support.post(f"{PATH}/{asked['id']}/{what}").status_code == 403
        assert [one["id"] for one in support.get(PATH).json()["items"]] == [asked["id"]]
        declined = sign_in(make_account(session, role="admin")).post(f"{PATH}/{asked['id']}/refusal").json()
        assert declined["status"] == "declined"
        assert support.get(PATH, params={"status": "requested"}).json()["items"] == []

    def test_who_asks_neither_refuses_nor_is_taken_back_for(
        self, payment: Payment, session: Session, sign_in: SignIn
    ) -> None:
        asks, other = (sign_in(make_account(session, role="finance")) for _ in range(2))
        path = f"{PATH}/{asks.post(PATH, json={'payment_id': str(payment.id), 'reason': 'Ill'}).json()['id']}"
        assert asks.post(f"{path}/refusal").json()["code"] == "commerce.own_refund_request"
        assert other.post(f"{path}/withdrawal").json()["code"] == "core.not_your_request"
        back = asks.post(f"{path}/withdrawal")
        assert (back.status_code, back.json()["status"]) == (200, "withdrawn")
        for closed in ("withdrawal", "approval", "refusal"):
            answer = (asks if closed == "withdrawal" else other).post(f"{path}/{closed}")
            assert answer.json()["code"] == "commerce.refund_request_closed"

    def test_is_nobodys_decision_once_its_time_is_over(
        self, payment: Payment, session: Session, sign_in: SignIn
    ) -> None:
        asked = sign_in(make_account(session, role="support")).post(
            PATH, json={"payment_id": str(payment.id), "reason": "Ill"}
        )
        row = session.get_one(RefundRequest, UUID(asked.json()["id"]))
        REFUNDS.expire(session, row.expires_at - timedelta(seconds=1))
        assert row.status == "requested"
        REFUNDS.expire(session, row.expires_at)
        assert (row.status, row.decided_by) == ("expired", None)
        told = session.scalars(select(OutboxEvent).where(OutboxEvent.type == "commerce.refund_decided")).one()
        assert (told.payload["decision"], told.payload["decided_by"]) == ("expired", None)

    def test_is_in_the_audit_log_with_what_was_said(self, payment: Payment, session: Session, sign_in: SignIn) -> None:
        asks, decides = (make_account(session, role=role) for role in ("support", "finance"))
        asked = sign_in(asks).post(PATH, json={"payment_id": str(payment.id), "reason": "Ill"}).json()
        sign_in(decides).post(f"{PATH}/{asked['id']}/refusal", json={"reason": "Used it all"})
        entries = session.scalars(
            select(AuditEntry).where(AuditEntry.object_id == asked["id"]).order_by(AuditEntry.sequence)
        ).all()
        assert [(one.action, one.actor_id, one.details["decision"], one.details["reason"]) for one in entries] == [
            ("commerce.request_refund", asks.id, "requested", "Ill"),
            ("commerce.approve_refund", decides.id, "declined", "Used it all"),
        ]

    def test_what_was_asked_too_long_ago_is_asked_again(
        self, payment: Payment, session: Session, sign_in: SignIn
    ) -> None:
        asks, approves = (sign_in(make_account(session, role="admin")) for _ in range(2))
        body = {"payment_id": str(payment.id), "amount_minor": 500, "reason": "Ill"}
        stale = asks.post(PATH, json=body).json()
        session.execute(text("update commerce.refund_requests set expires_at = now() - interval '1 hour'"))
        session.expire_all()
        assert approves.post(f"{PATH}/{stale['id']}/approval").json()["code"] == "commerce.refund_request_closed"
        assert asks.post(PATH, json=body).status_code == 201

    def test_an_approval_that_died_is_approved_again_for_one_refund(self, payment: Payment, shop: Shop) -> None:
        """Stripe gave the money back and told so before the second try: nobody gets it twice."""
        asks, approves = (
            Principal("finance", "staff", make_account(shop.session, role="finance").id) for _ in range(2)
        )
        asked = approvals.request_refund(
            shop.session, payment_id=payment.id, amount_minor=1500, reason="Ill", principal=asks, now=NOW
        )

        def approve() -> None:
            approvals.approve(shop.session, shop.provider, request_id=asked.id, principal=approves, now=NOW)

        with shop.session.begin_nested() as died:
            approve()
            died.rollback()
        shop.session.expire_all()
        shop.deliver(
            one for one in shop.events("refund.created")
            if one["data"]["object"]["payment_intent"] == payment.provider_payment_id
        )  # fmt: skip
        assert [one.amount_minor for one in shop.all(Refund)] == [1500]
        approve()
        [refund] = shop.all(Refund)
        assert (asked.status, asked.refund_id, refund.amount_minor) == ("approved", refund.id, 1500)
        at_stripe = [
            one["amount"] for one in shop.stripe.store.all("refund")
            if one["payment_intent"] == payment.provider_payment_id
        ]  # fmt: skip
        assert at_stripe == [1500]
