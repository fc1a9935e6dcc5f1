"""The datasets: what each is, whose it is, what it may be narrowed by. Each mart is one, and so is what screens draw.

A dataset is a query over marts; `datasets` wraps it with the caller's rows and parameters. Only shapes are made here:
a number with a name of its own is a metric, defined in `contracts.metrics`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Literal
from uuid import UUID

from contracts.relations import RELATIONS, Relation
from operational_api.analytics.query import Query, Value

Subject = Literal["client", "coach", "business"]
PARAMETERS: dict[str, type] = {
    "customer_id": UUID, "coach_id": UUID, "location_id": UUID, "exercise_id": int, "currency": str, "from": date,
    "to": date,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Dataset:
    """One table for screens and files.

    Attributes:
        name: Stable name; `schema.table` of the mart that it is as it stands.
        definition: What a row is.
        text: Query over `@marts`.
        subject: `client`: one client's page, needs customer_id. `coach`: rows carry coach_id or customer_id, coaches
            see their own. `business`: for admins.
        filters: Columns it may be narrowed by.
        day: Column that `from` and `to` narrow.
        order: Columns that tell every two rows apart, so that pages can go on after any row.
        is_health: Health data: for the client and their coach only.
        of_customers: Rows of subject `coach` carry customer_id: whose client that is now decides.
        hidden_from_customers: Columns a customer does not get.
        kinds: Of data, where a row is of nothing else: who shows none of them is like a missing client.
        values: Of the parameters that `text` has.
    """

    name: str
    definition: str
    text: str
    subject: Subject
    filters: tuple[str, ...] = ()
    day: str | None = None
    order: str = ""
    is_health: bool = False
    of_customers: bool = False
    hidden_from_customers: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    values: Mapping[str, Value] = field(default_factory=dict)

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of query parameters it understands."""
        own = ("customer_id",) if self.subject == "client" else ()
        return own + self.filters + (("from", "to") if self.day else ())

    @property
    def relations(self) -> tuple[str, ...]:
        """Marts it reads."""
        return Query(self.text).relations

    @property
    def is_money(self) -> bool:
        """Whether it is about money alone, and so for finance too."""
        return all(name.startswith("finance.") for name in self.relations)

    def ordered(self) -> list[tuple[str, bool, str]]:
        """Columns of `order`, whether each falls, and its DuckDB type."""
        found = []
        for part in self.order.split(","):
            column, _, way = part.strip().partition(" ")
            types = [RELATIONS[one].columns.get(column) for one in (*self.relations, *RELATIONS)]
            found.append((column, way == "desc", next(filter(None, types), "varchar")))
        return found


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

_PLANS = "(select distinct plan_id, plan_name from @core.dim_plans)"
"""By the names that plans have now: who was sold one under another name has the same plan."""

_SUMMED = ", ".join(
    f"sum({name})::{kind} as {name}" for name, kind in RELATIONS["finance.fct_mrr_daily"].columns.items()
    if name not in ("day", "currency", "plan_id", "plan_code", "transfer_minor")
)  # fmt: skip
"""What a day's plans come to, of what was known before there were plans too; transfers come to nothing."""

_ALL = (
    Dataset(
        "coach_clients", "One row per client of a coach, with the newest churn score.",
        f"{_CUSTOMERS} where customer.coach_id is not null", "coach", ("coach_id",),
        order="display_name, customer_id", of_customers=True,
    ),
    Dataset(
        "watchlist", "One row per scored member, riskiest first, with interval and reasons.",
        f"""select score.customer_id, customer.display_name, customer.coach_id, customer.coach_name, customer.plan_name,
        customer.stage, customer.currency, customer.mrr_minor, customer.last_session_at, customer.next_session_at,
        score.probability, score.probability_low, score.probability_high, score.base_value, score.reasons,
        score.as_of, score.scored_at, score.model_id
    from {_SCORES} as score inner join @core.dim_customers as customer using (customer_id)""",
        "coach", ("coach_id",), order="probability desc, customer_id", of_customers=True,
    ),
    Dataset(
        "client_overview", "One row: the client as known today, with the newest churn score.",
        _CUSTOMERS, "client", order="customer_id", hidden_from_customers=_RISK,
    ),
    Dataset(
        "client_progress", "One row per exercise and day it was trained: best set, estimated one-rep maximum.",
        "select * from @training.fct_exercise_bests", "client", ("exercise_id",), "performed_on",
        "performed_on, exercise_name, exercise_id", kinds=("training",),
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
        f"""select day, currency, {_SUMMED}
    from @finance.fct_mrr_daily group by day, currency""",
        "business", ("currency",), "day", "day, currency",
    ),
    Dataset(
        "mrr_movements",
        "One row per step of a membership's recurring revenue, with its plan; customer and coach are named as of now.",
        f"""select movement.*, customer.display_name as customer_name, plan.plan_name, customer.coach_name
    from @finance.fct_mrr_movements as movement left join @core.dim_customers as customer using (customer_id)
    left join {_PLANS} as plan using (plan_id)""",
        "business", ("currency", "customer_id"), "changed_on", "changed_at desc, change_id",
    ),
    Dataset(
        "payments_daily",
        "One row per day and currency: money captured on that day, and attempts that failed; nothing that wallets pay.",
        """select coalesce(captured_on, attempted_on) as day, currency, count(*) as attempts,
        coalesce(sum(amount_minor) filter (status = 'captured'), 0)::bigint as captured_minor,
        coalesce(sum(amount_minor) filter (status = 'failed'), 0)::bigint as failed_minor,
        coalesce(sum(refunded_minor), 0)::bigint as refunded_minor,
        coalesce(sum(disputed_minor), 0)::bigint as disputed_minor,
        coalesce(sum(fee_minor), 0)::bigint as fee_minor,
        count(*) filter (status = 'failed') as failed_attempts
    from @finance.fct_payments where provider not in ('wallet', 'gift') group by all""",
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
        "select * from @retention.fct_automation_effects", "business", order="rule_name, outcome, rule_id",
    ),
    Dataset(
        "automation_runs", "One row per time a rule met a customer, with who coached them then.",
        """select run.*, customer.display_name as customer_name, coach.display_name as coach_name
    from @retention.fct_automation_runs as run left join @core.dim_customers as customer using (customer_id)
    left join @core.dim_coaches as coach on run.coach_id = coach.coach_id""",
        "coach", ("coach_id",), "started_at", "started_at desc, run_id", of_customers=True,
    ),
    Dataset(
        "churn_model_card", "One row per trained churn model, the current one first, with its measures.",
        "select * from @ml.churn_models", "business", order="is_current desc, trained_at desc, model_id",
    ),
    Dataset(
        "pack_buyers", "One row per pack buyer without a membership: what they will probably bring in a year.",
        """select worth.*, customer.display_name, customer.coach_name
    from @ml.lifetime_values as worth left join @core.dim_customers as customer using (customer_id)""",
        "business", ("currency",), order="expected_value_minor desc, customer_id, currency",
    ),
    Dataset(
        "lifetime_model_card", "One row per currency: what is known of how pack buyers come back.",
        "select * from @ml.lifetime_models", "business", ("currency",), order="currency",
    ),
    Dataset(
        "training_effects", "One row per state of training or rest and outcome: what followed, with 95 % intervals.",
        "select * from @ml.training_effects", "business", order="outcome, state",
    ),
    Dataset(
        "stages_daily", "One row per day and stage: how many customers were in it.",
        "select * from @core.fct_stages_daily", "business", (), "day", "day, stage",
    ),
    Dataset(
        "suite_judgements", "One row per look of a suite at a batch or a raw table, newest first: what was not met.",
        """select judgement_id, judged_at, judged_on, raw_table, judged_where, max(judged_rows) as judged_rows,
        max(refused_rows) as refused_rows, bool_and(is_met) as is_met,
        string_agg(expectation || ' (' || refused_rows || ')', '; ' order by refused_rows desc, expectation)
            filter (expectation <> 'the suite' and not is_met) as expectation
    from @quality.fct_suite_judgements group by all""",
        "business", (), "judged_on", "judged_at desc, judgement_id",
    ),
)  # fmt: skip

_DEVICES = {"training.fct_wearable_days": ("sleep", "daily"), "training.fct_activities": ("activity",)}


def _mart(relation: Relation) -> Dataset:
    """A mart as it stands. Whoever it is about, finance stays the business's, and training the coach's and client's."""
    has = relation.columns.keys()
    is_about = "coach" if has & {"coach_id", "customer_id"} and relation.schema != "finance" else "business"
    is_health = relation.schema == "training" and "customer_id" in has
    return Dataset(
        relation.name, relation.grain, f"select * from @{relation.name}", is_about,  # type: ignore[arg-type]
        tuple(name for name in ("coach_id", "customer_id", "location_id", "currency") if name in has),
        next((name for name, kind in relation.columns.items() if kind == "date"), None), ", ".join(relation.key),
        is_health=is_health, of_customers=is_about == "coach" and "customer_id" in has,
        kinds=_DEVICES.get(relation.name, ("training",)) if is_health else (),
    )  # fmt: skip


SCREENS: dict[str, Dataset] = {dataset.name: dataset for dataset in _ALL}
"""What screens draw, by name."""
DATASETS: dict[str, Dataset] = SCREENS | {name: _mart(relation) for name, relation in RELATIONS.items()}
"""Everything that may be asked for, by name."""
