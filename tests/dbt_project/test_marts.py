"""The numbers of a business small enough to know them by heart (`business.sql`), as the marts tell them."""

from datetime import date
from hashlib import md5
from uuid import UUID

import pytest

from operational_api.commerce import prices


def who(name: str) -> UUID:
    """The id that `business.sql` gives to a name."""
    return UUID(md5(name.encode(), usedforsecurity=False).hexdigest())


def rows(marts, query: str, *parameters: object) -> list[tuple]:
    return marts.execute(query, list(parameters)).fetchall()


class TestStages:
    def test_everybody_is_where_their_life_led_them(self, marts):
        found = dict(rows(marts, "select display_name, stage from marts.core.dim_customers"))
        assert found == {
            "Ana": "active", "Ben": "churned", "Cem": "won_back", "Dao": "active", "Eva": "trial", "Fay": "lead",
            "Gus": "lead",
        }  # fmt: skip

    def test_a_day_in_march_knows_the_pause_and_the_loss(self, marts):
        found = dict(
            rows(
                marts,
                "select stage, customers from marts.core.fct_stages_daily where day = '2026-03-15' and customers > 0",
            )
        )
        assert found == {"active": 2, "paused": 1, "churned": 1}


class TestRevenue:
    def test_a_plan_costs_what_it_costs_today_and_not_what_it_will(self, marts):
        found = rows(
            marts,
            "select plan_code, currency, amount_minor, mrr_minor, members from marts.core.dim_plans order by 1, 2",
        )
        assert found == [
            ("monthly", "EUR", 5400, 4538, 2),
            ("monthly", "VND", 990000, 900000, 1),
            ("ten", "EUR", 50000, None, 0),
            ("yearly", "EUR", 121, prices.monthly(121, tax_rate_bp=1900, interval_months=12), 0),  # of 102 net, 8.5
        ]

    def test_mrr_is_kept_apart_by_currency(self, marts):
        found = rows(
            marts,
            "select currency, sum(mrr_minor)::bigint, sum(active_members)::integer from marts.finance.fct_mrr_daily "
            "where day = '2026-06-17' group by currency order by currency",
        )
        assert found == [("EUR", 4538 + 4538, 2), ("VND", 900000, 1)]

    def test_the_movements_are_named_for_what_they_are(self, marts):
        found = rows(
            marts,
            """select display_name, kind, amount_minor, changed_on, cancel_kind from marts.finance.fct_mrr_movements
            inner join marts.core.dim_customers using (customer_id) order by changed_at""",
        )
        assert found == [
            ("Ana", "new", 4118, date(2026, 1, 17), None),
            ("Cem", "new", 4118, date(2026, 1, 20), None),
            ("Ben", "new", 4118, date(2026, 2, 1), None),
            ("Dao", "new", 900000, date(2026, 3, 1), None),  # 18:30 UTC is next morning in Saigon
            ("Cem", "churn", -4118, date(2026, 3, 5), "involuntary"),
            ("Ben", "contraction", -4118, date(2026, 3, 10), None),
            ("Ana", "expansion", 420, date(2026, 4, 1), None),
            ("Ben", "expansion", 4118, date(2026, 4, 10), None),
            ("Cem", "reactivation", 4538, date(2026, 5, 2), None),
            ("Ben", "churn", -4118, date(2026, 6, 1), "voluntary"),
        ]

    def test_a_pause_is_no_attrition_and_an_end_is(self, marts):
        found = rows(
            marts,
            """select month, members_at_start, members_lost, members_at_end from marts.finance.fct_membership_months
            where currency = 'EUR' and month >= '2026-03-01' order by month""",
        )
        assert found == [
            (date(2026, 3, 1), 3, 1, 2),
            (date(2026, 4, 1), 2, 0, 2),
            (date(2026, 5, 1), 2, 0, 3),
            (date(2026, 6, 1), 3, 1, 2),
        ]

    def test_what_is_billed_and_collected_stands_beside_what_is_contracted(self, marts):
        found = rows(
            marts,
            """select month, currency, start_minor, reactivation_minor, churn_minor, end_minor, billed_minor,
                collected_minor from marts.finance.fct_mrr_months where month >= '2026-05-01' order by 1, 2""",
        )
        assert found == [
            (date(2026, 5, 1), "EUR", 8656, 4538, 0, 13194, 4538, 4538),
            (date(2026, 5, 1), "VND", 900000, 0, 0, 900000, 0, 0),
            (date(2026, 6, 1), "EUR", 13194, 0, -4118, 9076, 0, 0),  # Ana's invoice ended on the 17th
            (date(2026, 6, 1), "VND", 900000, 0, 0, 900000, 900000, 0),
        ]

    def test_an_invoice_tells_how_its_money_came_and_what_is_owed(self, marts):
        found = rows(
            marts,
            "select number, dunning, days_to_recover, credited_minor, owed_minor from marts.finance.fct_invoices "
            "order by number",
        )
        assert found == [("INV-1", "recovered", 3.0, 540, 0), ("INV-2", None, None, 0, 990000)]

    def test_a_membership_lasts_as_long_as_those_who_stay_and_those_who_left_say(self, marts):
        found = rows(
            marts,
            """select round(lifetime_months, 4), members_new, memberships_to_date, billed_to_date_minor
            from marts.finance.fct_membership_months where currency = 'EUR' and month = '2026-06-01'""",
        )
        # Lost 1 of 3 in their second month, 1 of 2 in their fourth: 1 + 1 + 2/3 + 2/3 + 1/3 months.
        assert found == [(3.6667, 0, 4, 4538)]

    def test_a_pack_is_renewed_in_time_or_not(self, marts):
        found = rows(
            marts,
            """select display_name, ended_on, is_renewed, is_outcome_known from marts.finance.fct_packs
            inner join marts.core.dim_customers using (customer_id) order by 1""",
        )
        assert found == [
            ("Ben", date(2026, 4, 26), True, True),
            ("Cem", date(2026, 3, 31), False, True),
            ("Fay", date(2026, 11, 12), False, False),
        ]

    def test_a_payment_knows_its_attempts_and_refund(self, marts):
        found = rows(
            marts,
            "select attempt, status, amount_minor, refunded_minor, fee_minor, kind, failure_code "
            "from marts.finance.fct_payments order by attempt",
        )
        assert found == [
            (1, "failed", 5400, 0, 0, "membership", "card_declined"),
            (2, "captured", 5400, 540, 106, "membership", None),
        ]

    def test_the_ledger_tells_what_is_owed_and_earned(self, marts):
        found = dict(rows(marts, "select account, balance_minor from marts.finance.fct_ledger_balances"))
        assert found == {
            "receivable": 0, "membership_revenue": -4538, "tax_payable": -862, "stripe_balance": 4754,
            "payment_fees": 106, "refunds": 540,
        }  # fmt: skip


class TestScheduling:
    def test_a_session_after_midnight_is_on_the_studios_day(self, marts):
        found = rows(marts, "select local_day, local_hour from marts.scheduling.fct_bookings where title = 'Late'")
        assert found == [(date(2026, 6, 15), 0)]

    def test_utilisation_is_delivered_over_available_and_a_holiday_is_not_available(self, marts):
        found = rows(
            marts,
            """select week_starts_on, available_hours, delivered_hours, utilisation, no_shows, late_cancels
            from marts.scheduling.fct_coach_weeks where coach_id = ? and week_starts_on >= '2026-05-04'
            order by week_starts_on""",
            who("kim"),
        )
        assert found == [  # the 11th was a public holiday, the 18th closed; on the 4th other hours were kept
            (date(2026, 5, 4), 2.0, 0.0, 0.0, 0, 0),
            (date(2026, 5, 25), 4.0, 1.0, 0.25, 0, 0),
            (date(2026, 6, 1), 4.0, 1.0, 0.25, 1, 1),
            (date(2026, 6, 15), 4.0, 1.0, 0.25, 0, 0),
        ]

    def test_a_group_slot_counts_its_seats(self, marts):
        found = rows(
            marts,
            "select capacity, seats_held, seats_attended, no_shows, late_cancels from marts.scheduling.fct_slots "
            "where title = 'Circle' and kind = 'group'",
        )
        assert found == [(4, 2, 1, 1, 1)]

    def test_an_assistants_hour_is_theirs_once_and_the_class_is_none_the_fuller(self, marts):
        found = rows(
            marts,
            "select week_starts_on, booked_hours, delivered_hours, sessions_delivered, no_shows "
            "from marts.scheduling.fct_coach_weeks where coach_id = ? and booked_hours > 0 order by 1",
            who("linh"),
        )
        assert found == [(date(2026, 6, 1), 1.0, 1.0, 0, 0), (date(2026, 6, 15), 1.0, 1.0, 1, 0)]
        fill = "select sum(seats_held), sum(capacity), sum(seats_attended) from marts.scheduling.fct_slots where {}"
        whole, classes = (rows(marts, fill.format(f"title = 'Circle' and {one}")) for one in ("true", "kind = 'group'"))
        assert whole == classes == [(2, 4, 1)]

    def test_a_waitlist_tells_who_was_offered_a_seat_and_took_it(self, marts):
        found = rows(
            marts,
            "select local_day, waitlisted, waitlist_offers, waitlist_promoted from marts.scheduling.fct_slots "
            "where waitlisted > 0 order by 1",
        )
        assert found == [(date(2026, 5, 25), 2, 1, 0), (date(2026, 6, 15), 1, 1, 1)]

    def test_a_coach_carries_who_trains_with_them_at_the_end_of_the_week(self, marts):
        found = rows(
            marts,
            "select week_starts_on, clients, client_capacity from marts.scheduling.fct_coach_weeks "
            "where coach_id = ? and week_starts_on >= '2026-05-18' order by 1",
            who("kim"),
        )
        assert found == [
            (date(2026, 5, 25), 3, 20),  # Ana, Ben, Cem
            (date(2026, 6, 1), 2, 20),  # Ben is gone
            (date(2026, 6, 15), 2, 20),
        ]


class TestTraining:
    def test_the_coach_of_a_workout_is_who_it_was_then(self, marts):
        found = rows(
            marts,
            """select scheduled_on, coach.display_name from marts.training.fct_workouts
            inner join marts.core.dim_coaches as coach using (coach_id)
            where scheduled_on in ('2026-05-18', '2026-05-25') order by 1""",
        )
        assert found == [(date(2026, 5, 18), "Linh"), (date(2026, 5, 25), "Kim")]

    def test_a_workout_knows_what_was_done_in_supersets(self, marts):
        found = rows(
            marts,
            """select scheduled_on, set_count, superset_set_count from marts.training.fct_workouts
            where scheduled_on between '2026-05-04' and '2026-05-18' order by 1""",
        )
        assert found == [(date(2026, 5, 4), 2, 0), (date(2026, 5, 11), 1, 1), (date(2026, 5, 18), 0, 0)]

    def test_bests_and_records_of_an_exercise(self, marts):
        found = rows(
            marts,
            """select performed_on, round(best_e1rm_kg, 2), top_weight_kg, volume_kg, is_record
            from marts.training.fct_exercise_bests order by performed_on""",
        )
        assert found == [
            (date(2026, 5, 4), 116.67, 100.0, 1460.0, False),
            (date(2026, 5, 11), 115.5, 105.0, 315.0, False),
            (date(2026, 5, 25), 122.5, 105.0, 525.0, True),
            (date(2026, 6, 8), 110.0, 110.0, 110.0, False),
        ]

    def test_adherence_waits_until_a_workout_is_due(self, marts):
        found = rows(
            marts, "select week_starts_on, planned, completed from marts.training.fct_adherence_weeks order by 1"
        )
        assert found[-3:] == [(date(2026, 6, 1), 1, 0), (date(2026, 6, 8), 1, 1), (date(2026, 6, 15), 1, 0)]

    def test_the_ring_counts_and_readiness_compares_with_the_clients_own(self, marts):
        found = rows(
            marts,
            """select device, devices_seen, hrv_rmssd_ms, round(hrv_baseline_ms, 1), readiness
            from marts.training.fct_wearable_days where day = '2026-06-16' and customer_id = ?""",
            who("ana"),
        )
        assert found[0][:3] == ("ring", 2, 50.0)
        assert 50 < found[0][3] < 55
        assert 0 < found[0][4] < 50

    def test_what_a_customer_withdrew_is_shown_nowhere_and_what_may_not_be_learned_from_is_no_feature(self, marts):
        shown = rows(marts, "select distinct customer_id from marts.training.fct_wearable_days")
        assert {customer for (customer,) in shown} == {who("ana"), who("cem")}
        learned = rows(
            marts,
            """select distinct customer_id from marts.intermediate.int_customer_activity
            where sleep_minutes is not null or hrv_rmssd_ms is not null""",
        )
        assert learned == [(who("ana"),)]


class TestRetention:
    def test_features_say_what_was_known_on_the_day(self, marts):
        found = rows(
            marts,
            """select as_of, sessions_attended_28d, no_shows_90d, workouts_28d, adherence_28d, coach_changes_90d,
                round(price_increase_90d, 3), failed_payments_90d, has_next_booking, has_open_injury,
                messages_sent_28d, messages_received_28d, days_since_last_session, tenure_days
            from marts.retention.fct_churn_features where customer_id = ? and as_of >= '2026-06-08' order by as_of""",
            who("ana"),
        )
        assert found == [
            (date(2026, 6, 8), 2, 0, 3, 0.75, 1, 0.102, 1, False, False, 0, 0, 7, 142),
            # On the 15th the session and the workout of that day are still to come.
            (date(2026, 6, 15), 2, 0, 3, 0.75, 1, 0.102, 1, True, True, 1, 1, 14, 149),
            # Today, the 17th, counts up to now.
            (date(2026, 6, 17), 3, 0, 2, 0.5, 1, 0.102, 1, True, True, 1, 1, 3, 152),
        ]

    def test_who_has_no_plan_has_no_adherence_and_no_fall_of_it(self, marts):
        found = rows(
            marts,
            """select distinct display_name, adherence_28d, adherence_drop from marts.retention.fct_churn_features
            inner join marts.core.dim_customers using (customer_id) where display_name in ('Dao', 'Cem') order by 1""",
        )
        assert found == [("Cem", None, None), ("Dao", None, None)]
        # Ana's first four weeks with a plan have none before them to fall from.
        first = rows(
            marts,
            """select adherence_28d, adherence_drop from marts.retention.fct_churn_features
            where customer_id = ? and as_of = '2026-05-25'""",
            who("ana"),
        )
        assert first == [(1.0, None)]

    def test_nobody_is_asked_about_who_is_on_trial_paused_or_gone(self, marts):
        found = {
            name
            for (name,) in rows(
                marts,
                """select display_name from marts.retention.fct_churn_features
                inner join marts.core.dim_customers using (customer_id) where as_of = '2026-03-16'""",
            )
        }
        assert found == {"Ana", "Dao"}  # Ben paused, Cem gone

    def test_a_label_is_unknown_until_thirty_days_are_over(self, marts):
        found = rows(
            marts,
            """select as_of, is_churned_30d, churned_on from marts.retention.fct_churn_labels
            where customer_id = ? and as_of >= '2026-04-27' order by as_of""",
            who("ben"),
        )
        assert found == [
            (date(2026, 4, 27), False, None),
            (date(2026, 5, 4), True, date(2026, 6, 1)),
            (date(2026, 5, 11), True, date(2026, 6, 1)),
            (date(2026, 5, 18), True, date(2026, 6, 1)),
            (date(2026, 5, 25), None, date(2026, 6, 1)),
            (date(2026, 6, 1), None, date(2026, 6, 1)),
        ]

    def test_a_cohort_keeps_who_came_back(self, marts):
        found = rows(
            marts,
            "select months_since, members, retained from marts.retention.fct_cohort_retention "
            "where cohort_month = '2026-01-01' order by 1",
        )
        assert found == [(0, 2, 2), (1, 2, 2), (2, 2, 2), (3, 2, 1), (4, 2, 1), (5, 2, 2)]

    @pytest.mark.parametrize(
        ("outcome", "expected"),
        [("attended", (3, 1, 1, 1, 1.0, 0.0, 1.0)), ("retained", (3, 1, 1, 1, 1.0, 0.0, 1.0))],
    )
    def test_effects_count_known_outcomes_only(self, marts, outcome, expected):
        found = rows(
            marts,
            """select runs, outcomes_pending, treated, held_out, treated_rate, holdout_rate, lift
            from marts.retention.fct_automation_effects where rule_code = 'check-in-test' and outcome = ?""",
            outcome,
        )
        assert found == [expected]


class TestHistory:
    def test_a_customers_stages_follow_each_other(self, marts):
        found = rows(
            marts,
            """select stage, valid_from_on, valid_to_on, days_in_stage, is_current from marts.core.fct_customer_stages
            where customer_id = ? order by stay""",
            who("cem"),
        )
        assert found == [
            ("lead", date(2026, 1, 15), date(2026, 1, 20), 5, False),
            ("active", date(2026, 1, 20), date(2026, 3, 5), 44, False),
            ("churned", date(2026, 3, 5), date(2026, 5, 2), 58, False),
            ("won_back", date(2026, 5, 2), None, 46, True),
        ]

    def test_a_visit_counts_for_thirty_days(self, marts):
        found = rows(
            marts,
            """select day, sum(visited_30d)::integer from marts.core.fct_stages_daily
            where day in ('2026-05-24', '2026-05-25', '2026-06-15', '2026-06-17') group by 1 order by 1""",
        )
        assert found == [
            (date(2026, 5, 24), 0), (date(2026, 5, 25), 1), (date(2026, 6, 15), 2), (date(2026, 6, 17), 2),
        ]  # fmt: skip

    def test_a_withdrawn_consent_ends_the_one_given(self, marts):
        found = rows(
            marts,
            """select purpose, is_given, is_current from marts.core.fct_consents
            where customer_id = ? and data_kind = 'sleep' order by purpose, valid_from""",
            who("ben"),
        )
        assert found == [
            ("coaching", True, False), ("coaching", False, True),
            ("modelling", True, False), ("modelling", False, True),
        ]  # fmt: skip

    def test_one_questionnaire_tells_nobody_whether_it_was_red(self, marts):
        found = rows(
            marts,
            """select check_ins, check_ins_answered, answer_hours, screenings, screenings_held
            from marts.training.fct_care_months where coach_id = ?""",
            who("kim"),
        )
        assert found == [(2, 1, 6.0, 1, None)]


class TestEngagement:
    def test_an_announcement_knows_what_became_of_it(self, marts):
        found = rows(
            marts, "select recipients, sent, delivered, withheld, failed from marts.engagement.fct_announcements"
        )
        assert found == [(3, 1, 1, 1, 1)]

    def test_neither_address_nor_words_reach_the_marts(self, marts):
        columns = {row[0] for row in rows(marts, "describe marts.engagement.fct_deliveries")}
        assert not columns & {"recipient", "context", "dedupe_key", "last_error", "provider_message_id"}

    def test_a_step_not_left_for_a_week_is_a_drop(self, marts):
        found = rows(
            marts,
            """select display_name, step, is_outcome_known, is_dropped from marts.engagement.fct_onboarding_steps
            inner join marts.core.dim_customers using (customer_id) order by 1, 2""",
        )
        assert found == [
            ("Eva", "goal", True, False), ("Eva", "screening", True, True), ("Fay", "goal", True, False),
            ("Fay", "screening", False, False),
        ]  # fmt: skip


class TestQuality:
    def test_drift_is_told_by_day_and_column(self, marts):
        assert rows(
            marts, "select day, relation_name, column_name, is_judged, is_drift from marts.quality.fct_column_distances"
        ) == [(date(2026, 6, 15), "marts.finance.fct_payments", "attempt", True, True)]  # fmt: skip

    def test_judgements_of_suites_are_told_whole_and_by_what_was_not_met(self, marts):
        assert rows(
            marts,
            """select raw_table, judged_where, expectation, judged_rows, refused_rows, is_met
            from marts.quality.fct_suite_judgements order by expectation""",
        ) == [
            ("commerce__plans", "in raw", "currency is no currency", 9, 1, False),
            ("commerce__plans", "in raw", "the suite", 9, 1, False),
        ]  # fmt: skip
