"""What every column of every model tells about a person: its class, and what follows from it.

A column's name means the same in all models, so a class is said once for a name. A test holds that each column of each
mart has one, so a mart cannot gain a column that nobody has thought about; and that a mart with anything about a person
has a key by which that person's rows are found, to give, to narrow and to erase them. The dbt project carries the same
tags as `meta` of its columns (`contracts.dbt_tags` writes them), and no build begins where one is missing.

Does not belong here: what one customer withholds from their coach today (`analytics.withheld`), which rows a role sees
(`analytics.scope`).
"""

from dataclasses import dataclass
from typing import Literal

from contracts.relations import Relation

Class = Literal["key", "business", "identity", "words", "money", "behaviour", "health"]


@dataclass(frozen=True, slots=True)
class Tag:
    """What holds for a class of columns.

    Attributes:
        purpose: Why they are kept (the words of the consents and of the notice).
        retention: How long, and what ends it.
        is_masked: Left out for who analyses without knowing people.
    """

    purpose: str
    retention: str
    is_masked: bool = False


WITH_ACCOUNT = "as long as the account; erased with it"
TAGS: dict[Class, Tag] = {
    "key": Tag("joining rows", "as the row"),
    "business": Tag("running the business", "as long as the business"),
    "identity": Tag("knowing whom one looks at", WITH_ACCOUNT, is_masked=True),
    "words": Tag("understanding one case", WITH_ACCOUNT, is_masked=True),
    "money": Tag("contract and law", "ten years after the year it was booked in; then without the person"),
    "behaviour": Tag("running and improving the service", WITH_ACCOUNT),
    "health": Tag(
        "coaching, by consent for each kind", "until consent is withdrawn, or the account ends", is_masked=True
    ),
}

SUBJECT_KEYS = ("customer_id", "lead_id", "coach_id")
"""Columns that say whom a row is about, the nearest first."""

_IDENTITY = "display_name coach_name home_distance_km customer_name email first_name last_name phone"
# Texts that people or models wrote about one person; a number that tells nobody apart is business.
_WORDS = """
    activity_name dismiss_reason goal level reason reasons title template subject attitude segment number
    policy_version cancel_reason cancellation_reason deal_name invoice_number
"""
_HEALTH = """
    active_energy_kcal acute_before acute_load_7d acwr acwr_smoothed acwr_uncoupled adherence adherence_28d
    adherence_30d adherence_drop average_heart_rate_bpm average_power_w best_e1rm_kg check_ins check_ins_answered
    chronic_before chronic_load_28d completed completed_30d completed_90d days_since_last_workout devices_seen
    distance_m duration_hours duration_minutes elevation_gain_m exercise_count has_open_injury held_seconds
    hrv_baseline_ms hrv_rmssd_ms hrv_trend is_plateau is_record last_workout_at load max_heart_rate_bpm monotony_7d
    planned planned_30d planned_90d readiness reps resting_heart_rate_bpm screenings screenings_cleared
    screenings_held session_load session_rpe session_rpe_28d set_count sets sleep_efficiency sleep_minutes
    superset superset_set_count superset_sets
    sleep_trend steps strain_7d top_weight_kg trimp volume_28d_kg volume_kg volume_trend workouts workouts_28d
    workouts_last_30d
    active_seconds asleep_seconds body_part cleared_at duration_seconds in_bed_minutes in_bed_seconds is_nap is_red
    fact occurred_on open_injuries planned_done resolved_on rpe rpes_told severity strain
    utc_offset_minutes vo2max_ml_per_kg_minute weight_kg ordering_at
"""
_BEHAVIOUR = """
    answer_hours arm attempt attempted_at attempted_on attempts attendance_trend base_value became_member_at
    booked_at cancel_at cancel_kind cancelled_at captured_at captured_on changed_at changed_on channel
    churned_on closed_at coach_changes_90d completed_at completed_on converted_at created_at created_on
    data_kind days_in_stage days_since_last_message days_since_last_session days_to_recover decided_at
    decision delivered_at device due_at ended_at ended_on entered_at entered_on expires_on failed_payments_90d
    expected_purchases failure_code first_failed_on first_purchased_on has_attended has_next_booking hours_to_read
    is_churned_30d is_dropped
    is_from_customer is_given is_late_fee_waived is_manual is_renewed is_retained issued_at issued_on
    joined_at last_message_at last_purchased_on last_session_at late_cancels_90d lead_time_hours left_at left_on lost_at
    member_since messages_received_28d messages_sent_28d minutes_in_step next_session_at no_shows_90d
    no_shows_last_90d outcome outcome_at paid_at performed_on price_increase_90d probability probability_alive
    probability_high
    probability_low purchased_on purchases purpose read_at received_at renewed_on scored_at sent_at sent_on
    sessions_attended_28d sessions_attended_7d sessions_attended_90d sessions_booked_28d sessions_booked_7d
    sessions_booked_90d sessions_last_30d sessions_refunded sessions_total sessions_used source stage stage_since
    started_at status stay tenure_days time_zone trained_at trial_days trial_started_at valid_from valid_from_on
    valid_to valid_to_on visited_30d
    active_delta allows_activity allows_body allows_daily allows_sleep answered_at assigned_at at_risk attempt_count
    attended billing_reason booked cancel_requested_at charged_at closes_at coach_changes current_period_end_at
    current_period_start_at cutoff_on disabled_at disputed_at due_on engagement_kind evidence_due_at expires_at
    failed_payments finalized_at first_received_at happened_at is_cancelled_at_period_end is_captured
    is_delinquent is_disputed
    is_refunded late_cancelled late_fee_due_at late_fee_waived_at left_then length_months lifecycle_stage
    messages_received messages_sent models_activity models_body models_daily models_sleep movement next_changed_on
    no_show offered_at opened_at paid_on paused_at paused_delta price_increase purchased_at recorded_at refunded_at
    reversed_at role seat seats_ahead settlement since since_on started_on state_after state_before step submitted_at
    told_on trial_ends_at until until_on
"""
_BUSINESS = """
    account active_clients active_members activity_type algorithm answer answered_on as_of available_hours
    booked_hours built_at capacity city classes clearing_hours client_capacity clients clients_seen cohort_month
    corrections currency customers data_as_of day delivered delivered_hours dunning ends_at exercise_name failed
    first_on has_started held_out hired_on holdout_rate interval_months is_active is_booked is_complete is_counted
    is_current is_delivered is_outcome_known is_pack_session kind landed_at last_on last_posted_at late_cancels
    lifetime_months
    lift lift_high lift_low lines local_day local_hour location_name lsn mean_members_30d members members_any
    members_at_end members_at_start members_ended members_joined members_lost members_new members_started
    memberships_to_date metrics month month_of_year months_since no_shows outcome_ends_at outcome_known_on
    outcomes_pending pattern paused_members period_end period_start plan_code plan_name provider recipients
    retained retention rule_code rule_name runs scheduled_on score seats_attended seats_held sent sessions
    sessions_delivered sessions_included starts_at treated treated_rate trials_converted trials_decided
    trials_started utilisation waitlist_offers waitlist_promoted waitlisted week_starts_on withheld
    action arrives_on association_category association_label available_at company_name country_code domain ends_on
    equipment exception_on file_name from_type holdout_percent holiday_name holiday_on industry interval_count
    interval_unit is_automatic is_closed is_deleted is_loaded is_won line_number loaded_at lookup_key method moved_at
    movement_kind object_type outcome_days partner_code period_end_at period_start_at pipeline_name position posted_at
    expectation is_met judged_at judged_on judged_rows judged_where raw_table refused_rows
    cost_thousandths message_channel message_purpose messages segments
    before_rows column_name distance distance_allowed is_drift is_judged measured_at now_rows relation_name
    buyers clients_in_state compared_with dropout_a dropout_b events_else events_in_state observed_else
    observed_in_state purchase_alpha purchase_r rate_else rate_in_state repeat_buyers spend_p spend_q spend_v state
    difference difference_high difference_low fitted_at within_difference within_high within_low
    price_kind primary_muscle product_name quantity reporting_category source_type stage_name starts_on survival
    survival_before tax_rate_bp to_type transaction_kind trigger updated_at weekday win_probability
"""
_NAMES: tuple[tuple[Class, str], ...] = (
    ("identity", _IDENTITY), ("words", _WORDS), ("health", _HEALTH), ("behaviour", _BEHAVIOUR), ("business", _BUSINESS),
)  # fmt: skip
CLASSES: dict[str, Class] = {name: kind for kind, names in _NAMES for name in names.split()}
"""Column name to class, but for ids and amounts, which `class_of` knows by how their names end."""


class Unclassified(LookupError):
    """Nobody has said what a column of this name tells about a person: add it to `contracts.classification`."""


def class_of(column: str) -> Class:
    """The class of a column.

    Raises:
        Unclassified: see there.
    """
    if column in CLASSES:
        return CLASSES[column]
    if column.endswith("_id"):
        return "key"
    if column.endswith("_minor"):
        return "money"
    raise Unclassified(column)


def is_masked(column: str) -> bool:
    """Whether a column is left out for who may not know people; one that nobody has classified is."""
    try:
        return TAGS[class_of(column)].is_masked
    except Unclassified:
        return True


def masked(relation: Relation) -> tuple[str, ...]:
    """The masked columns of a relation, in its order; never one of its key."""
    return tuple(column for column in relation.columns if column not in relation.key and is_masked(column))


def subject_key(relation: Relation) -> str | None:
    """The column that says whom a row of the relation is about; None where it is about nobody."""
    return next((key for key in SUBJECT_KEYS if key in relation.columns), None)
