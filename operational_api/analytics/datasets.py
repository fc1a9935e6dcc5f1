"""The datasets that screens draw: what each is, whose it is, what it may be narrowed by.

A dataset is a query over marts; the server wraps it with the caller's rows and parameters. Only shapes are made here:
a number with a name of its own is a metric, defined in `contracts.metrics`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Literal
from uuid import UUID

from operational_api.analytics import scope, withheld
from operational_api.analytics.errors import NotAllowed, NotBuilt, UnknownDataset, WholeBusiness
from operational_api.analytics.lake import Answer, Lake, one
from operational_api.analytics.query import Query, Value
from operational_api.core import policy
from operational_api.core.policy import Resource
from operational_api.core.principal import Principal

Subject = Literal["client", "coach", "business"]
PARAMETERS: dict[str, type] = {
    "customer_id": UUID, "coach_id": UUID, "exercise_id": int, "currency": str, "from": date, "to": date,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Dataset:
    """One table for screens.

    Attributes:
        name: Stable name.
        definition: What a row is.
        text: Query over `@marts`.
        subject: `client`: one client's page, needs customer_id. `coach`: rows carry coach_id, coaches see their own.
            `business`: for admins.
        filters: Columns it may be narrowed by.
        day: Column that `from` and `to` narrow.
        order: Order of rows.
        is_health: Health data: for the client and their coach only.
        hidden_from_customers: Columns a customer does not get.
        kinds: Of data, where a row is of nothing else: who shows none of them is like a missing client.
    """

    name: str
    definition: str
    text: str
    subject: Subject
    filters: tuple[str, ...] = ()
    day: str | None = None
    order: str = "all"
    is_health: bool = False
    hidden_from_customers: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of query parameters it understands."""
        own = ("customer_id",) if self.subject == "client" else ()
        return own + self.filters + (("from", "to") if self.day else ())


_SCORES = """(
        select * from @ml.churn_scores
        where as_of = (select max(as_of) from @ml.churn_scores)
        qualify row_number() over (
            partition by customer_id
            order by model_id in (select model_id from @ml.churn_models where is_current) desc, scored_at desc
        ) = 1
    )"""
"""One score a customer: of the newest date, by the model in use where it has scored them. A model taken back into use
keeps the time of its scores, so the newest time alone would tell the other's."""
_RISK = ("probability", "probability_low", "probability_high", "base_value", "reasons", "scored_for", "model_id")
_CUSTOMERS = f"""select customer.*, score.probability, score.probability_low, score.probability_high, score.base_value,
        score.reasons, score.as_of as scored_for, score.model_id
    from @core.dim_customers as customer
    left join {_SCORES} as score using (customer_id)"""

_ALL = (
    Dataset(
        "coach_clients", "One row per client of a coach, with the newest churn score.",
        f"{_CUSTOMERS} where customer.coach_id is not null", "coach", ("coach_id",), order="display_name",
    ),
    Dataset(
        "watchlist", "One row per scored member, riskiest first, with interval and reasons.",
        f"""select score.customer_id, customer.display_name, customer.coach_id, customer.coach_name, customer.plan_name,
        customer.stage, customer.currency, customer.mrr_minor, customer.last_session_at, customer.next_session_at,
        score.probability, score.probability_low, score.probability_high, score.base_value, score.reasons,
        score.as_of, score.scored_at, score.model_id
    from {_SCORES} as score inner join @core.dim_customers as customer using (customer_id)""",
        "coach", ("coach_id",), order="probability desc, customer_id",
    ),
    Dataset(
        "client_overview", "One row: the client as known today, with the newest churn score.",
        _CUSTOMERS, "client", hidden_from_customers=_RISK,
    ),
    Dataset(
        "client_progress", "One row per exercise and day it was trained: best set, estimated one-rep maximum.",
        "select * from @training.fct_exercise_bests", "client", ("exercise_id",), "performed_on",
        "performed_on, exercise_name", kinds=("training",),
    ),
    Dataset(
        "client_training_days", "One row per day since the first workout: load, acute and chronic load.",
        "select * from @training.fct_training_days", "client", (), "day", "day", kinds=("training",),
    ),
    Dataset(
        "client_adherence", "One row per week in which workouts were planned.",
        "select * from @training.fct_adherence_weeks", "client", (), "week_starts_on", "week_starts_on",
        kinds=("training",),
    ),
    Dataset(
        "client_wearables", "One row per day: sleep, heart rate and readiness from the device that counts.",
        "select * from @training.fct_wearable_days", "client", (), "day", "day", is_health=True,
        kinds=("sleep", "daily"),
    ),
    Dataset(
        "client_activities",
        "One row per recording of a workout by a device or file; of two of the same workout one is counted.",
        "select * from @training.fct_activities", "client", (), "local_day", "started_at desc, activity_id",
        is_health=True, kinds=("activity",),
    ),
    Dataset(
        "client_workouts", "One row per workout, planned or done.",
        "select * from @training.fct_workouts", "client", (), "scheduled_on", "scheduled_on desc, workout_id",
        kinds=("training",),
    ),
    Dataset(
        "mrr_daily", "One row per day and currency: recurring revenue and how it moved.",
        "select * from @finance.fct_mrr_daily", "business", ("currency",), "day", "day, currency",
    ),
    Dataset(
        "mrr_movements", "One row per step of a membership's recurring revenue, with the customer's name.",
        """select movement.*, customer.display_name as customer_name, customer.plan_name, customer.coach_name
    from @finance.fct_mrr_movements as movement left join @core.dim_customers as customer using (customer_id)""",
        "business", ("currency", "customer_id"), "changed_on", "changed_at desc, change_id",
    ),
    Dataset(
        "payments_daily",
        "One row per day and currency: money captured on that day, and attempts that failed on it.",
        """select coalesce(captured_on, attempted_on) as day, currency, count(*) as attempts,
        coalesce(sum(amount_minor) filter (status = 'captured'), 0)::bigint as captured_minor,
        coalesce(sum(amount_minor) filter (status = 'failed'), 0)::bigint as failed_minor,
        coalesce(sum(refunded_minor), 0)::bigint as refunded_minor,
        coalesce(sum(disputed_minor), 0)::bigint as disputed_minor,
        coalesce(sum(fee_minor), 0)::bigint as fee_minor,
        count(*) filter (status = 'failed') as failed_attempts
    from @finance.fct_payments group by all""",
        "business", ("currency",), "day", "day, currency",
    ),
    Dataset(
        "coach_utilisation", "One row per coach and week: hours available, booked and delivered.",
        """select week.*, coach.display_name as coach_name, coach.city, coach.client_capacity, coach.active_clients
    from @scheduling.fct_coach_weeks as week left join @core.dim_coaches as coach using (coach_id)""",
        "coach", ("coach_id",), "week_starts_on", "week_starts_on, coach_name, coach_id",
    ),
    Dataset(
        "bookings_daily", "One row per day and coach: bookings by what became of them.",
        """select local_day as day, coach_id, count(*) as bookings,
        count(*) filter (status = 'booked') as booked, count(*) filter (status = 'attended') as attended,
        count(*) filter (status = 'no_show') as no_shows,
        count(*) filter (status = 'late_cancelled') as late_cancelled,
        count(*) filter (status = 'cancelled') as cancelled
    from @scheduling.fct_bookings group by all""",
        "coach", ("coach_id",), "day", "day, coach_id",
    ),
    Dataset(
        "cohort_retention", "One row per month of first membership and months since: who is still a member.",
        "select * from @retention.fct_cohort_retention", "business", (), "cohort_month", "cohort_month, months_since",
    ),
    Dataset(
        "automation_effects", "One row per rule and outcome: treated against held out, with a 95 % interval.",
        "select * from @retention.fct_automation_effects", "business", order="rule_name, outcome",
    ),
    Dataset(
        "automation_runs", "One row per time a rule met a customer.",
        """select run.*, customer.display_name as customer_name, customer.coach_name
    from @retention.fct_automation_runs as run left join @core.dim_customers as customer using (customer_id)""",
        "coach", ("coach_id",), "started_at", "started_at desc, run_id",
    ),
    Dataset(
        "churn_model_card", "One row per trained churn model, the current one first, with its measures.",
        "select * from @ml.churn_models", "business", order="is_current desc, trained_at desc, model_id",
    ),
    Dataset(
        "stages_daily", "One row per day and stage: how many customers were in it.",
        "select * from @core.fct_stages_daily", "business", (), "day", "day, stage",
    ),
)  # fmt: skip

HEALTH_COLUMNS = frozenset(
    {
        "has_open_injury", "adherence", "adherence_30d", "load", "volume_kg", "best_e1rm_kg", "sleep_minutes",
        "sleep_efficiency", "hrv_rmssd_ms", "hrv_baseline_ms", "resting_heart_rate_bpm", "average_heart_rate_bpm",
        "max_heart_rate_bpm", "steps", "readiness",
    }
)  # fmt: skip
"""Columns of lists that tell of somebody's health; who reads such a list has read about everybody in it."""

DATASETS: dict[str, Dataset] = {dataset.name: dataset for dataset in _ALL}


def dataset(name: str) -> Dataset:
    """The dataset.

    Raises:
        UnknownDataset: there is none of that name.
    """
    try:
        return DATASETS[name]
    except KeyError:
        raise UnknownDataset(f"There is no dataset `{name[:60]}`.", allowed=sorted(DATASETS)) from None


def subjects_of(dataset: Dataset, principal: Principal, given: Mapping[str, Value], answer: Answer) -> set[UUID]:
    """Whose health an answer tells of, for the audit log: the client it is about, or everybody in a list that has a
    column of `HEALTH_COLUMNS`."""
    if dataset.subject == "client":
        return {UUID(str(given.get("customer_id", principal.account_id)))}
    columns = set(answer.table.column_names)
    if "customer_id" not in columns or not columns & HEALTH_COLUMNS:
        return set()
    return {UUID(str(one)) for one in answer.table["customer_id"].to_pylist() if one is not None}


def read(
    lake: Lake,
    principal: Principal,
    dataset: Dataset,
    given: Mapping[str, Value],
    *,
    shown: withheld.Shown,
    snapshot_id: int | None = None,
) -> Answer:
    """The rows the principal may see, narrowed by the parameters given; what their customers withhold is left out.

    Args:
        shown: Asks what customers let others see.

    Raises:
        NotAllowed: a parameter is missing or not understood.
        WholeBusiness: the dataset is not for this role.
        NotFound: the client is nobody's the principal may know of.
    """
    at = lake.snapshot_id() if snapshot_id is None else snapshot_id
    given = _checked(principal, dataset, given)
    if dataset.subject == "client":
        _require_client(lake, principal, dataset, given["customer_id"], at, shown)
    answer = lake.ask(compile_rows(principal, dataset, given), snapshot_id=at)
    return replace(answer, table=withheld.blank(answer.table, principal, shown))


def compile_rows(principal: Principal, dataset: Dataset, given: Mapping[str, Value]) -> Query:
    """The query of `read`, with the row policy inside."""
    if dataset.subject != "client":
        scope.require_staff(principal)
    is_money = all(name.startswith("finance.") for name in Query(dataset.text).relations)
    needed = "analytics.read_money" if is_money else "analytics.read_everything"
    if dataset.subject == "business" and not policy.may_principal(principal, needed):
        raise WholeBusiness
    columns = {"client": ("customer_id",), "coach": ("coach_id",), "business": ()}[dataset.subject]
    allowed = scope.of(
        principal, columns, schema="finance" if is_money else "", is_client_history=dataset.subject == "client"
    )
    conditions, parameters = [], dict(allowed.parameters)
    names = {"from": (f"{dataset.day} >= $since", "since"), "to": (f"cast({dataset.day} as date) <= $until", "until")}
    for name, value in given.items():
        condition, parameter = names.get(name, (f"{name} = ${name}", name))
        conditions.append(condition)
        parameters[parameter] = value
    if allowed.condition:
        conditions.append(allowed.condition)
    hidden = dataset.hidden_from_customers if principal.role == "customer" else ()
    chosen = f"* exclude ({', '.join(hidden)})" if hidden else "*"
    where = f"\nwhere {' and '.join(conditions)}" if conditions else ""
    return Query(f"select {chosen} from (\n    {dataset.text}\n){where}\norder by {dataset.order}", parameters)


def _checked(principal: Principal, dataset: Dataset, given: Mapping[str, Value]) -> dict[str, Value]:
    told = dict(given)
    if unknown := sorted(told.keys() - set(dataset.parameters)):
        raise NotAllowed(f"`{dataset.name}` does not know {', '.join(unknown)}.", allowed=list(dataset.parameters))
    if dataset.subject == "client" and "customer_id" not in told:
        if principal.role != "customer" or principal.account_id is None:
            raise NotAllowed(
                f"`{dataset.name}` is about one client: give customer_id.", allowed=list(dataset.parameters)
            )
        told["customer_id"] = principal.account_id
    return told


def _require_client(
    lake: Lake, principal: Principal, dataset: Dataset, customer_id: Value, snapshot_id: int, shown: withheld.Shown
) -> None:
    found = one(
        lake.ask(
            Query(
                "select coach_id from @core.dim_customers where customer_id = $customer_id",
                {"customer_id": customer_id},
            ),
            snapshot_id=snapshot_id,
        ).table
    )
    if found is None and principal.role == "customer" and customer_id == principal.account_id:
        raise NotBuilt("You are not in the numbers yet. They follow within minutes of joining.")
    coach_id = UUID(found["coach_id"]) if found and found["coach_id"] else None
    client = Resource(
        "Client",
        str(customer_id),
        customer_id=UUID(str(customer_id)) if found else None,
        coach_id=coach_id,
        kind="health" if dataset.is_health else None,
    )
    policy.require(principal, "analytics.read_client", client)
    if not dataset.kinds or client.customer_id is None or client.customer_id == principal.account_id:
        return
    consents = shown([client.customer_id])[client.customer_id]
    if not withheld.allowed_kinds(principal, client.customer_id, dataset.kinds, consents, coach_id):
        policy.require(
            principal, "analytics.read_client", replace(client, data_kind=dataset.kinds[0], consents=consents)
        )
