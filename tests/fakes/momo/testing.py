"""The local MoMo inside a test run: a real server on a port of its own, and a customer's hands on its page."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx
from pydantic import SecretStr

from operational_api.commerce.settings import MomoSettings
from tests.fakes.momo import signatures
from tests.fakes.momo.app import MomoFakeSettings, create_app
from tests.fakes.momo.store import Json, Store
from tests.fakes.stripe.testing import free_listener, served


@dataclass(frozen=True)
class LocalMomo:
    """A running local MoMo."""

    url: str
    store: Store
    account: MomoFakeSettings

    def settings(self, *, api_base: str | None = None, timeout_seconds: float = 5) -> MomoSettings:
        """The settings of a partner of it."""
        return MomoSettings(
            api_base=api_base or self.url,
            partner_code=self.account.partner_code,
            access_key=SecretStr(self.account.access_key),
            secret_key=SecretStr(self.account.secret_key),
            ipn_url="http://plyo.test/webhooks/momo",
            timeout_seconds=timeout_seconds,
        )

    def pay(self, page_url: str, code: int = 0) -> httpx.Response:
        """Decide on the payment page; the redirect is not followed."""
        return httpx.post(page_url, data={"code": code})

    def signed(self, result: Json) -> Json:
        """A notification as MoMo posts it."""
        account = self.account
        return result | {"signature": signatures.made("result", result, account.access_key, account.secret_key)}

    def notifications(self, order_id: str) -> list[Json]:
        """What MoMo has to tell about an order, oldest first."""
        return [self.signed(one) for one in self.store.notifications if one["orderId"] == order_id]


@contextmanager
def local_momo() -> Iterator[LocalMomo]:
    """Run a local MoMo until the block ends."""
    listener = free_listener()
    account = MomoFakeSettings(public_url=f"http://127.0.0.1:{listener.getsockname()[1]}")
    app = create_app(account)
    with served(app, listener):
        yield LocalMomo(account.public_url, app.state.store, account)
