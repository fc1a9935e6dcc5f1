"""Whether clients who train too much, too little, too evenly, or badly rested then miss sessions, or leave.

Of every session that was kept or missed, and of every week of a member whose next 30 days are known, the state of the
day before is looked up in the marts, and how often it happened in that state is compared with the state it is set
against. A client gives many observations that are alike, so the 95 % interval counts clients, not observations: the
variance is that of the clients' own sums (the sandwich of a regression with clusters). `within_difference` compares
each client only with themselves (each client's own level taken out), so that it is not who they are that is told. It
is an association and no proof of a cause; the load is shown as a load, not as a risk.

Readiness counts for whoever let us learn from their measurements. Fewer than `ENOUGH` clients in the state, or outside
of it, are no difference, and could be told apart.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

import duckdb

from contracts import warehouse
from contracts.telemetry import get_logger
from ml.effects import tables
from ml.marts import MartsMissing, known_until
from ml.tables import make_equal

log = get_logger(__name__)
ENOUGH = 10
"""Clients."""
NORMAL_95 = 1.959963984540054


@dataclass(frozen=True, slots=True)
class State:
    """A way to be on a day, and what it is set against.

    Attributes:
        name: e.g. `load_spike`.
        condition: SQL over `acwr`, `monotony_7d`, `readiness`; null is neither.
        against: SQL of what it is compared with.
        said_against: That in words.
    """

    name: str
    condition: str
    against: str
    said_against: str


STATES = (
    State("load_spike", "acwr > 1.3", "acwr between 0.8 and 1.3", "ACWR 0.8 to 1.3"),
    State("load_drop", "acwr < 0.8", "acwr between 0.8 and 1.3", "ACWR 0.8 to 1.3"),
    State("monotonous", "monotony_7d > 2", "monotony_7d <= 2", "monotony of 2 or less"),
    State("low_readiness", "readiness < 25", "readiness >= 25", "readiness of 25 or more"),
)
"""Bounds that the field quotes: Gabbett's 0.8 and 1.3, Foster's 2, one standard deviation below one's own usual."""

_OUTCOMES = {
    "no_show": """
        select customer_id, local_day - 1 as day, cast(status = 'no_show' as integer) as happened
        from marts.scheduling.fct_bookings where status in ('attended', 'no_show')
    """,
    "left_in_30_days": """
        select customer_id, as_of - 1 as day, cast(is_churned_30d as integer) as happened
        from marts.retention.fct_churn_labels where is_churned_30d is not null
    """,
}

# `seen` has each observation once a state; of a client all that the formulas need is five sums.
_MEASURED = """
    with learned_from as (
        select distinct customer_id from marts.core.fct_consents
        where data_kind = 'daily' and purpose = 'modelling' and is_given and is_current
    ),

    days as (
        select
            coalesce(load.customer_id, rest.customer_id) as customer_id, coalesce(load.day, rest.day) as day,
            load.acwr, load.monotony_7d, rest.readiness
        from (select customer_id, day, acwr, monotony_7d from marts.training.fct_training_days) as load
        full join (
            select customer_id, day, readiness from marts.training.fct_wearable_days
            semi join learned_from using (customer_id) where readiness is not null
        ) as rest on load.customer_id = rest.customer_id and load.day = rest.day
    ),

    observed as ({observed}),

    seen as ({seen}),

    people as (
        select
            state, outcome, compared_with, customer_id, count(*) as n, sum(is_in) as n_in, sum(happened) as y,
            sum(happened * is_in) as y_in
        from seen group by all
    ),

    totals as (
        select
            state, outcome, compared_with, count(*) as clients,
            count(*) filter (n_in > 0) as clients_in, count(*) filter (n_in < n) as clients_else,
            sum(n) as n, sum(n_in) as n_in, sum(y) as y, sum(y_in) as y_in,
            sum(y_in) / nullif(sum(n_in), 0) as rate_in,
            (sum(y) - sum(y_in)) / nullif(sum(n) - sum(n_in), 0) as rate_else,
            count(*) filter (n_in > 0 and n_in < n) as clients_both,
            sum(y_in - n_in * y / n) / nullif(sum(n_in - n_in * n_in / n), 0) as within
        from people group by all
    ),

    spread as (
        select
            state, outcome,
            sqrt(sum(pow(
                (y_in - rate_in * people.n_in) / totals.n_in
                - ((people.y - people.y_in) - rate_else * (people.n - people.n_in)) / (totals.n - totals.n_in), 2
            )) * any_value(clients) / (any_value(clients) - 1)) as error,
            sqrt(sum(pow(
                people.y_in - people.n_in * people.y / people.n
                - within * (people.n_in - people.n_in * people.n_in / people.n), 2
            )) * any_value(clients_both) / (any_value(clients_both) - 1))
            / sum(people.n_in - people.n_in * people.n_in / people.n) as within_error
        from people inner join (select * rename (y_in as y_in_all) from totals) as totals using (state, outcome)
        where totals.n_in > 0 and totals.n_in < totals.n and clients > 1
        group by state, outcome
    )

    select
        state, outcome, compared_with, cast($as_of as date) as as_of, cast($now as timestamptz) as measured_at,
        clients::bigint as clients, clients_in::bigint as clients_in_state, n_in::bigint as observed_in_state,
        y_in::bigint as events_in_state, (n - n_in)::bigint as observed_else, (y - y_in)::bigint as events_else,
        case when is_told then rate_in end as rate_in_state, case when is_told then rate_else end as rate_else,
        case when is_told then rate_in - rate_else end as difference,
        case when is_told then rate_in - rate_else - $normal * error end as difference_low,
        case when is_told then rate_in - rate_else + $normal * error end as difference_high,
        case when is_told_within then within end as within_difference,
        case when is_told_within then within - $normal * within_error end as within_low,
        case when is_told_within then within + $normal * within_error end as within_high
    from (
        select
            *, clients_in >= $enough and clients_else >= $enough as is_told,
            outcome = 'no_show' and clients_both >= $enough as is_told_within
        from totals left join spread using (state, outcome)
    )
    order by state, outcome
"""


def run(settings: warehouse.WarehouseSettings) -> dict[str, int]:
    """Measure all of it anew into `marts.ml.training_effects`; writes only where something differs.

    Returns:
        Clients by state and outcome, as `state/outcome`.

    Raises:
        MartsMissing: the marts are not built yet.
    """
    with warehouse.writing(settings) as lake:
        try:
            as_of = known_until(lake)
            found = lake.execute(
                _sql(), {"as_of": as_of, "now": datetime.now(UTC), "normal": NORMAL_95, "enough": ENOUGH}
            ).pl()
        except duckdb.CatalogException as error:
            raise MartsMissing from error
        tables.ensure(lake)
        warehouse.in_transaction(lake, lambda: make_equal(lake, tables.EFFECTS, found, but=("measured_at",)))
    clients = {f"{row['state']}/{row['outcome']}": row["clients"] for row in found.iter_rows(named=True)}
    log.info("training_effects_measured", as_of=str(as_of), clients=clients)
    return clients


def _sql() -> str:
    observed = " union all ".join(f"select '{name}' as outcome, * from ({sql})" for name, sql in _OUTCOMES.items())
    seen = " union all ".join(
        f"""select '{state.name}' as state, '{state.said_against}' as compared_with, outcome, customer_id, happened,
            cast({state.condition} as integer) as is_in
        from observed inner join days using (customer_id, day) where {state.condition} or {state.against}"""
        for state in STATES
    )
    return _MEASURED.format(observed=observed, seen=seen)
