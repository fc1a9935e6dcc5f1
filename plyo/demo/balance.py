"""What the card provider's books say of the demo's last weeks: a line for whatever moved, as the daily comparison keeps
it. A few are wrong, each in another way, so that somebody has differences to resolve.

The local provider knows nothing of payments that were simulated. Real ones of a running demo come by its own books.
"""

from datetime import datetime, timedelta
from typing import LiteralString

import psycopg

DAYS = 40
"""More than a comparison looks back."""
_LINES: LiteralString = """
insert into commerce.provider_movements
    (provider, id, kind, source_id, object_id, amount_minor, currency, settled_minor, settled_currency, fee_minor,
     is_live, occurred_at)
select 'stripe', 'txn_' || kind || '_' || object_id, kind, source_id, object_id, amount_minor, currency, amount_minor,
    currency, fee_minor, false, occurred_at
from (
    select 'payment' as kind, provider_payment_id as source_id, 'ch' || substr(provider_payment_id, 3) as object_id,
        amount_minor, currency, fee_minor, captured_at as occurred_at, captured_at as newest_at
    from commerce.payments where provider = 'stripe' and status = 'captured'
    union all
    select 'refund', p.provider_payment_id, r.provider_refund_id, -r.amount_minor, r.currency, 0, r.refunded_at,
        r.refunded_at
    from commerce.refunds r join commerce.payments p on p.id = r.payment_id
    where p.provider = 'stripe' and r.status = 'succeeded'
    union all
    select 'dispute', p.provider_payment_id, d.provider_dispute_id, -d.amount_minor, d.currency, 0, d.opened_at,
        greatest(d.opened_at, d.closed_at)
    from commerce.disputes d join commerce.payments p on p.id = d.payment_id
    where p.provider = 'stripe'
    union all
    select 'dispute_reversal', p.provider_payment_id, d.provider_dispute_id,
        coalesce(d.returned_minor, d.amount_minor), d.currency, 0, d.closed_at, d.closed_at
    from commerce.disputes d join commerce.payments p on p.id = d.payment_id
    where p.provider = 'stripe' and d.status = 'won'
) as moved
where newest_at >= %(since)s
"""
# Ordinary payments of the week before last, as many as there are faults.
_CHOSEN: LiteralString = """
select id from commerce.provider_movements
where provider = 'stripe' and kind = 'payment' and amount_minor > 1000 and settled_currency = 'EUR'
    and occurred_at between %(until)s::timestamptz - interval '14 days' and %(until)s::timestamptz - interval '3 days'
    and source_id not in (
        select source_id from commerce.provider_movements where kind <> 'payment' and source_id is not null
    )
order by id limit %(count)s
"""
_LIKE: LiteralString = """
insert into commerce.provider_movements
    (provider, id, source_id, kind, object_id, amount_minor, currency, settled_minor, settled_currency, fee_minor,
     is_live, occurred_at)
select provider, id || '_other', source_id || '{}', kind, object_id || '{}', amount_minor, currency, settled_minor,
    settled_currency, fee_minor, is_live, occurred_at
from commerce.provider_movements where id = %s
"""
FAULTS: dict[str, LiteralString] = {
    "wrong_fee": "update commerce.provider_movements set fee_minor = fee_minor + 25 where id = %s",
    "rounding": "update commerce.provider_movements set amount_minor = amount_minor + 1 where id = %s",
    "wrong_amount": "update commerce.provider_movements set amount_minor = amount_minor - 500 where id = %s",
    "duplicate_at_provider": _LIKE.replace("{}", ""),
    "missing_at_us": _LIKE.replace("{}", "_other"),
    "missing_at_provider": "delete from commerce.provider_movements where id = %s",
}
"""What is done to a line, by what the comparison calls it then; one line each."""


def keep(url: str, until: datetime) -> int:
    """Write the lines of a loaded business, and what is wrong with a few of them.

    Args:
        url: libpq URL of the database, as owner of the schemas.
        until: The simulated now.

    Returns:
        How many lines there are.
    """
    with psycopg.connect(url) as connection:
        written = connection.execute(_LINES, {"since": until - timedelta(days=DAYS)}).rowcount
        chosen = connection.execute(_CHOSEN, {"until": until, "count": len(FAULTS)}).fetchall()
        for fault, (id_,) in zip(FAULTS.values(), chosen, strict=False):  # a business of a few has fewer
            connection.execute(fault, [id_])
    return written
