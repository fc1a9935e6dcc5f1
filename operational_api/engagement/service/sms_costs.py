"""What texts cost: their segments, which is what a provider charges, each at the price at which it left."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from operational_api.engagement.channels.port import Price
from operational_api.engagement.models import OutgoingMessage

LATELY = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class PricedTexts:
    """Texts that left at one price, the first of them at `since`. `thousand_segments_minor`, `cost_minor` and
    `currency` are None where nobody had said a price."""

    since: datetime
    messages: int
    segments: int
    thousand_segments_minor: int | None
    cost_minor: int | None
    currency: str | None


@dataclass(frozen=True, slots=True)
class SmsCosts:
    """Of the texts that left since a moment, those that did not arrive among them. `totals` are (minor units,
    currency), one for each currency, rounded once; `prices` the newest first."""

    since: datetime
    messages: int
    segments: int
    totals: list[tuple[int, str]]
    prices: list[PricedTexts]


def charge(row: OutgoingMessage, segments: int, price: Price | None) -> None:
    """Note what a text is charged, as it leaves. One that leaves again is charged again."""
    before, known = row.segments or 0, row.cost_thousandths or 0
    row.segments = before + segments
    if price is None or (before and row.cost_currency != price.currency):
        row.cost_thousandths = row.cost_currency = None
    else:
        row.cost_thousandths = known + segments * price.thousand_segments_minor
        row.cost_currency = price.currency


def lately(session: Session, *, now: datetime) -> SmsCosts:
    """Of the last thirty days."""
    since = now - LATELY
    price = (OutgoingMessage.cost_thousandths // OutgoingMessage.segments).label("price")
    query = (
        select(
            func.min(OutgoingMessage.sent_at), func.count(), func.sum(OutgoingMessage.segments), price,
            func.sum(OutgoingMessage.cost_thousandths), OutgoingMessage.cost_currency,
        )
        .where(OutgoingMessage.segments.is_not(None), OutgoingMessage.sent_at > since)
        .group_by(price, OutgoingMessage.cost_currency)
        .order_by(func.min(OutgoingMessage.sent_at).desc())
    )  # fmt: skip
    found = session.execute(query).all()
    sums: dict[str, int] = {}
    for *_, cost, currency in found:
        if currency is not None:
            sums[currency] = sums.get(currency, 0) + int(cost)
    return SmsCosts(
        since,
        sum(messages for _, messages, *_ in found),
        sum(segments for _, _, segments, *_ in found),
        [(_minor(cost), currency) for currency, cost in sums.items()],
        [
            PricedTexts(first, messages, segments, each, None if cost is None else _minor(cost), currency)
            for first, messages, segments, each, cost, currency in found
        ],
    )


def _minor(thousandths: int) -> int:
    return int(thousandths + 500) // 1000
