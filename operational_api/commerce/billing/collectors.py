"""What collecting asks of a payment provider, and Stripe behind it: charging a saved card without its owner present."""

from dataclasses import dataclass
from typing import Any, Literal, Protocol

import stripe

from operational_api.commerce.settings import StripeSettings

NO_CARD = "no_payment_method"
"""Our code where the payer has saved none; a new card is waited for as after any failed attempt."""


@dataclass(frozen=True, slots=True)
class Charge:
    """One attempt. The same `key` charges once, whatever happens between the provider and us."""

    key: str
    payer_ref: str | None
    amount_minor: int
    currency: str
    description: str


@dataclass(frozen=True, slots=True)
class Charged:
    """What came of it. `unknown`: it may have happened; asking again with the same key tells."""

    status: Literal["captured", "failed", "unknown"]
    payment_id: str | None = None
    fee_minor: int = 0
    failure_code: str | None = None


class Collector(Protocol):
    """The port."""

    name: str

    def charge(self, order: Charge) -> Charged:
        """Charge the payer's saved card. Never raises for what a provider does: that is `unknown` or `failed`."""


class StripeCollector:
    """The port on Stripe: a confirmed payment intent, off session."""

    name = "stripe"

    def __init__(self, settings: StripeSettings) -> None:
        """Make the client; nothing is sent yet."""
        self._v1 = stripe.StripeClient(
            settings.secret_key.get_secret_value() or "unset",
            base_addresses={"api": settings.api_base},
            http_client=stripe.HTTPXClient(timeout=settings.timeout_seconds, allow_sync_methods=True),
            max_network_retries=1,
        ).v1

    def charge(self, order: Charge) -> Charged:
        """See the port."""
        try:
            method = self._card(order.payer_ref)
            if method is None:
                return Charged("failed", failure_code=NO_CARD)
            params: Any = {
                "amount": order.amount_minor, "currency": order.currency.lower(), "customer": order.payer_ref,
                "payment_method": method, "confirm": True, "off_session": True, "description": order.description,
            }  # fmt: skip
            # A key belongs to one request: another card is another one.
            made = self._v1.payment_intents.create(params, {"idempotency_key": f"{order.key}-{method}"}).to_dict()
            return self._outcome(made)
        except stripe.CardError as error:
            intent: Any = getattr(error.error, "payment_intent", None)
            code = getattr(error.error, "decline_code", None) or error.code or "card_declined"
            return Charged("failed", payment_id=intent["id"] if intent else None, failure_code=code)
        except stripe.InvalidRequestError as error:
            return Charged("failed", failure_code=error.code or "invalid_request")
        except stripe.StripeError:
            return Charged("unknown")

    def _card(self, customer: str | None) -> str | None:
        if customer is None:
            return None
        known = self._v1.customers.retrieve(customer).to_dict()
        chosen = (known.get("invoice_settings") or {}).get("default_payment_method")
        if chosen:
            return str(chosen)
        saved = self._v1.payment_methods.list({"customer": customer, "type": "card"}).to_dict()["data"]
        return str(saved[0]["id"]) if saved else None

    def _outcome(self, made: dict[str, Any]) -> Charged:
        if made["status"] != "succeeded":
            is_pending = made["status"] == "processing"
            return Charged("unknown" if is_pending else "failed", made["id"], failure_code="authentication_required")
        charge = self._v1.charges.retrieve(made["latest_charge"], {"expand": ["balance_transaction"]}).to_dict()
        return Charged("captured", made["id"], fee_minor=charge["balance_transaction"]["fee"])


def configured() -> Collector:
    """The collector of this environment."""
    return StripeCollector(StripeSettings())
