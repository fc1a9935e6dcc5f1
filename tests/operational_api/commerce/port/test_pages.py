"""The way of a customer through our pages to MoMo and back."""

from collections.abc import Callable
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import SecretStr
from sqlalchemy.orm import Session

from operational_api.commerce.models import (
    SessionPack,
)
from operational_api.commerce.providers.stripe import StripeProvider
from operational_api.commerce.settings import StripeSettings
from tests.factories import make_account, make_plan
from tests.fakes.momo.testing import LocalMomo
from tests.fakes.stripe.testing import LocalStripe
from tests.fakes.wire import Wire
from tests.operational_api.commerce.port.tills import Desk, MomoTill


class TestPages:
    """The way of a customer through our pages to MoMo and back."""

    @pytest.fixture
    def visit(
        self, session: Session, app: FastAPI, sign_in: Callable[[Any], TestClient], momo_server: LocalMomo,
        stripe_server: LocalStripe,
    ) -> tuple[Desk, TestClient]:  # fmt: skip
        app.state.momo_settings = momo_server.settings()
        app.state.payment_provider = StripeProvider(
            StripeSettings(api_base=stripe_server.url, secret_key=SecretStr(stripe_server.secret_key))
        )
        person = make_account(session, role="customer")
        desk = Desk(session, MomoTill(momo_server, Wire(momo_server.url)))
        desk.customer_id = person.id
        return desk, sign_in(person)

    def test_pays_with_momo_and_comes_back(self, visit: tuple[Desk, TestClient], momo_server: LocalMomo) -> None:
        desk, browser = visit
        shown = browser.get("/plans?currency=VND").text
        assert shown.index("Pay with MoMo") < shown.index("Pay by card")
        form = {"plan_code": desk.plan.code, "currency": "VND", "provider": "momo"}
        sent = browser.post("/checkout", data=form)
        assert sent.status_code == 303
        back = momo_server.pay(sent.headers["location"]).headers["location"]
        path = back.removeprefix("http://testserver")
        assert path.startswith("/checkout/return?")
        assert "Your sessions are ready" in browser.get(path).text
        assert "Your sessions are ready" in browser.get(path).text
        assert len(desk.all(SessionPack)) == 1

    def test_waits_where_momo_is_still_at_it(self, visit: tuple[Desk, TestClient], momo_server: LocalMomo) -> None:
        desk, browser = visit
        form = {"plan_code": desk.plan.code, "currency": "VND", "provider": "momo"}
        back = momo_server.pay(browser.post("/checkout", data=form).headers["location"], 7002).headers["location"]
        answer = browser.get(back.removeprefix("http://testserver"))
        assert answer.status_code == 503
        assert "waiting for MoMo" in answer.text
        assert browser.post("/checkout", data=form).status_code == 409

    def test_a_page_of_nobodys_is_not_found(self, visit: tuple[Desk, TestClient]) -> None:
        assert visit[1].get("/checkout/return?orderId=nothing").status_code == 404

    def test_euros_offer_one_way(self, visit: tuple[Desk, TestClient]) -> None:
        make_plan(visit[0].session, price=4900, kind="pack")
        assert "MoMo" not in visit[1].get("/plans?currency=EUR").text
