"""The local Stripe's objects have the fields and the types of Stripe's own published fixtures."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.stripe.testing import LocalStripe, local_stripe

_FOLDERS = [
    Path(os.environ.get("PLYO_SHARED_DATA", "")),
    *(folder / "shared/data" for folder in Path(__file__).resolve().parents),
]
_FIXTURES = next((file for folder in _FOLDERS if (file := folder / "stripe/fixtures3.json").exists()), None)
pytestmark = pytest.mark.skipif(_FIXTURES is None, reason="Stripe's fixtures3.json is not beside this checkout")

ON_REQUEST = {
    "charge": {"refunds"},  # expandable
    "customer": {"shipping"},
    "invoice": {"subscription", "payment_settings"},
    "subscription": {"managed_payments", "billing_schedules", "items"},
    "payment_intent": {"managed_payments"},
    "checkout.session": {"managed_payments"},
    "line_item": {"invoice"},
}
"""Fields that the fixtures show but the API gives only when asked, or to accounts with a feature Plyo has not."""


@pytest.fixture(scope="module")
def objects() -> Iterator[dict[str, dict[str, Any]]]:
    """One object of each kind, as the API answers it."""
    with local_stripe() as running:
        yield _one_of_each(running)


def _one_of_each(running: LocalStripe) -> dict[str, dict[str, Any]]:
    client = running.client()
    product = client.v1.products.create({"name": "Standard"})
    price = client.v1.prices.create(
        {"product": product.id, "unit_amount": 4900, "currency": "eur", "recurring": {"interval": "month"}}
    )
    session = client.v1.checkout.sessions.create(
        {
            "mode": "subscription",
            "line_items": [{"price": price.id, "quantity": 1}],
            "success_url": "https://plyo.test/return",
        }
    )
    running.pay(str(session.url))
    charge = running.store.all("charge")[0]
    client.v1.refunds.create({"charge": charge["id"], "amount": 100})
    client.v1.payouts.create({"amount": 200, "currency": "eur"})
    running.dispute(charge["id"])
    kinds = (
        "customer product price payment_method subscription invoice invoice_payment payment_intent charge"
        " balance_transaction refund dispute payout event checkout.session"
    )
    found = {kind: running.store.all(kind)[0] for kind in kinds.split()}
    found["balance"] = client.v1.balance.retrieve().to_dict()
    found["subscription_item"] = found["subscription"]["items"]["data"][0]
    found["plan"] = found["subscription_item"]["plan"]
    found["line_item"] = found["invoice"]["lines"]["data"][0]
    return found


KINDS = [
    "balance", "customer", "product", "price", "payment_method", "subscription", "subscription_item", "plan", "invoice",
    "line_item", "invoice_payment", "payment_intent", "charge", "balance_transaction", "refund", "dispute", "payout",
    "event", "checkout.session",
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
class TestShape:
    def test_has_every_field_and_no_other(self, objects: dict[str, dict[str, Any]], kind: str) -> None:
        ours, theirs = set(objects[kind]), set(_fixture(kind))
        allowed = ON_REQUEST.get(kind, set())
        assert ours - theirs - allowed == set()
        assert theirs - ours - allowed == set()

    def test_each_field_has_its_type(self, objects: dict[str, dict[str, Any]], kind: str) -> None:
        theirs = _fixture(kind)
        wrong = {
            name: (value, theirs[name])
            for name, value in objects[kind].items()
            if value is not None and theirs.get(name) is not None and type(value) is not type(theirs[name])
        }
        assert wrong == {}


def _fixture(kind: str) -> dict[str, Any]:
    assert _FIXTURES is not None
    resource: dict[str, Any] = json.loads(_FIXTURES.read_text())["resources"][kind]
    return resource
