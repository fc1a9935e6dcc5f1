"""The page on which a plan is changed, before and after it is paid."""

from datetime import UTC, datetime

from sqlalchemy.orm import Session

from operational_api.commerce.billing.models import BillingItem
from operational_api.identity.models import Account
from tests.operational_api.commerce.billing.conftest import Studio
from tests.operational_api.commerce.billing.test_disputes import contested
from tests.operational_api.conftest import SignIn


def test_says_what_it_costs_and_when_it_holds(studio: Studio, session: Session, sign_in: SignIn) -> None:
    small, large = studio.plan("Small", 5000), studio.plan("Large", 10_000)
    studio.now = datetime.now(UTC)
    studio.start(small)
    studio.collect()
    client = sign_in(session.get_one(Account, studio.customer_id))
    seen = client.get(f"/membership/plan?plan={large}")
    assert seen.status_code == 200, seen.text[-3000:]
    assert "holds as soon as that is paid" in seen.text
    assert client.post("/membership/plan", data={"plan_code": large, "mode": "invoice"}).status_code == 303
    assert "Your change to Large is being paid" in client.get("/membership").text
    assert client.get("/api/commerce/subscription").json()["changes_to"] == large
    studio.now = datetime.now(UTC)
    studio.collect("insufficient_funds")
    assert "Your change to Large was not paid (insufficient funds)" in client.get("/membership").text


def test_says_nothing_of_one_that_ended_with_the_membership_before(
    studio: Studio, session: Session, sign_in: SignIn
) -> None:
    """A bank took the payment back, and they subscribe again."""
    small, large = studio.plan("Small", 5000), studio.plan("Large", 10_000)
    studio.now = datetime.now(UTC)
    studio.start(small)
    studio.collect()
    client = sign_in(session.get_one(Account, studio.customer_id))
    assert client.post("/membership/plan", data={"plan_code": large, "mode": "invoice"}).status_code == 303
    contested(studio).tell(studio, status="lost")
    studio.start(small)
    page = client.get("/membership").text
    assert studio.plans["Small"].name in page
    assert "was not paid" not in page


def test_says_what_of_a_dearer_plan_comes_off_the_next_invoice(
    studio: Studio, session: Session, sign_in: SignIn
) -> None:
    """The rest of what was paid covers the cheaper days, and is worth more than they are."""
    small, large = studio.plan("Small", 5000, rate=0), studio.plan("Large", 10_000, rate=0)
    studio.now = datetime.now(UTC)
    studio.start(large)
    studio.collect()
    client = sign_in(session.get_one(Account, studio.customer_id))
    page = client.get(f"/membership/plan?plan={small}&mode=invoice").text
    assert page.index("To pay today") < page.index("€0.00") < page.index("On your next invoice") < page.index("-€50.00")
    told = client.get(f"/api/commerce/subscription/plan-change?plan_code={small}&mode=invoice").json()
    assert (told["invoice_now"]["total_minor"], told["next_invoice_minor"]) == (0, -5000)
    assert client.post("/membership/plan", data={"plan_code": small, "mode": "invoice"}).status_code == 303
    assert [row.amount_minor for row in studio.all(BillingItem) if row.invoice_id is None] == [-5000]
