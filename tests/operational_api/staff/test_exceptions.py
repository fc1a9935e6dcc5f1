"""What of billing waits for a person, on a page of the staff: seen and settled by finance, decided by admins."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from contracts.ids import new_id
from operational_api.commerce.billing.models import BillingItem, ParkedInvoice
from operational_api.commerce.billing.service import memberships
from operational_api.commerce.models import Customer, Invoice, PlanPrice
from tests.factories import LONG_AGO, make_account, make_plan
from tests.operational_api.staff.conftest import As, words

HOME = "/staff/exceptions"


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
