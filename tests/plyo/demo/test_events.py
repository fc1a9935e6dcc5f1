"""Every fact in the tables has its event in the outbox, in the shape its class gives it."""

import psycopg
import pytest

from contracts.events import registry
from tests.plyo.demo.conftest import UNTIL

FACTS = {
    "identity.account_registered": "select id, created_at from identity.accounts",
    "identity.email_verified": "select id, email_verified_at from identity.accounts",
    "commerce.plan_updated": "select plan_id, valid_from from commerce.plan_prices",
    "commerce.subscription_changed": """
        select subscription_id, changed_at from commerce.subscription_changes as changes
        where kind not in ('trial_started', 'ended') and not (kind = 'started' and not exists (
            select from commerce.subscription_changes as trial
            where trial.subscription_id = changes.subscription_id and trial.kind = 'trial_started'))""",
    "commerce.pack_bought": "select id, purchased_at from commerce.session_packs",
    "commerce.payment_captured": "select id, captured_at from commerce.payments where status = 'captured'",
    "commerce.payment_failed": "select id, attempted_at from commerce.payments where status = 'failed'",
    "commerce.payment_refunded": "select payment_id, refunded_at from commerce.refunds",
    "commerce.dispute_opened": "select payment_id, opened_at from commerce.disputes",
    "commerce.dispute_closed": "select payment_id, closed_at from commerce.disputes where closed_at is not null",
    "commerce.wallet_topped_up": "select wallet_id, made_at from commerce.wallet_credits where kind = 'paid'",
    "commerce.wallet_credit_given": "select wallet_id, made_at from commerce.wallet_credits where kind = 'gift'",
    "commerce.wallet_spent": """
        select distinct wallet_id, moved_at from commerce.wallet_movements
        join commerce.wallet_credits on wallet_credits.id = credit_id where wallet_movements.kind = 'spent'""",
    "commerce.coupon_created": "select id, created_at from commerce.coupons",
    "commerce.commission_rate_set": "select coach_id, set_at from commerce.commission_rates",
    "commerce.session_delivered": """
        select booking_id, outcome_at from commerce.delivered_sessions join scheduling.bookings on id = booking_id""",
    "commerce.pay_period_closed": "select id, closed_at from commerce.commission_statements",
    "commerce.commission_paid": "select id, recorded_at from commerce.commission_payouts",
    "scheduling.session_booked": "select id, booked_at from scheduling.bookings",
    "scheduling.session_attended": "select id, outcome_at from scheduling.bookings where status = 'attended'",
    "scheduling.session_missed": "select id, outcome_at from scheduling.bookings where status = 'no_show'",
    "scheduling.session_cancelled": """
        select id, cancelled_at from scheduling.bookings where status in ('cancelled', 'late_cancelled')""",
    "scheduling.waitlist_joined": "select id, joined_at from scheduling.waitlist_entries",
    "training.workout_logged": "select id, completed_at from training.workouts where status = 'completed'",
    "training.coach_assigned": "select customer_id, assigned_at from training.coach_assignments",
    "training.programme_assigned": "select id, created_at from training.programmes",
    "engagement.lead_captured": "select id, created_at from engagement.leads",
    "engagement.message_sent": "select id, sent_at from engagement.messages",
    "engagement.message_read": "select id, read_at from engagement.messages where read_at is not null",
    "automation.churn_scored": "select customer_id, received_at from automation.churn_scores",
    "automation.run_started": "select id, started_at from automation.runs",
    "automation.run_acted": "select id, decided_at from automation.runs where status = 'acted'",
    "automation.run_dismissed": "select id, decided_at from automation.runs where status = 'dismissed'",
}


class TestOutbox:
    @pytest.mark.parametrize(("event_type", "query"), FACTS.items())
    def test_has_one_event_for_each_fact_at_its_time(
        self, database: psycopg.Connection, event_type: str, query: str
    ) -> None:
        difference = """
            (select *, 'no event' from (({facts}) except all ({events})) as a)
            union all (select *, 'no fact' from (({events}) except all ({facts})) as b) limit 3"""
        events = "select aggregate_id, occurred_at from platform.outbox_events where type = %(type)s"
        found = database.execute(difference.format(facts=query, events=events), {"type": event_type}).fetchall()
        assert not found

    def test_has_each_kind_of_subscription_start_and_end(self, database: psycopg.Connection) -> None:
        counts = database.execute(
            """
            select
                (select count(*) from commerce.subscription_changes where kind = 'ended')
                    - (select count(*) from platform.outbox_events
                       where type = 'commerce.subscription_cancelled' and payload ->> 'ends_now' = 'true'),
                (select count(*) from commerce.subscriptions)
                    - (select count(*) from platform.outbox_events where type = 'commerce.subscription_started'),
                (select count(*) from training.injuries)
                    - (select count(*) from platform.outbox_events where type = 'training.injury_reported'),
                (select count(*) from training.injuries where resolved_on is not null)
                    - (select count(*) from platform.outbox_events where type = 'training.injury_resolved')
            """
        ).fetchone()
        assert counts == (0, 0, 0, 0)

    def test_holds_nothing_but_what_the_classes_say(self, database: psycopg.Connection) -> None:
        rows = database.execute(
            """
            select distinct on (type) type, version, event_id, occurred_at, payload, aggregate_id
            from platform.outbox_events order by type, random()
            """
        ).fetchall()
        assert {row[0] for row in rows} >= FACTS.keys()
        for event_type, version, event_id, occurred_at, payload, aggregate_id in rows:
            event = registry.parse(
                event_type=event_type, version=version, event_id=event_id, occurred_at=occurred_at, payload=payload
            )
            assert event.aggregate_id == aggregate_id
            assert payload == {key: value for key, value in event.facts().items() if key in payload}
            assert {name for name, field in type(event).model_fields.items() if field.is_required()} <= {
                *payload, "occurred_at",
            }  # fmt: skip

    def test_parses_every_payload_of_the_rare_types(self, database: psycopg.Connection) -> None:
        rows = database.execute(
            """
            select type, version, event_id, occurred_at, payload from platform.outbox_events
            where type not like 'scheduling.%' and type not like 'training.workout%' and type not like '%message%'
            """
        ).fetchall()
        for event_type, version, event_id, occurred_at, payload in rows:
            registry.parse(
                event_type=event_type, version=version, event_id=event_id, occurred_at=occurred_at, payload=payload
            )

    def test_is_relayed_and_in_order_of_time(self, database: psycopg.Connection) -> None:
        wrong = database.execute(
            """
            select count(*) from (
                select *, lag(occurred_at) over (partition by aggregate_id order by position) as before
                from platform.outbox_events) as events
            where relayed_at is null or relayed_at > %(until)s or occurred_at > %(until)s or before > occurred_at
            """,
            {"until": UNTIL},
        ).fetchone()
        assert wrong == (0,)

    def test_takes_new_events_behind_those_loaded(self, database: psycopg.Connection) -> None:
        row = database.execute(
            """
            insert into platform.outbox_events (event_id, type, version, aggregate_id, occurred_at, payload)
            select gen_random_uuid(), 'x', 1, gen_random_uuid(), now(), '{}'
            returning position > (select max(position) from platform.outbox_events)
            """
        ).fetchone()
        assert row == (True,)

    def test_takes_new_exercises_behind_those_loaded(self, database: psycopg.Connection) -> None:
        row = database.execute(
            """
            insert into training.exercises (slug, name, pattern, primary_muscle, equipment, is_loaded)
            select 'x', 'X', 'push', 'chest', 'barbell', true
            returning id > (select max(id) from training.exercises)
            """
        ).fetchone()
        assert row == (True,)
