"""The page on which a plan is changed, before and after it is paid."""

from datetime import UTC, datetime

from sqlalchemy.orm import Session

from operational_api.identity.models import Account
from tests.operational_api.commerce.billing.conftest import Studio
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
