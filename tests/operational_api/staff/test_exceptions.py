"""What of billing waits for a person, on a page of the staff: seen and settled by finance, decided by admins."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from contracts.ids import new_id
from operational_api.commerce.billing.models import BillingItem, ParkedInvoice
from operational_api.commerce.billing.service import memberships
from operational_api.commerce.models import Customer, Invoice, Payment, PlanPrice, Refund, WalletCredit
from operational_api.commerce.service import wallets
from tests.factories import LONG_AGO, make_account, make_plan
from tests.operational_api.staff.conftest import As, words

HOME, API = "/staff/exceptions", "/api/commerce/exceptions"


@pytest.fixture
def mia(session: Session) -> UUID:
    """She owes a fee of some cents that no invoice will have, and her membership was priced by a slip of the pen."""
    account, now = make_account(session, display_name="Mia Maier"), datetime.now(UTC)
    session.add(Customer(id=account.id, currency="EUR"))
    session.flush()
    plan = make_plan(session, price=None, name="Unlimited")
    session.add(PlanPrice(plan_id=plan.id, currency="EUR", amount_minor=900_000, tax_rate_bp=0, valid_from=LONG_AGO))
    session.flush()
    memberships.start_membership(session, customer_id=account.id, plan_code=plan.code, now=now)
    fee = new_id()
    session.add(BillingItem(
        id=fee, origin_id=fee, customer_id=account.id, payer_id=make_payer(session), kind="fee",
        description="Late cancellation", amount_minor=40, tax_minor=0, tax_rate_bp=0, currency="EUR",
        made_at=now - timedelta(days=3),
    ))  # fmt: skip
    session.flush()
    return account.id


def make_payer(session: Session) -> UUID:
    account = make_account(session, display_name="Rita Maier")
    session.add(Customer(id=account.id, currency="EUR"))
    session.flush()
    return account.id


def test_are_settled_by_finance_and_waited_for_again(session: Session, mia: UUID, signed_in: As) -> None:
    finance = signed_in(make_account(session, role="finance"))
    page = words(finance.get(HOME).text)
    assert "€0.40 To charge Too small for a card, and nothing else is charged to them. From Rita Maier" in page
    assert "€9,000.00 Not charged More than is charged without somebody looking." in page
    assert "Waits for an admin." in page
    [item] = session.scalars(select(BillingItem.id).where(BillingItem.kind == "fee"))
    post = f"{HOME}/items/{item}"
    assert "Say why" in words(finance.submit(post, {"decision": "waived", "reason": " "}).text)
    said = words(finance.submit(post, {"decision": "waived", "reason": "Cents"}).text)
    assert "Waived: it is not charged." in said
    assert "To charge" not in said
    assert "does not wait for anybody" in words(finance.submit(post, {"decision": "waived", "reason": "x"}).text)
    assert "To charge" in words(finance.submit(post, {"decision": "undo"}).text)
    [parked] = session.scalars(select(ParkedInvoice.id))
    decided = finance.submit(f"{HOME}/invoices/{parked}", {"decision": "void", "reason": "Mine"})
    assert decided.status_code == 403


@pytest.mark.parametrize(("decision", "told", "made"), [
    ("approve", "The invoice is made.", [900_000]), ("void", "Voided: nothing of it is charged.", []),
])  # fmt: skip
def test_of_invoices_are_decided_by_an_admin_once(
    session: Session, mia: UUID, signed_in: As, decision: str, told: str, made: list[int]
) -> None:
    admin = signed_in(make_account(session, role="admin"))
    [parked] = session.scalars(select(ParkedInvoice.id))
    form = {"decision": decision, "reason": "Seen", "total_minor": "900000"}
    post = f"{HOME}/invoices/{parked}"
    assert "Look again" in words(admin.submit(post, form | {"decision": "approve", "total_minor": "1"}).text)
    assert told in words(admin.submit(post, form).text)
    assert "has decided" in words(admin.submit(post, form).text)
    assert session.scalars(select(Invoice.total_minor)).all() == made


def test_of_customers_end_when_an_admin_releases_them(session: Session, mia: UUID, signed_in: As) -> None:
    session.execute(
        update(Customer).where(Customer.id == mia).values(parked_at=datetime.now(UTC), parked_reason="books")
    )
    admin = signed_in(make_account(session, role="admin"))
    assert "Mia Maier Nothing is charged The ledger and the open invoices disagree." in words(admin.get(HOME).text)
    assert "Billing goes on." in words(admin.submit(f"{HOME}/customers/{mia}", {"reason": "A slip"}).text)
    assert "goes on already" in words(admin.submit(f"{HOME}/customers/{mia}", {"reason": "A slip"}).text)


def test_are_nobody_elses_and_on_the_desk_of_who_sees_them(session: Session, mia: UUID, signed_in: As) -> None:
    assert HOME in signed_in(make_account(session, role="finance")).get("/staff").text
    desk = signed_in(make_account(session, role="support"))
    assert desk.get(HOME).status_code == 403
    assert HOME not in desk.get("/staff").text


def kept_of_who_left(session: Session) -> WalletCredit:
    """What a bank did not take back of a top-up, of somebody who closed their account."""
    account, now = make_account(session, display_name="Lea Adler", disabled_at=datetime.now(UTC)), datetime.now(UTC)
    session.add(Customer(id=account.id, currency="EUR"))
    session.flush()
    invoice = Invoice(
        number="T-1", customer_id=account.id, status="paid", currency="EUR", subtotal_minor=6000, tax_minor=0,
        total_minor=6000, issued_at=now, due_at=now,
    )  # fmt: skip
    session.add(invoice)
    session.flush()
    payment = Payment(
        invoice_id=invoice.id, customer_id=account.id, provider="stripe", status="captured", amount_minor=6000,
        currency="EUR", provider_payment_id="pi_kept", attempted_at=now, captured_at=now,
    )  # fmt: skip
    session.add(payment)
    session.flush()
    wallets.top_up(session, customer_id=account.id, invoice=invoice, now=now)
    session.add(Refund(
        payment_id=payment.id, customer_id=account.id, amount_minor=6000, currency="EUR", reason="", status="failed",
        refunded_at=now,
    ))  # fmt: skip
    session.flush()
    return session.scalars(select(WalletCredit).where(WalletCredit.customer_id == account.id)).one()


def test_are_the_same_on_the_page_and_in_the_api(session: Session, mia: UUID, signed_in: As) -> None:
    kept, stopped = kept_of_who_left(session), make_payer(session)
    session.execute(
        update(Customer).where(Customer.id == stopped).values(parked_at=datetime.now(UTC), parked_reason="books")
    )
    admin = signed_in(make_account(session, role="admin"))

    def listed(**asked: object) -> list[dict[str, Any]]:
        """All pages of a list, a thing at a time."""
        found, cursor = [], None
        while True:
            page = admin.get(API, params={"limit": 1, **asked} | ({"cursor": cursor} if cursor else {})).json()
            found += page["items"]
            if (cursor := page["next_cursor"]) is None:
                return found

    def ask(method: str, path: str, json: Any = None, headers: Mapping[str, str] | None = None) -> Any:
        said = {"Accept": "application/json", "X-CSRF-Token": admin.csrf_token} | dict(headers or {})
        return admin.request(method, path, json=json, headers=said)

    def on_page() -> set[tuple[str, str]]:
        """What waits, with what its buttons say."""
        page = admin.get(HOME).text
        cases = re.findall(
            r'<article class="card case" aria-labelledby="[icw]-([^"]+)">(.*?)</article>', page, re.DOTALL
        )
        return {
            (id_, way)
            for id_, said in cases
            for way in re.findall(r'name="decision" value="(\w+)"', said) or ["release"]
        }

    everything = listed()
    assert [one["since"] for one in everything] == sorted(one["since"] for one in everything)
    assert {one["kind"] for one in everything} == {"charge", "top_up", "invoice", "customer"}
    assert {(one["id"], way) for one in everything for way in one["ways"]} == on_page()
    for one in everything:
        assert one in listed(kind=one["kind"])
    assert listed(kind="credit") == []
    assert "€60.00 To give back The bank or the provider has refused to take it back." in words(admin.get(HOME).text)
    [charge] = listed(kind="charge")
    for item, how in ((charge["id"], "waived"), (str(kept.id), "written_off")):
        path, body = f"{API}/items/{item}/settlement", {"how": how, "reason": "Cents"}
        key = {"Idempotency-Key": f"settled-{item}"}
        first = ask("POST", path, json=body, headers=key)
        assert (first.status_code, first.json()["settled_as"]) == (201, how)
        assert ask("POST", path, json=body, headers=key).json() == first.json()
        assert ask("POST", path, json=body).status_code == 409
    assert "€60.00 , Lea Adler Written off" in words(admin.get(HOME).text)
    settled = [admin.get(f"{API}/settled", params={"limit": 1}).json()]
    settled.append(admin.get(f"{API}/settled", params={"cursor": settled[0]["next_cursor"]}).json())
    assert [one["item_id"] for page in settled for one in page["items"]] == [str(kept.id), charge["id"]]
    assert not {str(kept.id), charge["id"]} & {id_ for id_, _ in on_page()}
    assert ask("DELETE", f"{API}/items/{kept.id}/settlement").status_code == 204
    assert [one["amount_minor"] for one in listed(kind="top_up")] == [-6000]
    [parked] = listed(kind="invoice")
    path, body = f"{API}/invoices/{parked['id']}/decision", {"decision": "approve", "reason": "Seen"}
    assert ask("POST", path, json=body | {"total_minor": 1}).status_code == 409
    made = ask("POST", path, json=body | {"total_minor": parked["amount_minor"]})
    assert session.get_one(Invoice, UUID(made.json()["invoice_id"])).total_minor == 900_000
    assert ask("POST", f"{API}/customers/{stopped}/release", json={"reason": "A slip"}).status_code == 204
    assert [one["kind"] for one in listed()] == ["top_up"]
