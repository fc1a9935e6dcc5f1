"""What collecting asks of a payment provider, and Stripe behind it: charging a saved card without its owner present."""

from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

import stripe

from operational_api.commerce.settings import StripeSettings

NO_CARD = "no_payment_method"
"""Our code where the payer has saved none; a new card is waited for as after any failed attempt."""
AUTHENTICATION = "authentication_required"


@dataclass(frozen=True, slots=True)
class Charge:
    """One attempt. The same `key` charges once: whenever, with whichever card, and whatever happened between the
    provider and us since the first time."""

    key: str
    payer_ref: str | None
    amount_minor: int
    currency: str
    description: str


@dataclass(frozen=True, slots=True)
class Charged:
    """What came of it. `unknown`: it may have happened; asking again with the same key tells.

    `amount_minor` is what was charged, where that is told: the first time that a key was used says how much.
    `has_other_card`: it failed, and the payer has given another card since.
    """

    status: Literal["captured", "failed", "unknown"]
    payment_id: str | None = None
    fee_minor: int = 0
    failure_code: str | None = None
    amount_minor: int | None = None
    has_other_card: bool = False


class Collector(Protocol):
    """The port."""

    name: str

    def charge(self, order: Charge) -> Charged:
        """Charge the payer's saved card, or tell what came of it where this was asked for before.

        Never raises for what a provider does: that is `unknown` or `failed`.
        """


class StripeCollector:
    """The port on Stripe: a confirmed payment intent, off session, with our key in its metadata.

    Stripe forgets an idempotency key after a day, ties it to one card, and repeats its first answer for ever, also the
    one that a payment is still processing. So an intent with our key is looked for before one is made; the idempotency
    key only keeps two that look at once from making two.
    """

    name = "stripe"

    def __init__(self, settings: StripeSettings) -> None:
        """Make the client; nothing is sent yet."""
        self._v1 = stripe.StripeClient(
            settings.secret_key.get_secret_value() or "unset",
            base_addresses={"api": settings.api_base},
            http_client=stripe.HTTPXClient(timeout=settings.timeout_seconds, allow_sync_methods=True),
            max_network_retries=settings.max_retries,
        ).v1

    def charge(self, order: Charge) -> Charged:
        """See the port."""
        if order.payer_ref is None:
            return Charged("failed", failure_code=NO_CARD)
        try:
            made = self._made_before(order)
            if made is not None:
                return self._told_late(order.payer_ref, made)
            method = self._card(order.payer_ref)
            if method is None:
                return Charged("failed", failure_code=NO_CARD)
            return self._outcome(self._make(order, method))
        except stripe.CardError as error:
            intent: Any = getattr(error.error, "payment_intent", None)
            code = getattr(error.error, "decline_code", None) or error.code or "card_declined"
            return Charged("failed", payment_id=intent["id"] if intent else None, failure_code=code)
        except stripe.InvalidRequestError as error:
            return Charged("failed", failure_code=error.code or "invalid_request")
        except stripe.StripeError:
            return Charged("unknown")

    def _made_before(self, order: Charge) -> dict[str, Any] | None:
        for one in self._v1.payment_intents.list({"customer": order.payer_ref or "", "limit": 100}).auto_paging_iter():
            found: dict[str, Any] = one.to_dict()
            if (found["metadata"] or {}).get("plyo_key") == order.key:
                return found
        return None

    def _told_late(self, payer: str, made: dict[str, Any]) -> Charged:
        outcome = self._outcome(made)
        if outcome.status != "failed":
            return outcome
        refused = (made["last_payment_error"] or {}).get("payment_method") or {}
        used, now = refused.get("id") or made["payment_method"], self._card(payer)
        return replace(outcome, has_other_card=now is not None and used is not None and now != used)

    def _make(self, order: Charge, method: str) -> dict[str, Any]:
        params: Any = {
            "amount": order.amount_minor, "currency": order.currency.lower(), "customer": order.payer_ref,
            "payment_method": method, "confirm": True, "off_session": True, "description": order.description,
            "metadata": {"plyo_key": order.key},
        }  # fmt: skip
        made: dict[str, Any] = self._v1.payment_intents.create(
            params, {"idempotency_key": f"{order.key}-{method}"}
        ).to_dict()
        return made

    def _card(self, customer: str) -> str | None:
        known = self._v1.customers.retrieve(customer).to_dict()
        chosen = (known.get("invoice_settings") or {}).get("default_payment_method")
        if chosen:
            return str(chosen)
        saved = self._v1.payment_methods.list({"customer": customer, "type": "card"}).to_dict()["data"]
        return str(saved[0]["id"]) if saved else None

    def _outcome(self, made: dict[str, Any]) -> Charged:
        if made["status"] == "processing":
            return Charged("unknown", made["id"])
        if made["status"] != "succeeded":
            error = made["last_payment_error"] or {}
            code = error.get("decline_code") or error.get("code") or _NOT_DONE.get(made["status"], "card_declined")
            return Charged("failed", made["id"], failure_code=code)
        charge = self._v1.charges.retrieve(made["latest_charge"], {"expand": ["balance_transaction"]}).to_dict()
        movement = charge["balance_transaction"]
        if movement is None:  # its fee is not known yet, and what is booked stays
            return Charged("unknown", made["id"])
        return Charged("captured", made["id"], fee_minor=movement["fee"], amount_minor=made["amount_received"])


_NOT_DONE = {"requires_action": AUTHENTICATION, "canceled": "canceled"}


def configured() -> Collector:
    """The collector of this environment."""
    return StripeCollector(StripeSettings())
