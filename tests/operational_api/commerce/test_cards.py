"""Another card: where it is given, and that what is paid later goes to it."""

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy.orm import Session

from operational_api.commerce.errors import NothingBought
from operational_api.commerce.models import Customer, Payment
from operational_api.commerce.service import cards
from operational_api.identity.models import Account
from tests.factories import make_account
from tests.operational_api.commerce.conftest import Shop
from tests.operational_api.conftest import ISSUER, SignIn


def page_of(shop: Shop) -> str:
    return cards.open_page(
        shop.session, shop.provider, account_id=shop.customer_id, display_name="Mia", public_url="http://plyo.test"
    )


class TestCard:
    def test_the_next_renewal_goes_to_it(self, own_shop: Shop) -> None:
        own_shop.buy(own_shop.plan(kind="membership", interval_months=1))
        before = len(own_shop.events())
        assert own_shop.stripe.pay(page_of(own_shop), "5555555555554444").status_code == 303
        own_shop.deliver(own_shop.events()[before:])
        own_shop.stripe.advance(days=32)
        paid = [one for one in own_shop.stripe.store.all("charge") if one["status"] == "succeeded"]
        assert [one["payment_method_details"]["card"]["last4"] for one in paid] == ["4242", "4444"]

    def test_one_that_the_bank_refuses_changes_nothing(self, shop: Shop) -> None:
        shop.buy(shop.plan(kind="membership", interval_months=1))
        payer = shop.session.get_one(Customer, shop.customer_id).stripe_customer_id
        refused = shop.stripe.pay(page_of(shop), "4000000000000002")
        assert (refused.status_code, "declined" in refused.text) == (402, True)
        assert shop.stripe.store.objects[payer or ""]["invoice_settings"]["default_payment_method"] is None

    def test_who_pays_for_nothing_is_told_so(self, shop: Shop) -> None:
        with pytest.raises(NothingBought):
            page_of(shop)

    def test_the_way_to_it_and_back(self, app: FastAPI, session: Session, sign_in: SignIn, shop: Shop) -> None:
        account: Account = make_account(session, id=shop.customer_id)
        shop.buy(shop.plan(kind="membership", interval_months=1))
        app.state.payment_provider = shop.provider
        customer = sign_in(account)
        assert "/membership/card" in customer.get("/membership").text
        sent = customer.post("/api/commerce/card-pages")
        assert sent.status_code == 201
        assert f'href="{ISSUER}/membership">' in httpx.get(sent.json()["url"]).text  # who gives none is told nothing
        assert shop.stripe.pay(sent.json()["url"]).headers["location"].endswith("/membership?card=given")
        assert "Your new card is with Stripe" in customer.get("/membership?card=given").text
        assert len(shop.all(Payment)) == 1
