"""The marts that readers may name, with their columns: the promise between the dbt project and everybody who reads.

A test compares this page with the dbt manifest, so a column that a reader relies on cannot vanish unseen. Types are
DuckDB's names as `describe` prints them, in lower case. Amounts are integer minor units of the row's `currency`;
`*_at` is an instant, `*_on` and `day` a date in the zone of the customer or of the location.

Does not belong here: how a mart is built (`dbt_project/`), what a metric means (`contracts.metrics`).
"""

from dataclasses import dataclass

CATALOG = "marts"
"""The lake that all relations live in, as `contracts.warehouse` attaches it."""

TYPES = {
    "uuid": "uuid", "text": "varchar", "bool": "boolean", "int": "integer", "bigint": "bigint", "float": "double",
    "date": "date", "time": "timestamp with time zone", "json": "json",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Relation:
    """One mart.

    Attributes:
        name: `schema.table`, unique.
        grain: What one row is.
        key: Columns that identify a row.
        columns: Column name to DuckDB type, in the mart's order.
    """

    name: str
    grain: str
    key: tuple[str, ...]
    columns: dict[str, str]

    @property
    def schema(self) -> str:
        return self.name.split(".")[0]

    @property
    def table(self) -> str:
        return self.name.split(".")[1]

    @property
    def path(self) -> str:
        """The name to write after `from`: catalog, schema and table."""
        return f"{CATALOG}.{self.name}"


def _relation(name: str, grain: str, key: str, columns: str) -> Relation:
    pairs = (column.split() for column in columns.replace("\n", " ").split(",") if column.strip())
    return Relation(name, grain, tuple(key.split()), {column: TYPES[kind] for column, kind in pairs})


_ALL = (
    _relation(
        "core.dim_customers",
        "One row per customer (an account that trains or pays), as of the last build.",
        "customer_id",
        """customer_id uuid, display_name text, coach_id uuid, coach_name text, location_id uuid, location_name text,
        city text, time_zone text, currency text, goal text, level text, joined_at time, stage text, stage_since time,
        member_since time, plan_code text, plan_name text, mrr_minor bigint, cancel_at time, home_distance_km float,
        last_session_at time, next_session_at time, sessions_last_30d int, no_shows_last_90d int, adherence_30d float,
        last_workout_at time, workouts_last_30d int, has_open_injury bool, last_message_at time""",
    ),
    _relation(
        "core.dim_coaches",
        "One row per coach, as of the last build.",
        "coach_id",
        """coach_id uuid, display_name text, location_id uuid, location_name text, city text, time_zone text,
        client_capacity int, active_clients int, hired_on date, left_on date""",
    ),
    _relation(
        "core.dim_plans",
        "One row per plan and currency, at today's price.",
        "plan_id currency",
        """plan_id uuid, plan_code text, plan_name text, kind text, interval_months int, sessions_included int,
        trial_days int, is_active bool, currency text, amount_minor bigint, mrr_minor bigint, members int""",
    ),
    _relation(
        "core.fct_stages_daily",
        "One row per day and stage: customers in that stage at the end of the day.",
        "day stage",
        "day date, stage text, customers int, visited_30d int",
    ),
    _relation(
        "core.fct_customer_stages",
        "One row per stay of a customer in a stage, from when to when; the stays of a customer have no gap.",
        "customer_id stay",
        """customer_id uuid, stage text, stay int, valid_from time, valid_to time, valid_from_on date, valid_to_on date,
        days_in_stage int, is_current bool""",
    ),
    _relation(
        "core.fct_consents",
        "One row per decision of a customer on one kind of health data for one purpose, from when to when it holds.",
        "decision_id",
        """decision_id uuid, customer_id uuid, data_kind text, purpose text, is_given bool, policy_version text,
        valid_from time, valid_to time, is_current bool""",
    ),
    _relation(
        "core.fct_builds",
        "One row: the last build of the marts and the change up to which it has read.",
        "built_at",
        "built_at time, data_as_of time, landed_at time, lsn bigint, raw_snapshot_id bigint",
    ),
    _relation(
        "finance.fct_mrr_movements",
        "One row per step of a membership that started, ended or changed its monthly recurring revenue.",
        "change_id",
        """change_id uuid, subscription_id uuid, customer_id uuid, plan_id uuid, changed_at time, changed_on date,
        currency text, kind text, cancel_kind text, amount_minor bigint, mrr_after_minor bigint""",
    ),
    _relation(
        "finance.fct_mrr_daily",
        "One row per day, currency and plan, without gaps: recurring revenue at the end of the day and how it moved. "
        "One more a day and currency, without a plan: what was collected.",
        "day currency plan_id",
        """day date, currency text, mrr_minor bigint, active_members int, paused_members int, new_minor bigint,
        expansion_minor bigint, contraction_minor bigint, churn_minor bigint, reactivation_minor bigint,
        members_started int, members_ended int, trials_started int, trials_decided int, trials_converted int,
        revenue_30d_minor bigint, mean_members_30d float, plan_id uuid, plan_code text, transfer_minor bigint""",
    ),
    _relation(
        "finance.fct_mrr_months",
        "One row per month, currency and plan with recurring revenue: where it started, how it moved, where it ended.",
        "month currency plan_id",
        """month date, currency text, plan_id uuid, plan_code text, plan_name text, start_minor bigint,
        new_minor bigint, expansion_minor bigint, contraction_minor bigint, churn_minor bigint,
        reactivation_minor bigint, transfer_minor bigint, end_minor bigint, billed_minor bigint, collected_minor bigint,
        members_at_end int""",
    ),
    _relation(
        "finance.fct_membership_months",
        "One row per month and currency: who was a member at its start, who still is, and what they paid.",
        "month currency",
        """month date, currency text, members_at_start int, members_lost int, members_joined int, members_at_end int,
        members_any int, revenue_minor bigint, is_complete bool, members_new int, lifetime_months float,
        memberships_to_date int, billed_to_date_minor bigint, marketing_spend_minor bigint""",
    ),
    _relation(
        "finance.fct_payments",
        "One row per attempt to collect an invoice.",
        "payment_id",
        """payment_id uuid, invoice_id uuid, customer_id uuid, kind text, provider text, status text,
        amount_minor bigint, fee_minor bigint, refunded_minor bigint, disputed_minor bigint, currency text,
        attempt int, failure_code text, attempted_at time, attempted_on date, captured_at time, captured_on date""",
    ),
    _relation(
        "finance.fct_invoices",
        "One row per invoice.",
        "invoice_id",
        """invoice_id uuid, number text, customer_id uuid, subscription_id uuid, session_pack_id uuid, kind text,
        status text, currency text, subtotal_minor bigint, tax_minor bigint, total_minor bigint, paid_minor bigint,
        refunded_minor bigint, attempts int, period_start time, period_end time, issued_at time, issued_on date,
        due_at time, paid_at time, credited_minor bigint, owed_minor bigint, first_failed_on date, dunning text,
        days_to_recover float""",
    ),
    _relation(
        "finance.fct_ledger_balances",
        "One row per ledger account and currency: debit positive, credit negative; a currency sums to 0.",
        "account currency",
        "account text, currency text, balance_minor bigint, lines bigint, last_posted_at time",
    ),
    _relation(
        "finance.fct_packs",
        "One row per session pack that was bought.",
        "session_pack_id",
        """session_pack_id uuid, customer_id uuid, plan_id uuid, currency text, net_minor bigint,
        recognised_minor bigint, sessions_total int, sessions_used int, purchased_on date, expires_on date,
        ended_on date, renewed_on date, is_outcome_known bool, is_renewed bool, sessions_refunded int""",
    ),
    _relation(
        "finance.fct_commissions",
        "One row per coach, closed pay period and currency: what was earned.",
        "statement_id",
        """statement_id uuid, coach_id uuid, first_on date, last_on date, currency text, sessions int,
        pack_revenue_minor bigint, session_pay_minor bigint, classes int, class_pay_minor bigint,
        pack_pay_minor bigint, corrections int, corrected_minor bigint, total_minor bigint, closed_at time""",
    ),
    _relation(
        "finance.fct_commission_payouts",
        "One row per payment to a coach that was noted of a closed pay period, also where it was taken back.",
        "payout_id",
        """payout_id uuid, statement_id uuid, coach_id uuid, currency text, amount_minor bigint, paid_on date,
        recorded_at time, reversed_at time""",
    ),
    _relation(
        "scheduling.fct_bookings",
        "One row per booking: one seat of one session for one customer.",
        "booking_id",
        """booking_id uuid, slot_id uuid, customer_id uuid, coach_id uuid, location_id uuid, kind text, title text,
        starts_at time, ends_at time, local_day date, local_hour int, duration_hours float, status text,
        is_pack_session bool, booked_at time, cancelled_at time, outcome_at time, lead_time_hours float,
        is_late_fee_waived bool""",
    ),
    _relation(
        "scheduling.fct_slots",
        "One row per slot a coach offers, with its seats, and per assistant's place in a class, without any.",
        "slot_id",
        """slot_id uuid, coach_id uuid, location_id uuid, kind text, title text, starts_at time, ends_at time,
        local_day date, duration_hours float, status text, capacity int, seats_held int, seats_attended int,
        no_shows int, late_cancels int, waitlisted int, waitlist_offers int, waitlist_promoted int, has_started bool,
        assists_slot_id uuid, is_booked bool, is_delivered bool""",
    ),
    _relation(
        "scheduling.fct_coach_weeks",
        "One row per coach and week (Monday, location's zone) from hiring to this week.",
        "coach_id week_starts_on",
        """coach_id uuid, location_id uuid, week_starts_on date, available_hours float, booked_hours float,
        delivered_hours float, utilisation float, sessions_delivered int, clients_seen int, no_shows int,
        late_cancels int, clients int, client_capacity int""",
    ),
    _relation(
        "training.fct_workouts",
        "One row per workout, planned or done.",
        "workout_id",
        """workout_id uuid, customer_id uuid, coach_id uuid, programme_id uuid, booking_id uuid, scheduled_on date,
        started_at time, completed_at time, completed_on date, status text, title text, duration_minutes int,
        session_rpe float, session_load float, set_count int, exercise_count int, superset_set_count int,
        volume_kg float, distance_m float, held_seconds int""",
    ),
    _relation(
        "training.fct_exercise_bests",
        "One row per customer, exercise and day it was trained.",
        "customer_id exercise_id performed_on",
        """customer_id uuid, exercise_id int, exercise_name text, pattern text, performed_on date, best_e1rm_kg float,
        top_weight_kg float, volume_kg float, sets int, reps int, is_record bool, is_plateau bool""",
    ),
    _relation(
        "training.fct_training_days",
        "One row per customer and day, without gaps, from the first workout done to today.",
        "customer_id day",
        """customer_id uuid, day date, load float, acute_load_7d float, chronic_load_28d float, acwr float,
        acwr_uncoupled float, workouts int, acwr_smoothed float, monotony_7d float, strain_7d float""",
    ),
    _relation(
        "training.fct_adherence_weeks",
        "One row per customer and week (Monday) in which a workout was planned.",
        "customer_id week_starts_on",
        """customer_id uuid, week_starts_on date, planned int, completed int, adherence float, planned_30d int,
        completed_30d int, planned_90d int, completed_90d int""",
    ),
    _relation(
        "training.fct_care_months",
        "One row per month and coach to whom clients told of weeks or whose clients answered the health questionnaire.",
        "month coach_id",
        """month date, coach_id uuid, check_ins int, check_ins_answered int, answer_hours float, screenings int,
        screenings_held int, screenings_cleared int, clearing_hours float""",
    ),
    _relation(
        "training.fct_wearable_days",
        "One row per customer and day: the device that counts, out of all that reported.",
        "customer_id day",
        """customer_id uuid, day date, device text, devices_seen int, sleep_minutes int, hrv_rmssd_ms float,
        resting_heart_rate_bpm int, steps int, hrv_baseline_ms float, readiness float, sleep_efficiency float""",
    ),
    _relation(
        "training.fct_activities",
        "One row per recording of a workout by a device or file; of two of the same workout one is counted.",
        "activity_id",
        """activity_id text, customer_id uuid, started_at time, ended_at time, local_day date, activity_type text,
        activity_name text, source text, provider text, device text, is_manual bool, duration_minutes float,
        distance_m float, active_energy_kcal float, average_heart_rate_bpm float, max_heart_rate_bpm float,
        elevation_gain_m float, average_power_w float, trimp float, is_counted bool, counted_activity_id text,
        decision text, payload_id uuid, received_at time""",
    ),
    _relation(
        "engagement.fct_messages",
        "One row per message between a client and a coach, without its words.",
        "message_id",
        """message_id uuid, customer_id uuid, sender_id uuid, recipient_id uuid, kind text, is_from_customer bool,
        automation_run_id uuid, sent_at time, sent_on date, read_at time, hours_to_read float""",
    ),
    _relation(
        "engagement.fct_leads",
        "One row per lead: somebody interested, perhaps by now a customer.",
        "lead_id",
        """lead_id uuid, customer_id uuid, source text, location_id uuid, created_at time, created_on date,
        converted_at time, lost_at time, became_member_at time, status text, trial_started_at time""",
    ),
    _relation(
        "engagement.fct_deliveries",
        "One row per message that leaves by e-mail, SMS, WhatsApp or push, without address and words.",
        "delivery_id",
        """delivery_id uuid, customer_id uuid, announcement_id uuid, channel text, purpose text, template text, status
        text, reason text, attempts int, created_at time, created_on date, sent_at time, delivered_at time,
        segments int, cost_thousandths bigint, currency text""",
    ),
    _relation(
        "engagement.fct_message_costs",
        "One row per month, channel, purpose and currency in which messages left: how many, and what texts cost.",
        "month message_channel message_purpose currency",
        """month date, message_channel text, message_purpose text, messages int, segments int, cost_minor bigint,
        currency text""",
    ),
    _relation(
        "engagement.fct_announcements",
        "One row per announcement: whom it was for and what became of it.",
        "announcement_id",
        """announcement_id uuid, author_id uuid, segment text, subject text, created_at time, created_on date,
        recipients int, sent int, delivered int, withheld int, failed int""",
    ),
    _relation(
        "engagement.fct_onboarding_steps",
        "One row per customer and step of setting up that they entered.",
        "customer_id step",
        """customer_id uuid, step text, entered_at time, entered_on date, left_at time, outcome text, minutes_in_step
        float, is_outcome_known bool, is_dropped bool""",
    ),
    _relation(
        "engagement.fct_survey_answers",
        "One row per answer to the question whether they would recommend us.",
        "answer",
        "answer int, answered_on date, location_id uuid, score int, attitude text",
    ),
    _relation(
        "retention.fct_churn_features",
        "One row per active member and date (each Monday, and today): what was known before that date.",
        "customer_id as_of",
        """customer_id uuid, as_of date, coach_id uuid, currency text, plan_code text, interval_months int,
        mrr_minor bigint, tenure_days int, sessions_booked_7d int, sessions_booked_28d int, sessions_booked_90d int,
        sessions_attended_7d int, sessions_attended_28d int, sessions_attended_90d int, attendance_trend float,
        no_shows_90d int, late_cancels_90d int, days_since_last_session int, has_next_booking bool,
        adherence_28d float, adherence_drop float, workouts_28d int, days_since_last_workout int, volume_28d_kg float,
        volume_trend float, session_rpe_28d float, coach_changes_90d int, price_increase_90d float,
        failed_payments_90d int, messages_sent_28d int, messages_received_28d int, days_since_last_message int,
        has_open_injury bool, home_distance_km float, sleep_trend float, hrv_trend float, month_of_year int""",
    ),
    _relation(
        "retention.fct_churn_labels",
        "One row per row of fct_churn_features: whether the membership ended in the 30 days from `as_of`.",
        "customer_id as_of",
        "customer_id uuid, as_of date, is_churned_30d bool, churned_on date, outcome_known_on date",
    ),
    _relation(
        "retention.fct_cohort_retention",
        "One row per month of first membership and months since then.",
        "cohort_month months_since",
        "cohort_month date, months_since int, members int, retained int, retention float",
    ),
    _relation(
        "retention.fct_automation_runs",
        "One row per time a rule met a customer.",
        "run_id",
        """run_id uuid, rule_id uuid, rule_code text, rule_name text, customer_id uuid, coach_id uuid, arm text,
        status text, probability float, started_at time, decided_at time, dismiss_reason text, message_id uuid,
        outcome_ends_at time, is_outcome_known bool, has_attended bool, is_retained bool""",
    ),
    _relation(
        "retention.fct_automation_effects",
        "One row per rule and outcome (attended, retained): treated against held out, over known outcomes.",
        "rule_id outcome",
        """rule_id uuid, rule_code text, rule_name text, outcome text, runs int, outcomes_pending int, treated int,
        held_out int, treated_rate float, holdout_rate float, lift float, lift_low float, lift_high float""",
    ),
    _relation(
        "quality.fct_column_distances",
        "One row per day and watched column: how far the week before it is from the eight weeks before that week.",
        "day relation_name column_name",
        """day date, relation_name text, column_name text, before_rows bigint, now_rows bigint, distance float,
        distance_allowed float, is_judged bool, is_drift bool, measured_at time""",
    ),
    _relation(
        "quality.fct_suite_judgements",
        "One row per judgement of a raw table and expectation that was not met, and one for the suite as a whole.",
        "judgement_id expectation",
        """judgement_id uuid, judged_at time, judged_on date, raw_table text, judged_where text, batch_id uuid,
        expectation text, judged_rows bigint, refused_rows bigint, is_met bool""",
    ),
    _relation(
        "ml.churn_models",
        "One row per trained churn model; one of them is current. Written by `ml`, not by dbt.",
        "model_id",
        "model_id text, trained_at time, is_current bool, algorithm text, metrics json",
    ),
    _relation(
        "ml.churn_scores",
        "One row per customer, date and model: the probability that the membership ends within 30 days.",
        "customer_id as_of model_id",
        """customer_id uuid, as_of date, scored_at time, model_id text, probability float, probability_low float,
        probability_high float, base_value float, reasons json""",
    ),
    _relation(
        "ml.lifetime_models",
        "One row per currency: the numbers of who buys packs again (BG/NBD) and for how much (gamma-gamma).",
        "currency",
        """currency text, as_of date, fitted_at time, buyers bigint, repeat_buyers bigint, purchase_r float,
        purchase_alpha float, dropout_a float, dropout_b float, spend_p float, spend_q float, spend_v float,
        decision text""",
    ),
    _relation(
        "ml.lifetime_values",
        "One row per pack buyer without a membership and currency: what they will probably bring in the year to come.",
        "customer_id currency",
        """customer_id uuid, currency text, as_of date, purchases bigint, first_purchased_on date,
        last_purchased_on date, mean_spend_minor float, probability_alive float, expected_purchases float,
        expected_spend_minor float, expected_value_minor float""",
    ),
    _relation(
        "ml.training_effects",
        "One row per state of training or rest and outcome: how much more often it happened, with 95 % intervals.",
        "state outcome",
        """state text, outcome text, compared_with text, as_of date, measured_at time, clients bigint,
        clients_in_state bigint, observed_in_state bigint, events_in_state bigint, observed_else bigint,
        events_else bigint, rate_in_state float, rate_else float, difference float, difference_low float,
        difference_high float, within_difference float, within_low float, within_high float""",
    ),
)

RELATIONS: dict[str, Relation] = {relation.name: relation for relation in _ALL}
"""Every relation by `schema.table`. Those of schema `ml` are promised at least these columns; others exactly these."""


class UnknownRelation(LookupError):
    """No mart of this name is promised to readers."""


def relation(name: str) -> Relation:
    """The relation of this name.

    Raises:
        UnknownRelation: it is not in `RELATIONS`.
    """
    try:
        return RELATIONS[name]
    except KeyError:
        raise UnknownRelation(name) from None
