"""MoMo's wallet in Vietnam behind the port, by its API v2: payments on its page, and refunds. Translation only.

MoMo keeps neither customers nor prices nor subscriptions of ours, and so bills nothing by itself (`billing`). A paid
order is told as an invoice with one attempt, whose id is the order's and is our checkout's. Its fee is told by no call,
only by the settlement.
"""

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, NoReturn
from uuid import uuid4

import httpx

from operational_api.commerce.errors import AmountNotTaken, CurrencyNotTaken, ProviderRefused, ProviderUnavailable
from operational_api.commerce.providers import momo_signing as signing
from operational_api.commerce.providers.port import (
    CheckoutOrder,
    ProviderAttempt,
    ProviderCheckout,
    ProviderInvoice,
    ProviderRefund,
)
from operational_api.commerce.settings import MomoSettings

Json = dict[str, Any]
PAID, WAITING = 0, 1000
UNDER_WAY = frozenset({10, 99, 7000, 7002, 8000, 9000})
"""Not final: maintenance, an error of theirs, being processed, to be confirmed again, authorised and not captured."""
DECLINED = frozenset({1001, 1002, 1003, 1004, 1005, 1006, 1007, 1017, 1026, 4001, 4002, 4010, 4011, 4015, 4100})
"""Final: no money will move. A code that stands nowhere here is taken for not final, and asked about again."""
SENT_BEFORE, UNKNOWN_ORDER = frozenset({40, 41}), 42
SMALLEST_DONG, LARGEST_DONG = 1_000, 50_000_000
MINUTES_TO_PAY = 30
_NEEDED = {"create": ("amount",), "query": ("amount", "transId", "responseTime"), "refund": ("responseTime",)}
"""Numbers without which an answer that says yes says nothing that could be booked."""


class MomoProvider:
    """The port on MoMo."""

    name = "momo"
    billing = None

    def __init__(self, settings: MomoSettings) -> None:
        """Make the client; nothing is sent yet."""
        self._settings = settings
        self._keys = {
            "access_key": settings.access_key.get_secret_value(),
            "secret_key": settings.secret_key.get_secret_value(),
        }
        self._http = httpx.Client(base_url=settings.api_base, timeout=settings.timeout_seconds)

    def open_checkout(self, order: CheckoutOrder) -> ProviderCheckout:
        """See the port. Sent again unchanged it gives the same page; with another amount it is refused.

        Raises:
            CurrencyNotTaken: anything but dong, or what is to be paid again and again.
            AmountNotTaken: less or more than MoMo takes at once.
        """
        if order.currency != "VND" or order.is_recurring:
            raise CurrencyNotTaken
        if not SMALLEST_DONG <= order.amount_minor <= LARGEST_DONG:
            raise AmountNotTaken(least_minor=SMALLEST_DONG, most_minor=LARGEST_DONG, currency="VND")
        ours = {"reference": order.reference, "price": order.our_price_id}
        answer = self._ask(
            "create",
            signing.CREATE,
            {
                "requestId": order.reference,
                "orderId": order.reference,
                "amount": order.amount_minor,
                "orderInfo": order.description,
                "extraData": base64.b64encode(json.dumps(ours).encode()).decode(),
                "redirectUrl": order.success_url.partition("?")[0],
                "ipnUrl": self._settings.ipn_url,
                "requestType": self._settings.request_type,
                "orderExpireTime": MINUTES_TO_PAY,
            },
        )
        if answer["resultCode"] != PAID:
            _refuse(answer)
        if not isinstance(answer.get("payUrl"), str) or not signing.is_signed(signing.CREATED, answer, **self._keys):
            raise ProviderUnavailable("MoMo's answer is not signed by MoMo.")
        return ProviderCheckout(
            order.reference, "open", str(answer["payUrl"]), order.reference, None, None, order.amount_minor, "VND"
        )

    def checkout(self, checkout_id: str) -> ProviderCheckout | None:
        """See the port."""
        answer = self._order(checkout_id)
        code = answer["resultCode"]
        if code == UNKNOWN_ORDER:
            return None
        status = "open" if code == WAITING else "complete" if code == PAID else "expired" if code in DECLINED else None
        return ProviderCheckout(
            id=checkout_id,
            status=status or "processing",
            url=None,
            reference=_ours(answer).get("reference"),
            subscription_id=None,
            invoice_id=checkout_id if code == PAID else None,
            amount_minor=answer.get("amount"),
            currency="VND",
        )

    def expire_checkout(self, checkout_id: str) -> ProviderCheckout:
        """See the port. MoMo closes no page before its time: it is told as it is."""
        found = self.checkout(checkout_id)
        return found or ProviderCheckout(checkout_id, "expired", None, None, None, None)

    def invoice(self, invoice_id: str) -> ProviderInvoice:
        """See the port. Only of an order that was paid."""
        answer = self._order(invoice_id)
        if answer["resultCode"] != PAID:
            _refuse(answer)
        paid_at = _at(answer["responseTime"])
        attempt = ProviderAttempt(
            payment_id=invoice_id,
            attempt=1,
            status="captured",
            amount_minor=answer["amount"],
            fee_minor=0,
            currency="VND",
            failure_code=None,
            attempted_at=paid_at,
            is_refunded=bool(answer.get("refundTrans")),
        )
        return ProviderInvoice(
            id=invoice_id,
            number=None,
            status="paid",
            subscription_id=None,
            checkout_reference=_ours(answer).get("reference"),
            total_minor=answer["amount"],
            currency="VND",
            period_start=None,
            period_end=None,
            issued_at=paid_at,
            due_at=paid_at,
            closed_at=paid_at,
            attempts=[attempt],
        )

    def invoice_of_payment(self, payment_id: str) -> str | None:
        """See the port."""
        return payment_id if self._order(payment_id)["resultCode"] == PAID else None

    def refund(self, payment_id: str, *, amount_minor: int, reason: str, key: str) -> ProviderRefund:
        """See the port. The refund's own order is made of the key, so MoMo gives back once whoever asks how often."""
        paid = self._order(payment_id)
        if paid["resultCode"] != PAID:
            _refuse(paid)
        refund_id = self.refund_id(key)
        answer = self._ask(
            "refund",
            signing.REFUND,
            {
                "requestId": refund_id,
                "orderId": refund_id,
                "amount": amount_minor,
                "transId": paid["transId"],
                "description": reason,
            },
        )
        code = answer["resultCode"]
        if code in SENT_BEFORE:
            known = [one for one in self.refunds_of(payment_id) if one.id == refund_id]
            if not known or known[0].amount_minor != amount_minor:
                _refuse(answer)
            return known[0]
        if code != PAID and code not in UNDER_WAY:
            _refuse(answer)
        return ProviderRefund(
            id=refund_id,
            payment_id=payment_id,
            amount_minor=amount_minor,
            currency="VND",
            reason=reason,
            status="succeeded" if code == PAID else "pending",
            refunded_at=_at(answer["responseTime"]),
        )

    def refund_id(self, key: str) -> str:
        """See the port."""
        return f"r-{sha256(key.encode()).hexdigest()[:40]}"

    def refunds_of(self, payment_id: str) -> list[ProviderRefund]:
        """See the port. MoMo does not keep why."""
        found = self._order(payment_id).get("refundTrans") or []
        return [_refund(one, payment_id) for one in sorted(found, key=lambda one: one["createdTime"])]

    def _order(self, order_id: str) -> Json:
        """What MoMo says of an order, whatever came of it."""
        answer = self._ask("query", signing.QUERY, {"requestId": str(uuid4()), "orderId": order_id})
        if (
            answer["resultCode"] not in UNDER_WAY | DECLINED | {PAID, WAITING, UNKNOWN_ORDER}
            and "transId" not in answer
        ):
            _refuse(answer)
        return answer

    def _ask(self, call: str, fields: tuple[str, ...], message: Mapping[str, Any]) -> Json:
        """Send one signed message. An answer that is not about it says nothing, and is asked for again.

        Raises:
            ProviderUnavailable: what came of the message is not known.
        """
        body = {**message, "partnerCode": self._settings.partner_code, "lang": "en"}
        body["signature"] = signing.sign(fields, body, **self._keys)
        try:
            response = self._http.post(f"/v2/gateway/api/{call}", json=body)
            answer = response.json() if response.status_code < 500 else None
        except (httpx.TransportError, ValueError) as error:
            raise ProviderUnavailable from error
        if not isinstance(answer, dict) or not _is_whole(answer, "resultCode"):
            raise ProviderUnavailable
        told = [name for name in ("amount", "transId", "responseTime") if answer.get(name) is not None]
        if not all(
            _is_whole(answer, name) for name in (*told, *(_NEEDED[call] if answer["resultCode"] == PAID else ()))
        ):
            raise ProviderUnavailable("MoMo's answer is not one of MoMo's.")
        asked = ("orderId", "requestId", *(["amount"] if "amount" in message and answer["resultCode"] == PAID else []))
        if any(answer.get(name) != body[name] for name in asked):
            raise ProviderUnavailable("MoMo's answer is about something else.")
        return answer


def _is_whole(answer: Mapping[str, Any], name: str) -> bool:
    """Dong, moments and codes are whole numbers; a truth value or a text is none."""
    return type(answer.get(name)) is int and answer[name] >= 0


def _refuse(answer: Mapping[str, Any]) -> NoReturn:
    """Raise what a result that is not the wanted one means."""
    code = answer["resultCode"]
    if code in UNDER_WAY:
        raise ProviderUnavailable(provider_code=str(code), provider_message=answer.get("message"))
    raise ProviderRefused(provider_code=str(code), provider_message=answer.get("message"))


def _refund(found: Mapping[str, Any], payment_id: str) -> ProviderRefund:
    code = found["resultCode"]
    return ProviderRefund(
        id=found["orderId"],
        payment_id=payment_id,
        amount_minor=found["amount"],
        currency="VND",
        reason="unknown",
        status="succeeded" if code == PAID else "pending" if code in UNDER_WAY else "failed",
        refunded_at=_at(found["createdTime"]),
    )


def _ours(answer: Mapping[str, Any]) -> dict[str, str]:
    try:
        found = json.loads(base64.b64decode(answer.get("extraData") or ""))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _at(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
