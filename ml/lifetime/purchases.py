"""What pack buyers have bought so far, from the marts: how often, when last, since when, and for how much.

A purchase is a day on which somebody bought packs or single sessions in a currency, tax excluded, less what of them was
given back, lost to a bank or never paid; what is nothing then was no purchase. Whoever becomes a
member buys no packs because of that, not because they are gone: what is known of them as a buyer ends that day.
"""

from dataclasses import dataclass
from datetime import date

import duckdb
import numpy as np
import polars as pl

from ml.lifetime.bg_nbd import Vector
from ml.marts import MartsMissing

DAYS_A_WEEK = 7.0

# The days of a purchase count, not its rows: two packs at once are one decision to buy. A refund has a credit note, or
# is older than those.
_BUYERS = """
    with lost as (
        select invoice_id, sum(disputed_minor) as lost_minor from marts.finance.fct_payments group by invoice_id
    ),

    kept as (
        select
            session_pack_id,
            case
                when status in ('void', 'uncollectible') then 0
                else greatest(
                    1 - (greatest(credited_minor, refunded_minor) + coalesce(lost_minor, 0)) / nullif(total_minor, 0), 0
                )
            end as share
        from marts.finance.fct_invoices left join lost using (invoice_id)
        where session_pack_id is not null
    ),

    days as (
        select
            pack.customer_id, pack.currency, pack.purchased_on,
            sum(pack.net_minor * coalesce(kept.share, 1)) as net_minor,
            any_value(cast(customer.member_since as date)) as member_since
        from marts.finance.fct_packs as pack
        left join kept using (session_pack_id)
        left join marts.core.dim_customers as customer using (customer_id)
        where pack.purchased_on <= $as_of and coalesce(kept.share, 1) > 0
            and (customer.member_since is null or pack.purchased_on < cast(customer.member_since as date))
        group by pack.customer_id, pack.currency, pack.purchased_on
    )

    select
        cast(customer_id as varchar) as customer_id, currency, count(*) as purchases,
        min(purchased_on) as first_purchased_on, max(purchased_on) as last_purchased_on,
        date_diff('day', min(purchased_on), max(purchased_on)) as recency_days,
        date_diff('day', min(purchased_on), least(cast($as_of as date), any_value(member_since))) as age_days,
        avg(net_minor) as mean_spend_minor,
        coalesce(avg(net_minor) filter (where not is_first), 0) as mean_of_repeats_minor,
        any_value(member_since) is not null as is_member
    from (
        select *, purchased_on = min(purchased_on) over (partition by customer_id, currency) as is_first from days
    )
    group by customer_id, currency order by currency, customer_id
"""


@dataclass(frozen=True, slots=True)
class Buyers:
    """People of one currency, ordered by id.

    Attributes:
        frame: customer_id (String), currency, purchases, first_purchased_on, last_purchased_on, mean_spend_minor,
            mean_of_repeats_minor, is_member and days.
    """

    frame: pl.DataFrame

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def frequency(self) -> Vector:
        """Purchases after the first."""
        return self._told("purchases") - 1

    @property
    def recency(self) -> Vector:
        """Weeks from the first to the last purchase."""
        return self._told("recency_days") / DAYS_A_WEEK

    @property
    def age(self) -> Vector:
        """Weeks from the first purchase to the end of what is known."""
        return self._told("age_days") / DAYS_A_WEEK

    @property
    def mean_of_repeats(self) -> Vector:
        """Mean minor units of the purchases after the first; 0 without any."""
        return self._told("mean_of_repeats_minor")

    def where(self, condition: pl.Expr) -> "Buyers":
        """Those of whom it is true."""
        return Buyers(self.frame.filter(condition))

    def _told(self, column: str) -> Vector:
        return self.frame[column].cast(pl.Float64).to_numpy().astype(np.float64)


def by_currency(lake: duckdb.DuckDBPyConnection, as_of: date) -> dict[str, Buyers]:
    """Everybody who ever bought a pack before they were a member, by the end of a day.

    Raises:
        MartsMissing: the marts are not built yet.
    """
    try:
        frame = lake.execute(_BUYERS, {"as_of": as_of}).pl()
    except duckdb.CatalogException as error:
        raise MartsMissing from error
    return {str(currency): Buyers(part) for (currency,), part in frame.group_by("currency", maintain_order=True)}
