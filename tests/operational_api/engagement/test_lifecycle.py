"""Stages: a fold over facts that no order and no repetition changes, and what is stored equals what history makes."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from contracts.events import automation, commerce, identity, registry
from contracts.events import engagement as facts
from contracts.events.envelope import Event
from contracts.ids import new_id
from operational_api.core.models import OutboxEvent
from operational_api.core.outbox import publish
from operational_api.engagement.handlers import HANDLERS
from operational_api.engagement.lifecycle import MEMBERS, Fact, Kind, fold
from operational_api.engagement.models import Lead, LifecycleFact, LifecycleStage
from operational_api.engagement.service import stages
from tests.factories import make_account

T0 = datetime(2026, 1, 1, tzinfo=UTC)
KINDS: tuple[Kind, ...] = (
    "lead_captured", "trial_started", "membership_started", "membership_paused", "membership_resumed",
    "membership_ended", "became_at_risk", "recovered",
)  # fmt: skip
lives = st.lists(
    st.builds(
        lambda id_, kind, hour: Fact(id_, kind, T0 + timedelta(hours=hour)), st.uuids(), st.sampled_from(KINDS),
        st.integers(0, 40),
    ),
    max_size=25,
)  # fmt: skip


def life(*kinds: Kind) -> list[str]:
    happened = [Fact(new_id(), kind, T0 + timedelta(days=day)) for day, kind in enumerate(kinds)]
    return [one.stage for one in fold(happened)]


class TestFold:
    @pytest.mark.parametrize(
        ("kinds", "expected"),
        [
            (["lead_captured", "trial_started", "membership_started"], ["lead", "trial", "active"]),
            (["membership_started", "membership_paused", "membership_resumed"], ["active", "paused", "active"]),
            (["membership_started", "became_at_risk", "recovered"], ["active", "at_risk", "active"]),
            (["trial_started", "became_at_risk", "recovered"], ["trial", "at_risk", "trial"]),
            (["trial_started", "membership_paused", "membership_resumed"], ["trial", "paused", "trial"]),
            (
                ["trial_started", "membership_paused", "membership_started", "membership_paused",
                 "membership_resumed"],
                ["trial", "paused", "active", "paused", "active"],
            ),
            (
                ["membership_started", "became_at_risk", "membership_ended", "membership_started", "membership_paused",
                 "membership_resumed"],
                ["active", "at_risk", "churned", "won_back", "paused", "won_back"],
            ),
            (["lead_captured", "membership_ended", "recovered", "became_at_risk"], ["lead"]),
            (["membership_started", "lead_captured"], ["active"]),
        ],
    )  # fmt: skip
    def test_lives(self, kinds: list[Kind], expected: list[str]) -> None:
        assert life(*kinds) == expected

    @settings(max_examples=200, deadline=None)
    @given(happened=lives, data=st.data())
    def test_neither_order_nor_repetition_of_telling_matters(self, happened: list[Fact], data: st.DataObject) -> None:
        told = data.draw(st.permutations(happened + happened[:3]))
        assert fold(told) == fold(happened)

    @settings(max_examples=200, deadline=None)
    @given(happened=lives)
    def test_every_life_makes_sense(self, happened: list[Fact]) -> None:
        went = fold(happened)
        names = [one.stage for one in went]
        assert all(a.stage != b.stage and a.since <= b.since for a, b in pairwise(went))
        assert "lead" not in names[1:]
        for before, after in pairwise(names):
            assert after != "churned" or before in MEMBERS
        if "won_back" in names:
            assert "churned" in names[: names.index("won_back")]


class TestStages:
    def tell(self, session: Session, *events: Event) -> None:
        for event in events:
            for handler in HANDLERS[event.type]:
                if "learn" in handler.__name__ or "carry" in handler.__name__:
                    handler(session, event)
                    handler(session, event)
        session.flush()

    def test_follow_other_contexts_events_in_any_order(self, session: Session) -> None:
        mia, money = make_account(session).id, {"amount_minor": 9900, "currency": "EUR", "plan_id": new_id()}
        about = {"customer_id": mia, "subscription_id": new_id()}
        day = [T0 + timedelta(days=n) for n in range(9)]
        events = [
            commerce.SubscriptionStarted(occurred_at=day[0], is_trial=True, **about, **money),
            commerce.SubscriptionChanged(occurred_at=day[1], kind="started", mrr_minor=1, currency="EUR", **about),
            commerce.SubscriptionChanged(
                occurred_at=day[2], kind="price_changed", mrr_minor=1, currency="EUR", **about
            ),
            automation.ChurnScored(occurred_at=day[3], customer_id=mia, probability=0.7, model_id="m"),
            automation.ChurnScored(occurred_at=day[4], customer_id=mia, probability=0.5, model_id="m"),
            commerce.SubscriptionCancelled(occurred_at=day[5], **about),
            commerce.SubscriptionCancelled(occurred_at=day[6], ends_now=True, **about),
        ]
        self.tell(session, *reversed(events))
        assert session.get_one(LifecycleStage, mia).stage == "churned"
        self.tell(session, commerce.SubscriptionStarted(occurred_at=day[8], **about, **money))
        stored = session.get_one(LifecycleStage, mia, populate_existing=True)
        assert (stored.stage, stored.since) == ("won_back", day[8])
        told = select(OutboxEvent).where(OutboxEvent.type == "engagement.lifecycle_stage_changed")
        rows = session.scalars(told.order_by(OutboxEvent.position))
        changes = [(one.payload["before"], one.payload["stage"]) for one in rows]
        assert changes[-1] == ("churned", "won_back")
        assert all(a != b for a, b in changes)

    def test_history_in_the_outbox_makes_the_same_stages_again(self, session: Session) -> None:
        mia, tom, money = new_id(), new_id(), {"amount_minor": 9900, "currency": "EUR", "plan_id": new_id()}
        for person, day in ((mia, 0), (tom, 1)):
            about = {"customer_id": person, "subscription_id": new_id()}
            at = [T0 + timedelta(days=day + n) for n in range(0, 50, 10)]
            for event in (
                commerce.SubscriptionStarted(occurred_at=at[0], is_trial=person is tom, **about, **money),
                automation.ChurnScored(occurred_at=at[1], customer_id=person, probability=0.8, model_id="m"),
                commerce.SubscriptionCancelled(occurred_at=at[2], ends_now=True, **about),
                commerce.SubscriptionStarted(occurred_at=at[3], **about, **money),
            ):
                publish(session, event)
                self.tell(session, event)
        kept = {one.person_id: (one.stage, one.since) for one in session.scalars(select(LifecycleStage))}
        history = session.scalars(select(OutboxEvent).where(OutboxEvent.type.in_(HANDLERS))).all()
        session.execute(delete(LifecycleStage))
        session.execute(delete(LifecycleFact))
        session.expire_all()
        for row in sorted(history, key=lambda one: one.payload.get("customer_id", "")):
            self.tell(
                session,
                registry.parse(
                    event_type=row.type, version=row.version, event_id=row.event_id, occurred_at=row.occurred_at,
                    payload=row.payload,
                ),
            )  # fmt: skip
        assert {one.person_id: (one.stage, one.since) for one in session.scalars(select(LifecycleStage))} == kept
        assert {stage for stage, _ in kept.values()} == {"won_back"}

    def test_a_lead_with_an_account_began_as_one(self, session: Session) -> None:
        mia = make_account(session, email="mia@plyo.test")
        lead = Lead(name="Mia", email="Mia@plyo.test", source="website", created_at=T0)
        session.add(lead)
        session.flush()
        self.tell(
            session,
            facts.LeadCaptured(occurred_at=T0, lead_id=lead.id, source="website"),
            identity.EmailVerified(occurred_at=T0 + timedelta(days=1), account_id=mia.id),
        )
        assert session.get_one(LifecycleStage, mia.id).stage == "lead"

    @settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(happened=lives)
    def test_what_is_stored_is_what_history_makes(self, session: Session, happened: list[Fact]) -> None:
        mia = new_id()
        for fact in happened:
            stages.learn(session, person_id=mia, fact_id=new_id(), kind=fact.kind, at=fact.at, now=T0)
        row = session.get(LifecycleStage, mia, populate_existing=True)
        made = stages.recomputed(session).get(mia)
        assert (row and (row.stage, row.since)) == (made and (made.stage, made.since))
