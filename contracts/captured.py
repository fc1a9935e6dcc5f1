"""What the warehouse may rely on of the operational tables: the promise between the product and the dbt project.

Every column that a model reads is here with its type, and nothing else: a table may change in all other ways at will.
A test holds the product's tables to it and says whom a breaking change breaks, down to metrics and screens. To break it
on purpose: add the new column, move the models to it, take the old one from here, and drop it in a later migration.

Does not belong here: which tables are captured (`orchestration.defs.postgres_cdc`), what marts look like (`relations`).
"""

TYPES = {
    "uuid": "uuid", "text": "varchar", "time": "timestamp with time zone", "date": "date", "small": "smallint",
    "int": "integer", "bigint": "bigint", "real": "real", "float": "double precision", "bool": "boolean",
    "clock": "time without time zone", "json": "jsonb", "number": "numeric", "texts": "varchar[]",
}  # fmt: skip


def _type(word: str) -> str:
    name, *limits = word.removesuffix("[]").split(":")
    many = "[]" if word.endswith("[]") else ""
    if name == "number":
        return f"numeric({', '.join(limits)}){many}"
    return TYPES[name] + (f"({limits[0]})" if limits else "") + many


def _table(columns: str) -> dict[str, str]:
    pairs = (column.split() for column in columns.replace("\n", " ").split(",") if column.strip())
    return {column: _type(word) for column, word in pairs}


CAPTURED: dict[str, dict[str, str]] = {
    "automation__churn_scores": _table("id uuid, customer_id uuid, model_id text, probability float, scored_at time"),
    "automation__rules": _table(
        """id uuid, code text, name text, trigger text, action text, holdout_percent small, outcome_days small,
        is_active bool"""
    ),
    "automation__runs": _table(
        """id uuid, rule_id uuid, customer_id uuid, coach_id uuid, score_id uuid, arm text, status text, message_id
        uuid, started_at time, decided_at time, dismiss_reason text"""
    ),
    "commerce__commission_payouts": _table(
        """id uuid, statement_id uuid, coach_id uuid, currency text, amount_minor bigint, paid_on date, reverses_id
        uuid, recorded_at time"""
    ),
    "commerce__commission_statements": _table(
        """id uuid, coach_id uuid, first_on date, last_on date, currency text, sessions int, pack_revenue_minor bigint,
        session_pay_minor bigint, classes int, class_pay_minor bigint, pack_pay_minor bigint, corrections int,
        corrected_minor bigint, total_minor bigint, closed_at time"""
    ),
    "commerce__credit_notes": _table(
        """id uuid, invoice_id uuid, customer_id uuid, settlement text, amount_minor bigint, tax_minor bigint,
        currency text, issued_at time"""
    ),
    "commerce__customers": _table("id uuid, currency text, created_at time"),
    "commerce__disputes": _table(
        """id uuid, payment_id uuid, customer_id uuid, amount_minor bigint, returned_minor bigint, currency text, status
        text, opened_at time, closed_at time"""
    ),
    "commerce__invoice_lines": _table(
        """id uuid, invoice_id uuid, kind text, amount_minor bigint, tax_minor bigint, currency text, starts_on
        date, ends_on date"""
    ),
    "commerce__invoices": _table(
        """id uuid, number text, customer_id uuid, subscription_id uuid, session_pack_id uuid, status text,
        currency text, subtotal_minor bigint, tax_minor bigint, total_minor bigint, period_start time,
        period_end time, issued_at time, due_at time, paid_at time"""
    ),
    "commerce__ledger_journals": _table("id uuid, kind text, source_type text, source_id uuid, posted_at time"),
    "commerce__ledger_lines": _table(
        """id uuid, journal_id uuid, account text, customer_id uuid, amount_minor bigint, currency text"""
    ),
    "commerce__payments": _table(
        """id uuid, invoice_id uuid, customer_id uuid, provider text, attempt small, status text, amount_minor
        bigint, fee_minor bigint, currency text, failure_code text, attempted_at time, captured_at time"""
    ),
    "commerce__plan_prices": _table(
        """id uuid, plan_id uuid, currency text, amount_minor bigint, tax_rate_bp small, valid_from time, valid_to
        time"""
    ),
    "commerce__plans": _table(
        """id uuid, code text, name text, kind text, interval_months small, sessions_included small, trial_days
        small, is_active bool, created_at time"""
    ),
    "commerce__refunds": _table(
        """id uuid, payment_id uuid, customer_id uuid, amount_minor bigint, currency text, status text, refunded_at
        time"""
    ),
    "commerce__session_packs": _table(
        """id uuid, customer_id uuid, plan_id uuid, sessions_total small, sessions_used small, purchased_at time,
        expires_at time, net_minor bigint, currency text, recognised_minor bigint, sessions_refunded small"""
    ),
    "commerce__subscription_changes": _table(
        """id uuid, subscription_id uuid, customer_id uuid, plan_id uuid, kind text, mrr_before_minor bigint,
        mrr_after_minor bigint, currency text, changed_at time"""
    ),
    "commerce__subscriptions": _table(
        """id uuid, customer_id uuid, plan_id uuid, status text, amount_minor bigint, currency text,
        interval_months small, started_at time, trial_ends_at time, paused_at time, cancel_requested_at time,
        cancel_at time, cancel_kind text, cancel_reason text, ended_at time, created_at time"""
    ),
    "compliance__consents": _table(
        """id uuid, customer_id uuid, data_kind text, purpose text, is_given bool, policy_version text, decided_at
        time"""
    ),
    "engagement__announcements": _table(
        """id uuid, author_id uuid, segment text, subject text, recipients int, created_at time"""
    ),
    "engagement__leads": _table(
        """id uuid, source text, location_id uuid, customer_id uuid, created_at time, converted_at time, lost_at
        time"""
    ),
    "engagement__messages": _table(
        """id uuid, customer_id uuid, sender_id uuid, recipient_id uuid, kind text, automation_run_id uuid, sent_at
        time, read_at time"""
    ),
    "engagement__outgoing_emails": _table(
        """id uuid, dedupe_key text, template text, status text, attempts int, sent_at time, created_at time,
        channel text, purpose text, customer_id uuid, reason text, delivered_at time, segments small,
        cost_thousandths bigint, cost_currency text"""
    ),
    "identity__accounts": _table(
        """id uuid, display_name text, role text, time_zone text, created_at time, disabled_at time"""
    ),
    "scheduling__availability_exceptions": _table(
        """id uuid, coach_id uuid, exception_on date, starts_at clock, ends_at clock"""
    ),
    "scheduling__availability_rules": _table(
        """id uuid, coach_id uuid, weekday small, starts_at clock, ends_at clock, valid_from date, valid_to date"""
    ),
    "scheduling__bookings": _table(
        """id uuid, slot_id uuid, customer_id uuid, coach_id uuid, seat small, starts_at time, ends_at time, status
        text, session_pack_id uuid, booked_at time, cancelled_at time, outcome_at time, late_fee_due_at time,
        late_fee_waived_at time"""
    ),
    "scheduling__coaches": _table(
        """id uuid, display_name text, location_id uuid, client_capacity small, hired_on date, left_on date"""
    ),
    "scheduling__locations": _table("id uuid, name text, city text, country_code text, time_zone text, currency text"),
    "scheduling__public_holidays": _table("id uuid, location_id uuid, holiday_on date, name text"),
    "scheduling__slots": _table(
        """id uuid, coach_id uuid, location_id uuid, kind text, title text, starts_at time, ends_at time, capacity
        small, status text, assists_id uuid"""
    ),
    "scheduling__time_off": _table("id uuid, coach_id uuid, starts_on date, ends_on date, kind text"),
    "scheduling__waitlist_entries": _table(
        """id uuid, slot_id uuid, customer_id uuid, status text, joined_at time, closed_at time, offered_at time"""
    ),
    "training__check_ins": _table("id uuid, customer_id uuid, due_on date, submitted_at time, answered_at time"),
    "training__clients": _table(
        """id uuid, display_name text, coach_id uuid, location_id uuid, goal text, level text, home_distance_km
        real, time_zone text, joined_at time"""
    ),
    "training__coach_assignments": _table("id uuid, customer_id uuid, coach_id uuid, assigned_at time, ended_at time"),
    "training__exercises": _table(
        """id int, name text, pattern text, primary_muscle text, equipment text, is_loaded bool"""
    ),
    "training__injuries": _table(
        """id uuid, customer_id uuid, body_part text, severity small, occurred_on date, resolved_on date"""
    ),
    "training__onboarding_steps": _table("customer_id uuid, step text, entered_at time, left_at time, outcome text"),
    "training__screenings": _table("id uuid, customer_id uuid, is_red bool, answered_at time, cleared_at time"),
    "training__wearable_days": _table(
        """customer_id uuid, day date, device text, sleep_minutes small, hrv_rmssd_ms real, resting_heart_rate_bpm
        small, steps int, received_at time"""
    ),
    "training__workout_sets": _table(
        """workout_id uuid, position small, exercise_id int, reps small, weight_kg real, rpe real, superset text,
        distance_m real, duration_seconds int"""
    ),
    "training__workouts": _table(
        """id uuid, customer_id uuid, programme_id uuid, booking_id uuid, title text, scheduled_on date, status
        text, started_at time, completed_at time, duration_minutes small, session_rpe real"""
    ),
}
"""Raw table to column to PostgreSQL type; how long a text or how precise a number may be is not promised."""
