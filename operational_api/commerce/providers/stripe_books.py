"""Stripe's books: balance transactions and payouts of a span, as the port's lines. Reading only."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import stripe

from operational_api.commerce.errors import ProviderUnavailable
from operational_api.commerce.providers.port import ProviderMovement, ProviderPayout
from operational_api.commerce.settings import StripeSettings

Json = dict[str, Any]
_KINDS = {
    "charge": "payment",
    "refund": "refund",
    "refund_failure": "refund",
    "dispute": "dispute",
    "dispute_reversal": "dispute_reversal",
    "payout": "payout",
}
_PAYOUT_STATUS = {"paid": "paid", "failed": "failed", "canceled": "failed"}


class StripeBooks:
    """The books of one account."""

    name = "stripe"
    tells_fees = True
    settles_later = False

    def __init__(self, settings: StripeSettings) -> None:
        """Make the client; nothing is sent yet."""
        key = settings.secret_key.get_secret_value()
        self.is_live = key.startswith(("sk_live_", "rk_live_"))
        self._v1 = stripe.StripeClient(
            key or "unset",
            base_addresses={"api": settings.api_base},
            http_client=stripe.HTTPXClient(timeout=settings.timeout_seconds, allow_sync_methods=True),
            max_network_retries=settings.max_retries,
        ).v1

    def movements(self, since: datetime, until: datetime) -> Iterator[ProviderMovement]:
        """Every line booked in a span, and those before it that an automatic payout of the span took along: a payout is
        the sum of all its lines. Such lines know their payout.

        A payout that was asked for by hand takes an amount and no lines: Stripe does not tell which.
        """
        automatic = [one for one in self._listed("payouts", since, until) if one["automatic"]]
        paid_out: dict[str, str] = {}
        for payout in automatic:
            lines = {"payout": payout["id"], "limit": 100, "expand": ["data.source"]}
            for one in self._all("balance_transactions", lines):
                paid_out[one["id"]] = payout["id"]
                if _at(one["created"]) < since:
                    yield self._movement(one, payout["id"])
        for one in self._listed("balance_transactions", since, until, expand=["data.source"]):
            yield self._movement(one, paid_out.get(one["id"]))

    def payouts(self, since: datetime, until: datetime) -> Iterator[ProviderPayout]:
        """Every payout made in a span."""
        for one in self._listed("payouts", since, until):
            yield ProviderPayout(
                id=one["id"],
                amount_minor=one["amount"],
                currency=one["currency"].upper(),
                status=_PAYOUT_STATUS.get(one["status"], "pending"),
                sent_at=_at(one["created"]),
                arrives_at=_at(one["arrival_date"]),
            )

    def _listed(self, kind: str, since: datetime, until: datetime, **more: Any) -> Iterator[Json]:
        created = {"gte": int(since.timestamp()), "lt": int(until.timestamp())}
        return self._all(kind, {"created": created, "limit": 100, **more})

    def _all(self, kind: str, params: Json) -> Iterator[Json]:
        try:
            for one in getattr(self._v1, kind).list(params).auto_paging_iter():
                yield one.to_dict()
        except stripe.StripeError as error:
            raise ProviderUnavailable from error

    def _movement(self, found: Json, payout_id: str | None) -> ProviderMovement:
        source = found["source"] if isinstance(found["source"], dict) else {"id": found["source"]}
        kind = _KINDS.get(found["reporting_category"], "other")
        sign = -1 if found["amount"] < 0 else 1
        is_payout = kind == "payout"
        return ProviderMovement(
            id=found["id"],
            kind=kind,
            source_id=source["id"] if is_payout else source.get("payment_intent"),
            object_id=source["id"],
            amount_minor=found["amount"] if is_payout else sign * abs(int(source.get("amount") or found["amount"])),
            currency=str(source.get("currency") or found["currency"]).upper(),
            settled_minor=found["amount"],
            settled_currency=found["currency"].upper(),
            fee_minor=found["fee"],
            exchange_rate=found["exchange_rate"],
            provider_customer_id=source.get("customer") if kind == "payment" else None,
            payout_id=payout_id if not is_payout else None,
            is_live=bool(source.get("livemode", self.is_live)),
            occurred_at=_at(found["created"]),
        )


def _at(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
