"""The processes of the stack as they are configured: that those which talk to each other know each other."""

import threading
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request, Response

from operational_api.analytics.shared import Shared
from operational_api.commerce.providers import momo_signing
from operational_api.commerce.providers.momo import MomoProvider
from operational_api.commerce.providers.port import CheckoutOrder
from operational_api.commerce.settings import MomoSettings
from plyo.home import Home
from plyo.services import all_services
from tests.fakes.momo.app import serve
from tests.fakes.stripe.testing import free_listener, served


class TestAnalytics:
    def test_alone_has_the_key_of_what_it_keeps_in_the_store_of_counts(self, tmp_path: Path) -> None:
        home = Home(tmp_path)
        home.prepare()
        secrets = home.secrets()
        services = {one.name: one for one in all_services(home, home.ports(), secrets)}
        told = services["analytics"].environment
        assert told["PLYO_ANALYTICS_ANSWERS_KEY"] == secrets["answers"]
        assert told["PLYO_REDIS_URL"] == services["api"].environment["PLYO_REDIS_URL"]
        Shared(told["PLYO_REDIS_URL"], told["PLYO_ANALYTICS_ANSWERS_KEY"])  # is long enough
        knows = {
            name for name, one in services.items()
            if any(secrets["answers"] in each for each in (*one.command, *one.environment.values()))
        }  # fmt: skip
        assert knows == {"analytics"}


class TestMomo:
    def test_a_newcomer_pays_in_dong_and_the_api_is_told(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        told: list[dict[str, Any]] = []
        heard = threading.Event()
        receiver = FastAPI()

        @receiver.post("/webhooks/momo")
        async def receive(request: Request) -> Response:
            told.append(await request.json())
            heard.set()
            return Response(status_code=204)

        home, momo, api = Home(tmp_path), free_listener(), free_listener()
        home.prepare()
        ports = home.ports() | {"momo": momo.getsockname()[1], "api": api.getsockname()[1]}
        services = {one.name: one for one in all_services(home, ports, home.secrets())}
        for name in ("momo", "api"):
            for key, value in services[name].environment.items():
                if "MOMO" in key:
                    monkeypatch.setenv(key, value)
        with served(receiver, api), served(serve(), momo):
            settings = MomoSettings()
            page = MomoProvider(settings).open_checkout(
                CheckoutOrder(
                    "order-1", "", "", "c", "p", is_recurring=False, trial_days=0, success_url="http://a/checkout/return",
                    cancel_url="", amount_minor=750_000, currency="VND", description="Five sessions",
                )
            )  # fmt: skip
            assert page.url is not None
            assert httpx.post(page.url, data={"code": 0}).headers["location"].startswith("http://a/checkout/return?")
            assert heard.wait(10)
            bought = MomoProvider(settings).checkout("order-1")
        assert bought is not None
        assert (bought.status, bought.amount_minor) == ("complete", 750_000)
        keys = {
            "access_key": settings.access_key.get_secret_value(), "secret_key": settings.secret_key.get_secret_value()
        }  # fmt: skip
        assert momo_signing.is_signed(momo_signing.RESULT, told[0], **keys)
