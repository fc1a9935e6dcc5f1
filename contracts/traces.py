"""How a row of a mart is led back to what it was made of: finer marts, and the change log of the product's tables.

Each mart says which rows of which tables are its row's, by what the row itself tells (`$column`). A test holds that
every mart is here, that every condition runs, and that each way ends at a table of the product unless it says why not.

Does not belong here: who may see what is found (`operational_api.analytics`), how marts are built (`dbt_project/`).
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Way:
    """One step back.

    Attributes:
        to: A mart (`schema.table`), or a raw table (`<context>__<table>`).
        on: SQL condition on its rows; `$column` is a value of the row that is asked about.
    """

    to: str
    on: str

    @property
    def is_raw(self) -> bool:
        return "." not in self.to


@dataclass(frozen=True, slots=True)
class Trace:
    """The ways of a mart.

    Attributes:
        ways: Finest last; none where `why_not`.
        why_not: Why its rows lead nowhere.
    """

    ways: tuple[Way, ...] = ()
    why_not: str = ""


def _trace(*ways: tuple[str, str]) -> Trace:
    return Trace(tuple(Way(to, on) for to, on in ways))


KEYS: dict[str, tuple[str, ...]] = {
    "training__onboarding_steps": ("customer_id", "step"), "training__wearable_days": ("customer_id", "day", "device"),
    "training__workout_sets": ("workout_id", "position"),
}  # fmt: skip
"""Primary keys of the product's tables that are not `id`."""

_MOVEMENTS, _PAYMENTS, _WORKOUTS = "finance.fct_mrr_movements", "finance.fct_payments", "training.fct_workouts"
_IN_MONTH = "date_trunc('month', {}) = $month and currency = $currency"
# Whoever was on the plan once: what moved away from it is a movement of another.
_OF_PLAN = f"subscription_id in (select subscription_id from @{_MOVEMENTS} where plan_id = $plan_id)"  # noqa: S608 - names of ours
_WEEK = "between $week_starts_on and $week_starts_on + 6"
_OF_CUSTOMER = (
    ("identity__accounts", "id = $customer_id"), ("training__clients", "id = $customer_id"),
    ("commerce__customers", "id = $customer_id"), ("commerce__subscriptions", "customer_id = $customer_id"),
)  # fmt: skip

TRACES: dict[str, Trace] = {
    "core.dim_customers": _trace(*_OF_CUSTOMER),
    "core.dim_coaches": _trace(("identity__accounts", "id = $coach_id"), ("scheduling__coaches", "id = $coach_id")),
    "core.dim_plans": _trace(
        ("commerce__plans", "id = $plan_id"),
        ("commerce__plan_prices", "plan_id = $plan_id and currency = $currency"),
    ),
    "core.fct_stages_daily": _trace(
        ("core.fct_customer_stages",
         "stage = $stage and valid_from_on <= $day and (valid_to_on is null or valid_to_on > $day)"),
    ),
    "core.fct_customer_stages": _trace(
        *_OF_CUSTOMER, ("commerce__subscription_changes", "customer_id = $customer_id"),
        ("commerce__session_packs", "customer_id = $customer_id"), ("engagement__leads", "customer_id = $customer_id"),
    ),
    "core.fct_consents": _trace(("compliance__consents", "id = $decision_id")),
    "core.fct_builds": Trace(why_not="It is the build itself; what it had read is its `lsn`."),
    _MOVEMENTS: _trace(
        ("commerce__subscription_changes", "id = $change_id"), ("commerce__subscriptions", "id = $subscription_id")
    ),
    "finance.fct_mrr_daily": _trace(
        (_MOVEMENTS, f"changed_on <= $day and currency = $currency and {_OF_PLAN}"),
        (_PAYMENTS, "$revenue_30d_minor <> 0 and captured_on between $day - 29 and $day and currency = $currency"),
    ),
    "finance.fct_mrr_months": _trace(
        (_MOVEMENTS, f"changed_on < $month + interval 1 month and currency = $currency and {_OF_PLAN}")
    ),
    "finance.fct_membership_months": _trace(
        (_MOVEMENTS, _IN_MONTH.format("changed_on")), (_PAYMENTS, _IN_MONTH.format("captured_on"))
    ),
    _PAYMENTS: _trace(
        ("commerce__payments", "id = $payment_id"), ("commerce__refunds", "payment_id = $payment_id"),
        ("commerce__disputes", "payment_id = $payment_id"), ("commerce__invoices", "id = $invoice_id"),
    ),
    "finance.fct_invoices": _trace(
        (_PAYMENTS, "invoice_id = $invoice_id"), ("commerce__invoices", "id = $invoice_id"),
        ("commerce__invoice_lines", "invoice_id = $invoice_id"), ("commerce__payments", "invoice_id = $invoice_id"),
        ("commerce__credit_notes", "invoice_id = $invoice_id"),
    ),
    "finance.fct_ledger_balances": _trace(
        ("commerce__ledger_lines", "account = $account and currency = $currency")
    ),
    "finance.fct_packs": _trace(("commerce__session_packs", "id = $session_pack_id")),
    "finance.fct_commission_payouts": _trace(
        ("commerce__commission_payouts", "id = $payout_id or reverses_id = $payout_id")
    ),
    "finance.fct_commissions": _trace(("commerce__commission_statements", "id = $statement_id")),
    "scheduling.fct_bookings": _trace(
        ("scheduling__bookings", "id = $booking_id"), ("scheduling__slots", "id = $slot_id")
    ),
    "scheduling.fct_slots": _trace(
        ("scheduling.fct_bookings", "slot_id = $slot_id"), ("scheduling__slots", "id = $slot_id"),
        ("scheduling__bookings", "slot_id = $slot_id"), ("scheduling__waitlist_entries", "slot_id = $slot_id"),
    ),
    "scheduling.fct_coach_weeks": _trace(
        ("scheduling.fct_slots", f"coach_id = $coach_id and local_day {_WEEK}"),
        ("scheduling__availability_rules", "coach_id = $coach_id"),
        ("scheduling__availability_exceptions", f"coach_id = $coach_id and exception_on {_WEEK}"),
        ("scheduling__time_off", "coach_id = $coach_id and starts_on <= $week_starts_on + 6 and "
         "ends_on >= $week_starts_on"),
    ),
    _WORKOUTS: _trace(
        ("training__workouts", "id = $workout_id"), ("training__workout_sets", "workout_id = $workout_id")
    ),
    "training.fct_exercise_bests": _trace(
        (_WORKOUTS, "customer_id = $customer_id and completed_on = $performed_on")
    ),
    "training.fct_training_days": _trace(
        (_WORKOUTS, "customer_id = $customer_id and completed_on between $day - 27 and $day")
    ),
    "training.fct_adherence_weeks": _trace(
        (_WORKOUTS, f"customer_id = $customer_id and scheduled_on {_WEEK} and programme_id is not null")
    ),
    "training.fct_care_months": Trace(
        why_not="It counts answers about health together, so that nobody's own can be told from it."
    ),
    "training.fct_wearable_days": _trace(
        ("training__wearable_days", "customer_id = $customer_id and day = $day"),
        ("compliance__consents", "customer_id = $customer_id"),
    ),
    "training.fct_activities": _trace(
        ("integrations__wearable_payloads", "id = $payload_id"), ("compliance__consents", "customer_id = $customer_id")
    ),
    "engagement.fct_messages": _trace(("engagement__messages", "id = $message_id")),
    "engagement.fct_leads": _trace(("engagement__leads", "id = $lead_id")),
    "engagement.fct_deliveries": _trace(("engagement__outgoing_emails", "id = $delivery_id")),
    "engagement.fct_message_costs": _trace(
        (
            "engagement.fct_deliveries",
            "date_trunc('month', sent_at) = $month and purpose = $message_purpose and "
            "(channel = $message_channel or $message_channel = 'sms' and segments is not null) and "
            "($message_channel <> 'sms' or coalesce(currency, '') = $currency)",
        )
    ),
    "engagement.fct_announcements": _trace(
        ("engagement.fct_deliveries", "announcement_id = $announcement_id"),
        ("engagement__announcements", "id = $announcement_id"),
    ),
    "engagement.fct_onboarding_steps": _trace(
        ("training__onboarding_steps", "customer_id = $customer_id and step = $step")
    ),
    "engagement.fct_survey_answers": Trace(why_not="Answers come from outside, without a name, as a file."),
    "retention.fct_churn_features": _trace(
        ("scheduling.fct_bookings", "customer_id = $customer_id and local_day between $as_of - 90 and $as_of - 1"),
        (_MOVEMENTS, "customer_id = $customer_id and changed_on < $as_of"),
        ("training.fct_adherence_weeks",
         "customer_id = $customer_id and week_starts_on between $as_of - 35 and $as_of"),
        ("engagement.fct_messages", "customer_id = $customer_id and sent_on between $as_of - 28 and $as_of - 1"),
        *_OF_CUSTOMER,
    ),
    "retention.fct_churn_labels": _trace(
        (_MOVEMENTS, "customer_id = $customer_id and changed_on between $as_of and $as_of + 30"),
        ("commerce__subscription_changes", "customer_id = $customer_id"),
    ),
    "retention.fct_cohort_retention": _trace(
        ("core.dim_customers", "date_trunc('month', member_since) = $cohort_month")
    ),
    "retention.fct_automation_runs": _trace(
        ("automation__runs", "id = $run_id"), ("automation__rules", "id = $rule_id")
    ),
    "retention.fct_automation_effects": _trace(
        ("retention.fct_automation_runs", "rule_id = $rule_id"), ("automation__rules", "id = $rule_id")
    ),
    "quality.fct_column_distances": Trace(why_not="It is measured from thousands of rows at once, of all people."),
    "quality.fct_suite_judgements": Trace(why_not="It counts what suites said of many rows, and keeps none of them."),
    "ml.churn_models": Trace(why_not="A model is made of all features and labels of its snapshot, by none of them."),
    "ml.churn_scores": _trace(
        ("retention.fct_churn_features", "customer_id = $customer_id and as_of = $as_of"),
        ("automation__churn_scores", "customer_id = $customer_id and model_id = $model_id"),
    ),
    "ml.lifetime_models": Trace(why_not="Its numbers are learned from the purchases of everybody at once."),
    "ml.lifetime_values": _trace(
        ("finance.fct_packs", "customer_id = $customer_id and currency = $currency and purchased_on <= $as_of")
    ),
    "ml.training_effects": Trace(why_not="It compares all clients together; fewer than ten are told nothing of."),
}  # fmt: skip
"""The ways back, by mart."""


def key_of(raw_table: str) -> tuple[str, ...]:
    """The primary key of a table of the product, by its raw table."""
    return KEYS.get(raw_table, ("id",))
