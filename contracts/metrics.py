"""The metric dictionary: one definition per number that any surface shows, as data.

The analytics service compiles its SQL from here, the consoles print `definition` under the tile, `docs/metrics.md`
tells the same story with its reasons; a test holds the three together. No SQL is run here and no mart is built here.

How to read an entry: `expression` is an aggregate over the rows of `relation`, kept to those where `where` is true and
grouped by the period that `at` falls in. A `flow` counts every row of the period, a `stock` only the rows of its last
day. Money is grouped by `currency`, always: nothing is summed across currencies.
"""

from dataclasses import dataclass
from typing import Literal

from contracts import dimensions
from contracts.former import Former
from contracts.relations import RELATIONS

Unit = Literal["count", "money", "ratio", "hours", "kg"]
Grain = Literal["day", "week", "month"]
ANY: tuple[Grain, ...] = ("day", "week", "month")


@dataclass(frozen=True, slots=True)
class Metric:
    """One number with one meaning.

    Attributes:
        name: Stable, snake_case.
        label: What a tile is called.
        definition: One or two sentences a coach understands.
        unit: `money` is integer minor units, `ratio` is 0-1.
        relation: `schema.table` in `contracts.relations`.
        expression: SQL aggregate over the relation's rows; null where it cannot be told (nothing to divide by).
        at: Column that places a row in time.
        kind: `flow` over a period, or `stock` at its end.
        where: SQL condition on the rows that count; empty for all.
        exclusions: What is left out, and why.
        owner: Who answers for it.
        grains: Periods it may be asked for.
        former: What it meant before, oldest first. A changed `expression` or `where` leaves its old words here.
    """

    name: str
    label: str
    definition: str
    unit: Unit
    relation: str
    expression: str
    at: str
    kind: Literal["flow", "stock"] = "flow"
    where: str = ""
    exclusions: str = "None."
    owner: str = "finance"
    grains: tuple[Grain, ...] = ANY
    former: tuple[Former, ...] = ()

    @property
    def dimensions(self) -> tuple[str, ...]:
        """What it may be told apart by, by name."""
        return dimensions.known_by(self.columns - {self.at})

    @property
    def columns(self) -> frozenset[str]:
        """Columns of the relation: what the metric may be filtered by (`currency`, `coach_id`, `customer_id`…)."""
        return frozenset(RELATIONS[self.relation].columns)

    @property
    def has_currency(self) -> bool:
        """Whether the answer is one series per currency."""
        return self.unit == "money" or "currency" in self.columns


_DAILY = "finance.fct_mrr_daily"
_MONTHS = "finance.fct_membership_months"
_BOOKINGS = "scheduling.fct_bookings"
_TAX = "Tax, packs and one-off sales; trials and paused memberships, which pay nothing."

_ALL = (
    Metric(
        "mrr", "Monthly recurring revenue",
        "What all running memberships pay in a month at their contracted price, each normalised to one month.",
        "money", _DAILY, "sum(mrr_minor)", "day", "stock", exclusions=_TAX,
    ),
    Metric(
        "new_mrr", "New MRR", "MRR of customers who became members for the first time.",
        "money", _DAILY, "sum(new_minor)", "day", exclusions=_TAX,
    ),
    Metric(
        "expansion_mrr", "Expansion MRR",
        "MRR added by price rises, larger plans and memberships resumed after a pause.",
        "money", _DAILY, "sum(expansion_minor)", "day", exclusions=_TAX,
    ),
    Metric(
        "contraction_mrr", "Contraction MRR",
        "MRR lost to price cuts, smaller plans and pauses, as a negative amount.",
        "money", _DAILY, "sum(contraction_minor)", "day", exclusions=_TAX,
    ),
    Metric(
        "churned_mrr", "Churned MRR", "MRR of memberships that ended, as a negative amount.",
        "money", _DAILY, "sum(churn_minor)", "day", exclusions=_TAX,
    ),
    Metric(
        "reactivation_mrr", "Reactivation MRR", "MRR of former members who came back.",
        "money", _DAILY, "sum(reactivation_minor)", "day", exclusions=_TAX,
    ),
    Metric(
        "active_members", "Active members",
        "Memberships that have started, have not ended and are not paused, whether or not the member visits.",
        "count", _DAILY, "sum(active_members)", "day", "stock", exclusions="Trials, paused memberships, packs.",
    ),
    Metric(
        "paused_members", "Paused members", "Memberships on pause: they pay nothing and have not left.",
        "count", _DAILY, "sum(paused_members)", "day", "stock",
    ),
    Metric(
        "members_started", "Members joined", "Memberships that started or started again.",
        "count", _DAILY, "sum(members_started)", "day", exclusions="Trials until they pay; resumed pauses.",
    ),
    Metric(
        "members_ended", "Members lost", "Memberships that ended, by the customer's wish or by failed payment.",
        "count", _DAILY, "sum(members_ended)", "day", exclusions="Trials that never paid; pauses.",
    ),
    Metric(
        "net_member_movement", "Net member movement", "Members joined minus members lost.",
        "count", _DAILY, "sum(members_started) - sum(members_ended)", "day",
    ),
    Metric(
        "involuntary_churn_rate", "Involuntary share of churn",
        "Of the memberships that ended, the share that ended because payment could not be collected.",
        "ratio", "finance.fct_mrr_movements",
        "avg(case when cancel_kind = 'involuntary' then 1.0 else 0.0 end)", "changed_on", where="kind = 'churn'",
    ),
    Metric(
        "attrition", "Attrition",
        "Of the members at the start of the month, the share who are not members at its end.",
        "ratio", _MONTHS, "sum(members_lost) / nullif(sum(members_at_start), 0)", "month",
        exclusions="Who joined within the month; a pause is not a loss. The running month counts until today.",
        owner="retention", grains=("month",),
    ),
    Metric(
        "member_retention", "Retention",
        "Of the members at the start of the month, the share who are still members at its end.",
        "ratio", _MONTHS, "1 - sum(members_lost) / nullif(sum(members_at_start), 0)", "month",
        exclusions="Who joined within the month.", owner="retention", grains=("month",),
    ),
    Metric(
        "arpm", "Average revenue per member",
        "Money collected in the month, less refunds, divided by everybody who was a member in it.",
        "money", _MONTHS, "sum(revenue_minor) / nullif(sum(members_any), 0)", "month",
        exclusions="Payments by customers without a membership that month.", grains=("month",),
    ),
    Metric(
        "payments_captured", "Payments collected", "Money captured, before refunds, disputes and provider fees.",
        "money", "finance.fct_payments", "sum(amount_minor)", "captured_on", where="status = 'captured'",
        exclusions="Failed and pending attempts. Tax is included.",
    ),
    Metric(
        "net_revenue", "Net revenue",
        "Money captured, less what was refunded or is disputed and not won, on the day it was captured.",
        "money", "finance.fct_payments", "sum(amount_minor - refunded_minor - disputed_minor)", "captured_on",
        where="status = 'captured'", exclusions="Provider fees are not subtracted. Tax is included.",
    ),
    Metric(
        "payment_failure_rate", "Failed payment attempts", "Share of attempts to collect that failed.",
        "ratio", "finance.fct_payments", "avg(case when status = 'failed' then 1.0 else 0.0 end)", "attempted_on",
        where="status in ('captured', 'failed')", exclusions="Attempts still pending or of unknown fate.",
    ),
    Metric(
        "sessions_delivered", "Sessions delivered", "Sessions that at least one customer attended.",
        "count", "scheduling.fct_slots", "count(*)", "local_day", where="seats_attended > 0",
        exclusions="A group session counts once, however full.", owner="operations",
    ),
    Metric(
        "attendances", "Attendances", "Seats that were attended.",
        "count", _BOOKINGS, "count(*)", "local_day", where="status = 'attended'", owner="operations",
    ),
    Metric(
        "no_show_rate", "No-show rate", "Of the bookings that came due, the share neither attended nor cancelled.",
        "ratio", _BOOKINGS, "avg(case when status = 'no_show' then 1.0 else 0.0 end)", "local_day",
        where="status in ('attended', 'no_show', 'late_cancelled')",
        exclusions="Bookings cancelled in time, and those whose outcome is not marked yet.", owner="operations",
    ),
    Metric(
        "late_cancel_rate", "Late-cancel rate",
        "Of the bookings that came due, the share cancelled inside the cancellation window.",
        "ratio", _BOOKINGS, "avg(case when status = 'late_cancelled' then 1.0 else 0.0 end)", "local_day",
        where="status in ('attended', 'no_show', 'late_cancelled')",
        exclusions="Bookings cancelled in time, and those whose outcome is not marked yet.", owner="operations",
    ),
    Metric(
        "active_clients", "Active clients", "Customers who attended at least one session, whatever they pay with.",
        "count", _BOOKINGS, "count(distinct customer_id)", "local_day", where="status = 'attended'",
        exclusions="Members who did not come.", owner="operations",
    ),
    Metric(
        "utilisation", "Coach utilisation",
        "Hours of sessions delivered divided by the hours coaches were available.",
        "ratio", "scheduling.fct_coach_weeks", "sum(delivered_hours) / nullif(sum(available_hours), 0)",
        "week_starts_on", exclusions="Holidays and sick days are not available. A slot counts once, however full.",
        owner="operations", grains=("week", "month"),
    ),
    Metric(
        "fill_rate", "Fill rate", "Seats held divided by seats offered, over slots that have started.",
        "ratio", "scheduling.fct_slots", "sum(seats_held) / nullif(sum(capacity), 0)", "local_day",
        where="status = 'open' and starts_at <= current_timestamp", exclusions="Cancelled slots.", owner="operations",
    ),
    Metric(
        "workouts_completed", "Workouts completed", "Workouts logged as done, planned or not.",
        "count", "training.fct_workouts", "count(*)", "completed_on", where="status = 'completed'", owner="coaching",
    ),
    Metric(
        "training_volume", "Training volume", "Weight times repetitions over all sets of workouts done.",
        "kg", "training.fct_workouts", "sum(volume_kg)", "completed_on", where="status = 'completed'",
        exclusions="Sets without a weight.", owner="coaching",
    ),
    Metric(
        "adherence", "Adherence", "Planned workouts done divided by workouts planned, in the planned week.",
        "ratio", "training.fct_adherence_weeks", "sum(completed) / nullif(sum(planned), 0)", "week_starts_on",
        exclusions="Workouts outside a programme; days still to come.", owner="coaching", grains=("week", "month"),
    ),
    Metric(
        "messages_sent", "Messages", "Messages between clients and coaches.",
        "count", "engagement.fct_messages", "count(*)", "sent_on", where="kind <> 'system'",
        exclusions="Messages written by the system.", owner="coaching",
    ),
    Metric(
        "nudges_sent", "Nudges sent", "Messages a coach sent from the queue because a rule suggested it.",
        "count", "engagement.fct_messages", "count(*)", "sent_on", where="kind = 'nudge'", owner="coaching",
    ),
    Metric(
        "lead_conversion", "Lead conversion", "Of the leads captured in the period, the share who became members.",
        "ratio", "engagement.fct_leads",
        "avg(case when became_member_at is not null then 1.0 else 0.0 end)", "created_on",
        exclusions="Young leads may still convert: recent periods read low.", owner="growth",
    ),
)  # fmt: skip

METRICS: dict[str, Metric] = {metric.name: metric for metric in _ALL}
"""Every metric by name, in the order surfaces list them."""
