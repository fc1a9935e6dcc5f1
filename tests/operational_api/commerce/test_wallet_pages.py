"""Wallets as their owners and the desk see them: pages, the API, and what an invoice says of them."""

from datetime import UTC, datetime, timedelta

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from contracts.ids import new_id
from operational_api.commerce.billing.service import collection, memberships, papers
from operational_api.commerce.models import Customer, Invoice, WalletCredit
from operational_api.core.models import AuditEntry
from operational_api.identity.models import Account
from tests.factories import make_account, make_plan
from tests.fakes.stripe.testing import LocalStripe
from tests.operational_api.commerce.billing.conftest import Bank
from tests.operational_api.commerce.conftest import adapter
from tests.operational_api.conftest import SignIn

HTML = {"Accept": "text/html"}


@pytest.fixture
def mia(session: Session) -> Account:
    account = make_account(session, display_name="Mia Maier")
    session.add(Customer(id=account.id, currency="EUR", stripe_customer_id=f"cus_{account.id.hex}"))
    session.flush()
    return account


@pytest.fixture
def client(app: FastAPI, sign_in: SignIn, mia: Account, stripe_server: LocalStripe) -> TestClient:
    app.state.payment_provider = adapter(stripe_server)
    return sign_in(mia)


@pytest.fixture
def desk(proved: SignIn, session: Session) -> TestClient:
    return proved(make_account(session, role="front_desk", display_name="Finn"))


def gift(desk: TestClient, who: Account, amount: str, **given: str) -> int:
    """What the desk's form answers."""
    form = {"amount": amount, "reason": "Sorry for the cold shower"} | given
    return desk.post(f"/staff/people/{who.id}/gifts", data=form, headers=HTML, follow_redirects=False).status_code


def test_one_that_was_never_used_says_what_it_is_for(client: TestClient, session: Session) -> None:
    page = client.get("/wallet", headers=HTML).text
    assert "Nothing in your wallet yet" in page
    assert "Top up" not in page
    make_plan(session, kind="top_up", price=5000, interval_months=None, name="Top-up of 50")
    page = client.get("/wallet", headers=HTML).text
    assert "Pay in €50.00" in page
    assert "Top-up of 50" not in client.get("/plans", headers=HTML).text


def test_a_gift_of_the_desk_pays_an_invoice_and_each_page_says_so(
    client: TestClient, desk: TestClient, mia: Account, session: Session
) -> None:
    until = (datetime.now(UTC) + timedelta(days=20)).date()
    assert gift(desk, mia, "20.50", last_on=until.isoformat()) == 303
    [credit] = session.scalars(select(WalletCredit))
    assert credit.expires_at is not None
    assert credit.expires_at.date() - until in (timedelta(0), timedelta(days=1))
    plan = make_plan(session, price=4900)
    now = datetime.now(UTC)
    memberships.start_membership(session, customer_id=mia.id, plan_code=plan.code, now=now)
    collection.collect_due(session, Bank(), now)
    [invoice] = session.scalars(select(Invoice))
    told = client.get(f"/api/commerce/customers/{mia.id}/wallet").json()
    assert [(one["kind"], one["amount_minor"]) for one in told["items"]] == [("spent", -2050), ("given", 2050)]
    assert told["balances"] == [
        {"currency": "EUR", "spendable_minor": 0, "gift_minor": 0, "held_minor": 0, "next_expiry_at": None}
    ]
    page = client.get("/wallet", headers=HTML).text
    assert "Sorry for the cold shower" in page
    assert invoice.number in page
    assert client.get(f"/api/commerce/invoices/{invoice.id}").json()["wallet_minor"] == 2050
    assert "From the wallet" in client.get(f"/invoices/{invoice.id}", headers=HTML).text
    assert "You can spend" in client.get("/membership", headers=HTML).text
    assert "Sorry for the cold shower" in desk.get(f"/staff/people/{mia.id}", headers=HTML).text
    entry = session.scalars(select(AuditEntry).where(AuditEntry.action == "commerce.give_credit")).one()
    assert entry.subject_id == mia.id


def test_the_file_of_an_invoice_says_what_the_wallet_paid(desk: TestClient, mia: Account, session: Session) -> None:
    gift(desk, mia, "20.50")
    plan, now = make_plan(session, price=4900), datetime.now(UTC)
    memberships.start_membership(session, customer_id=mia.id, plan_code=plan.code, now=now)
    collection.collect_due(session, Bank(), now)
    [(_, document)] = papers.of_person(session, mia.id)
    assert document.facts[1:] == [("From wallet", "€20.50"), ("By card", "€28.50")]


@pytest.mark.parametrize(("amount", "status"), [("0", 422), ("200.01", 422), ("5", 303), ("five", 422)])
def test_the_desk_has_bounds(desk: TestClient, mia: Account, amount: str, status: int) -> None:
    assert gift(desk, mia, amount) == status


def test_nobody_gives_to_who_is_not_there_or_to_themselves(
    client: TestClient, desk: TestClient, mia: Account, session: Session
) -> None:
    body = {"amount_minor": 100, "reason": "x"}
    assert desk.post(f"/api/commerce/customers/{new_id()}/wallet/gifts", json=body).status_code == 404
    assert client.post(f"/api/commerce/customers/{mia.id}/wallet/gifts", json=body).status_code == 403
    mia.disabled_at = datetime.now(UTC)
    session.flush()
    assert desk.post(f"/api/commerce/customers/{mia.id}/wallet/gifts", json=body).status_code == 404
    assert session.scalars(select(WalletCredit)).all() == []


def test_a_repeated_gift_with_its_key_is_one(desk: TestClient, mia: Account, session: Session) -> None:
    key = {"Idempotency-Key": new_id().hex}
    for _ in range(2):
        answer = desk.post(
            f"/api/commerce/customers/{mia.id}/wallet/gifts", json={"amount_minor": 100, "reason": "x"}, headers=key
        )
        assert answer.status_code == 201, answer.text
    assert len(session.scalars(select(WalletCredit)).all()) == 1
