"""Webhooks as admins see them: over HTTP, and on pages without JavaScript."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from contracts.ids import new_id
from operational_api.core.models import AuditEntry, IdempotencyKey
from operational_api.core.principal import Principal
from operational_api.integrations.outgoing.models import WebhookDelivery, WebhookEndpoint, WebhookSecret
from operational_api.integrations.outgoing.sender import WebhookSender
from tests.browser import Browser
from tests.factories import make_account, make_login_session
from tests.operational_api.conftest import SignIn
from tests.operational_api.integrations.outgoing.conftest import LOCAL, PAID, Clock, Listener, Pay, drain

API = "/api/integrations/webhook-endpoints"


@pytest.fixture
def admin(app: FastAPI, session: Session, sign_in: SignIn) -> TestClient:
    app.state.integration_settings = LOCAL
    return sign_in(make_account(session, role="admin"))


@pytest.fixture
def browser(app: FastAPI, session: Session) -> Browser:
    app.state.integration_settings = LOCAL
    account = make_account(session, role="admin")
    login = make_login_session(session, account)
    who = Principal("admin", "plyo-app", account.id, session_id=login.id, display_name=account.display_name)
    app.state.authenticators = [lambda _: who]
    found = Browser(app)
    found.get("/staff")
    return found


class TestApi:
    def test_shows_a_secret_once_and_keeps_it_nowhere_in_the_clear(
        self, admin: TestClient, session: Session, listener: Listener
    ) -> None:
        made = admin.post(API, json={"url": listener.url, "kinds": [PAID]}, headers={"Idempotency-Key": "a"})
        assert made.status_code == 201
        assert "secret" not in made.text
        place = f"{API}/{made.json()['id']}"
        told = admin.post(f"{place}/secret", headers={"Idempotency-Key": "b"}).json()["secret"]
        assert re.fullmatch(r"whsec_[A-Za-z0-9+/]{43}=", told)
        again = admin.post(f"{place}/secret", headers={"Idempotency-Key": "b"})
        assert (again.status_code, again.json()["code"]) == (409, "integrations.secret_shown")
        assert told.encode() not in session.scalars(select(WebhookSecret.sealed)).one()
        assert not any(told in (body or "") for body in session.scalars(select(IdempotencyKey.body)))
        assert admin.post(f"{place}/rotation").status_code == 200
        assert admin.post(f"{place}/secret").json()["secret"] != told

    @pytest.mark.asvs("1.3.6", "13.2.4")
    def test_refuses_addresses_that_are_not_on_the_internet(self, admin: TestClient) -> None:
        inside = (
            "http://example.test/", "https://10.0.0.1/", "https://[::1]/", "https://[::ffff:10.0.0.1]/",
            "https://169.254.169.254/latest", "https://0x0a000001/", "https://user:pass@1.1.1.1/", "ftp://1.1.1.1/",
            "file:///etc/passwd", "https://localhost.invalid/", "https://[64:ff9b::10.0.0.1]/",
        )  # fmt: skip
        answers = {url: admin.post(API, json={"url": url, "kinds": [PAID]}) for url in inside}
        assert {one.status_code for one in answers.values()} == {422}
        assert {one.json()["code"] for one in answers.values()} == {"integrations.address_not_allowed"}

    def test_refuses_what_is_not_in_the_catalogue(self, admin: TestClient, listener: Listener) -> None:
        refused = admin.post(API, json={"url": listener.url, "kinds": ["training.injury_reported"]})
        assert (refused.status_code, refused.json()["code"]) == (422, "integrations.no_kinds")

    def test_tells_deliveries_by_state_with_their_tries(
        self, admin: TestClient, session: Session, endpoint: WebhookEndpoint, listener: Listener, clock: Clock,
        pay: Pay, sender: WebhookSender,
    ) -> None:  # fmt: skip
        mia = new_id()
        pay(mia, 1), pay(mia, 2)
        listener.status, listener.answer = lambda _: 503, b"busy"
        drain(sender)
        place = f"{API}/{endpoint.id}"
        waiting = admin.get(f"{place}/deliveries", params={"state": "waiting", "person_id": str(mia)}).json()["items"]
        assert [one["attempts"] for one in waiting] == [0, 1]
        assert admin.get(f"{place}/deliveries", params={"state": "failed"}).json()["items"] == []
        detail = admin.get(f"/api/integrations/webhook-deliveries/{waiting[1]['id']}").json()
        assert [(one["status"], one["response_head"]) for one in detail["tries"]] == [(503, "busy")]
        seen = session.scalars(select(AuditEntry).where(AuditEntry.action == "integrations.read_webhooks")).all()
        assert [one.subject_id for one in seen] == [mia]
        listener.status = lambda _: 204
        admin.post(f"/api/integrations/webhook-deliveries/{waiting[1]['id']}/replay")
        clock.now = datetime.now(UTC) + timedelta(seconds=7)
        drain(sender)
        assert [one.data["amount_minor"] for one in listener.taken] == [1, 2]
        admin.post(f"/api/integrations/webhook-deliveries/{waiting[1]['id']}/replay")
        clock.now = datetime.now(UTC)
        drain(sender)
        assert listener.heard[-1].headers["webhook-id"] == waiting[1]["event_id"], "the same id, so it can be deduped"

    def test_sends_a_test_at_once(
        self, admin: TestClient, endpoint: WebhookEndpoint, listener: Listener, sender: WebhookSender, clock: Clock
    ) -> None:
        assert admin.post(f"{API}/{endpoint.id}/test").status_code == 202
        clock.now = datetime.now(UTC)
        drain(sender)
        assert listener.taken[0].data == {"message": "Hello from Plyo"}
        admin.post(f"{API}/{endpoint.id}/pause")
        assert admin.post(f"{API}/{endpoint.id}/test").json()["code"] == "integrations.endpoint_disabled"

    def test_replays_a_span_in_order_also_what_was_never_sent(
        self, admin: TestClient, session: Session, endpoint: WebhookEndpoint, listener: Listener, clock: Clock,
        pay: Pay, sender: WebhookSender,
    ) -> None:  # fmt: skip
        began, mia = clock(), new_id()
        for amount in range(6):
            clock.forward(minutes=1)
            pay(mia, amount)
        session.execute(delete(WebhookDelivery).where(WebhookDelivery.occurred_at > clock() - timedelta(minutes=2)))
        drain(sender)
        assert len(listener.taken) == 4
        span = {
            "from_at": (began + timedelta(minutes=2)).isoformat(), "until_at": (began + timedelta(hours=1)).isoformat()
        }  # fmt: skip
        assert admin.post(f"{API}/{endpoint.id}/replays", json=span).status_code == 202
        refused = admin.post(f"{API}/{endpoint.id}/replays", json=span)
        assert refused.json()["code"] == "integrations.replay_under_way"
        drain(sender)
        assert [one.data["amount_minor"] for one in listener.taken[4:]] == [1, 2, 3, 4, 5]
        [told] = admin.get(f"{API}/{endpoint.id}/replays").json()["items"]
        assert (told["is_read"], told["found"], told["delivered"]) == (True, 5, 5)

    def test_refuses_a_span_that_ends_before_it_begins(self, admin: TestClient, endpoint: WebhookEndpoint) -> None:
        now = datetime.now(UTC)
        span = {"from_at": now.isoformat(), "until_at": (now - timedelta(days=1)).isoformat()}
        assert admin.post(f"{API}/{endpoint.id}/replays", json=span).json()["code"] == "integrations.no_such_span"

    def test_ends_an_endpoint_with_what_it_left(
        self, admin: TestClient, session: Session, endpoint: WebhookEndpoint, pay: Pay
    ) -> None:
        pay()
        assert admin.delete(f"{API}/{endpoint.id}").status_code == 204
        assert session.scalars(select(WebhookDelivery)).all() == []
        assert admin.get(f"{API}/{endpoint.id}/deliveries").status_code == 404


class TestPages:
    def test_lose_nothing_that_was_typed(self, browser: Browser) -> None:
        typed = {"url": "https://10.0.0.1/x", "label": "My Books", "kinds": PAID}
        refused = browser.submit("/staff/webhooks", typed)
        assert refused.status_code == 422
        assert "Give an https address" in refused.text
        assert 'value="https://10.0.0.1/x"' in refused.text
        assert 'value="My Books"' in refused.text
        assert f'value="{PAID}" checked' in refused.text

    def test_lead_from_adding_an_endpoint_to_its_secret_and_a_test(
        self, browser: Browser, listener: Listener, sender: WebhookSender, clock: Clock
    ) -> None:
        page = browser.submit("/staff/webhooks", {"url": listener.url, "label": "Books", "kinds": PAID})
        place = str(page.url).removeprefix("http://testserver")
        shown = browser.submit(f"{place}/secret")
        assert "whsec_" in shown.text
        assert "whsec_" not in browser.get(place).text
        assert "was shown already" in browser.submit(f"{place}/secret").text
        browser.submit(f"{place}/test")
        clock.now = datetime.now(UTC)
        drain(sender)
        assert "Delivered" in browser.get(place).text
        assert "Resume" in browser.submit(f"{place}/pause").text
        assert "Saved." in browser.submit(place, {"url": listener.url, "label": "Ledger", "kinds": PAID}).text
        assert "Ledger" in browser.get("/staff/webhooks").text
        assert "Nobody listens yet" in browser.submit(f"{place}/remove").text

    def test_show_one_delivery_and_how_far_a_replay_is(
        self, browser: Browser, session: Session, endpoint: WebhookEndpoint, listener: Listener, clock: Clock, pay: Pay,
        sender: WebhookSender,
    ) -> None:  # fmt: skip
        listener.status, listener.answer = lambda _: 500, b"<script>no</script>"
        event = pay(amount=4900)
        drain(sender)
        row = session.scalars(select(WebhookDelivery)).one()
        page = browser.get(f"/staff/webhooks/deliveries/{row.id}")
        assert str(event.payment_id) in page.text
        assert "It answered 500" in page.text
        assert "<script>no" not in page.text
        listener.status = lambda _: 204
        assert "On its way again" in browser.submit(f"/staff/webhooks/deliveries/{row.id}/replay").text
        clock.now = datetime.now(UTC)
        drain(sender)
        span = {"from_at": "2020-01-01T00:00", "until_at": "2020-01-01T00:00"}
        assert "has to be after" in browser.submit(f"/staff/webhooks/{endpoint.id}/replays", span).text
        span = {"from_at": f"{clock():%Y-%m-%d}T00:00", "until_at": f"{clock() + timedelta(days=1):%Y-%m-%d}T23:59"}
        assert "Looking through" in browser.submit(f"/staff/webhooks/{endpoint.id}/replays", span).text
        drain(sender)
        assert "1 of 1 delivered" in browser.get(f"/staff/webhooks/{endpoint.id}").text
