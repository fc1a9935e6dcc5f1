"""What invoices are paid with out of wallets, behind the port as far as it is given back: into the wallet, at once.

No money leaves us, so nothing can be unknown. What of which wallet that is, is `service.wallets`.
"""

from typing import NoReturn

from operational_api.commerce import ledger
from operational_api.commerce.errors import ProviderRefused
from operational_api.commerce.providers.port import (
    Billing,
    CheckoutOrder,
    PaymentProvider,
    ProviderCheckout,
    ProviderInvoice,
    ProviderRefund,
)
from operational_api.core import clock


class KeptMoney:
    """The port for one of `ledger.KEPT`. It has no payment page, and no invoices of its own."""

    billing: Billing | None = None

    def __init__(self, name: str) -> None:
        """By its name."""
        self.name = name

    def open_checkout(self, order: CheckoutOrder) -> ProviderCheckout:  # noqa: ARG002
        """See the port."""
        self._refuse()

    def checkout(self, checkout_id: str) -> ProviderCheckout | None:  # noqa: ARG002
        """See the port."""
        return None

    def expire_checkout(self, checkout_id: str) -> ProviderCheckout:  # noqa: ARG002
        """See the port."""
        self._refuse()

    def invoice(self, invoice_id: str) -> ProviderInvoice:  # noqa: ARG002
        """See the port."""
        self._refuse()

    def invoice_of_payment(self, payment_id: str) -> str | None:  # noqa: ARG002
        """See the port."""
        return None

    def refund(self, payment_id: str, *, amount_minor: int, reason: str, key: str) -> ProviderRefund:
        """See the port; the payment's currency is the caller's to know."""
        return ProviderRefund(key, payment_id, amount_minor, "", reason, "succeeded", clock.now(), key)

    def refund_id(self, key: str) -> str | None:
        """See the port."""
        return key

    def refunds_of(self, payment_id: str) -> list[ProviderRefund]:  # noqa: ARG002
        """See the port: every one is known as it is made."""
        return []

    def _refuse(self) -> NoReturn:
        raise ProviderRefused("A wallet has no payment page.")


KEPT_MONEY: dict[str, PaymentProvider] = {name: KeptMoney(name) for name in ledger.KEPT}
