"""Terra's webhooks: forged, repeated, shuffled, without consent; and what becomes of a link."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from contracts.sealing import Sealer
from operational_api.core.models import OutboxEvent
from operational_api.integrations.handlers import forget_withdrawn
from operational_api.integrations.models import WearableLink, WearablePayload
from tests.factories import make_account
from tests.operational_api.integrations.conftest import GARMIN, Hook, allow, user

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
def mia(session: Session) -> UUID:
    return make_account(session).id


def sleep(customer_id: object, **given: Any) -> dict[str, Any]:
    return {"type": "sleep", "user": user(customer_id), "data": [{"metadata": {"summary_id": "s1"}}]} | given


def auth(customer_id: object, user_id: str = GARMIN, kind: str = "auth", **given: Any) -> dict[str, Any]:
    return {"type": kind, "status": "success", "user": user(customer_id, user_id)} | given


def stored(session: Session) -> list[WearablePayload]:
    return list(session.scalars(select(WearablePayload).order_by(WearablePayload.id)))


def link(session: Session, user_id: str = GARMIN) -> WearableLink:
    session.expire_all()
    return session.scalars(select(WearableLink).where(WearableLink.external_user_id == user_id)).one()


class TestKeeping:
    def test_data_is_kept_sealed_once(self, hook: Hook, session: Session, mia: UUID, sealer: Sealer) -> None:
        allow(session, mia, "sleep")
        event = sleep(mia)
        assert hook(event, trace="t1", at=NOON).json() == {"is_new": True}
        again = hook(event, trace="t1", at=NOON)
        assert (again.status_code, again.json()) == (200, {"is_new": False})
        [row] = stored(session)
        assert (row.customer_id, row.kind, row.data_kind, row.provider) == (mia, "sleep", "sleep", "GARMIN")
        assert (row.trace_id, row.ordering_at, row.is_kept, row.refusal) == ("t1", NOON, True, None)
        assert row.body is not None
        assert b"summary_id" not in row.body
        assert json.loads(sealer.open(row.body)) == event

    def test_without_a_trace_id_the_body_stands_for_itself(self, hook: Hook, session: Session, mia: UUID) -> None:
        allow(session, mia, "sleep")
        answers = [hook(sleep(mia, data=[n]), trace=None).json()["is_new"] for n in (1, 1, 2)]
        assert answers == [True, False, True]

    @pytest.mark.parametrize(
        ("event", "refusal"),
        [
            ({"type": "sleep"}, "no_consent"),
            ({"type": "menstruation"}, "unused_kind"),
            ({"type": "lab_report.completed"}, "unused_kind"),
        ],
    )
    def test_what_may_not_be_kept_leaves_only_that_it_came(
        self, hook: Hook, session: Session, mia: UUID, event: dict[str, Any], refusal: str
    ) -> None:
        allow(session, mia, "activity")
        assert hook(event | {"user": user(mia), "data": [{"secret": "value"}]}).json() == {"is_new": True}
        [row] = stored(session)
        assert (row.is_kept, row.body, row.refusal) == (False, None, refusal)

    def test_data_of_nobody_we_know_is_not_kept(self, hook: Hook, session: Session) -> None:
        assert hook(sleep("your-user-123")).status_code == 200
        [row] = stored(session)
        assert (row.customer_id, row.body, row.refusal) == (None, None, "unknown_user")

    def test_withdrawing_forgets_one_kind_and_the_next_is_not_kept(
        self, hook: Hook, session: Session, mia: UUID
    ) -> None:
        allow(session, mia, "sleep", "daily")
        hook(sleep(mia))
        hook(sleep(mia, type="daily"))
        allow(session, mia, "sleep", is_given=False)
        [event] = session.scalars(
            select(OutboxEvent).where(OutboxEvent.payload["is_given"].as_boolean().is_(False))
        ).all()
        from contracts.events.registry import parse

        forget_withdrawn(session, parse(
            event_type=event.type, version=event.version, event_id=event.event_id, occurred_at=event.occurred_at,
            payload=event.payload,
        ))  # fmt: skip
        session.expire_all()
        assert [(row.kind, row.is_kept, row.refusal) for row in stored(session)] == [
            ("sleep", False, "withdrawn"),
            ("daily", True, None),
        ]
        hook(sleep(mia))
        assert [row.refusal for row in stored(session)] == ["withdrawn", None, "no_consent"]

    @pytest.mark.parametrize(
        ("told", "expected"),
        [
            ("2026-11-23T12:00:00+00:00", NOON),
            ("2026-11-23T12:00:00Z", NOON),
            ("2026-11-23T12:00:00", NOON),
            (str(int(NOON.timestamp())), NOON),
            (str(int(NOON.timestamp() * 1000)), NOON),
        ],
    )
    def test_reads_the_ordering_timestamp(
        self, hook: Hook, api: Any, session: Session, mia: UUID, told: str, expected: datetime
    ) -> None:
        api.headers["X-Terra-Ordering-Timestamp"] = told
        hook(sleep(mia))
        assert stored(session)[0].ordering_at == expected

    @pytest.mark.parametrize("told", ["", "soon", "1e999", "99999999999999999999", "-1"])
    def test_an_unreadable_timestamp_counts_as_now(
        self, hook: Hook, api: Any, session: Session, mia: UUID, told: str
    ) -> None:
        api.headers["X-Terra-Ordering-Timestamp"] = told
        assert hook(sleep(mia)).status_code == 200
        assert abs(stored(session)[0].ordering_at - datetime.now(UTC)) < timedelta(minutes=2)


class TestRefusing:
    def test_a_forged_one(self, hook: Hook, session: Session, mia: UUID) -> None:
        answer = hook(sleep(mia), secret="somebody-elses")
        assert (answer.status_code, answer.json()["code"]) == (401, "core.forged_webhook")
        assert stored(session) == []

    @pytest.mark.parametrize("body", [b"", b"not json", b"[]", b"null", b'{"type": 7}', b'{"type": "sl\\u0000eep"}'])
    def test_what_is_signed_but_nothing_of_terras(self, hook: Hook, session: Session, body: bytes) -> None:
        answer = hook(body)
        assert (answer.status_code, answer.json()["code"]) == (400, "integrations.malformed_webhook")
        assert stored(session) == []


class TestLinks:
    def test_live_and_end(self, hook: Hook, session: Session, mia: UUID) -> None:
        for minute, (kind, state, reason) in enumerate(
            [
                ("auth", "active", None),
                ("connection_error", "degraded", None),
                ("auth", "active", None),
                ("access_revoked", "ended", "access_revoked"),
                ("auth", "active", None),
                ("deauth", "ended", "deauthenticated"),
            ]
        ):
            hook(auth(mia, kind=kind), at=NOON + timedelta(minutes=minute))
            assert (link(session).state, link(session).ended_reason) == (state, reason)
        told = session.scalars(select(OutboxEvent.type).order_by(OutboxEvent.position)).all()
        on, off = "integrations.wearable_connected", "integrations.wearable_disconnected"
        assert list(told) == [on, on, off, on, off]

    def test_news_that_come_late_change_nothing(self, hook: Hook, session: Session, mia: UUID) -> None:
        hook(auth(mia), at=NOON)
        hook(auth(mia, kind="deauth"), at=NOON - timedelta(hours=1))
        assert link(session).state == "active"
        hook(auth(mia, kind="deauth"), at=NOON + timedelta(hours=2))
        hook(auth(mia), at=NOON + timedelta(hours=1))
        assert link(session).state == "ended"

    def test_signing_in_again_swaps_the_account(self, hook: Hook, session: Session, mia: UUID) -> None:
        allow(session, mia, "sleep")
        hook(auth(mia), at=NOON)
        swap = {
            "type": "user_reauth", "status": "warning", "old_user": user(mia) | {"active": False},
            "new_user": user(mia, "new-id"),
        }  # fmt: skip
        hook(swap, at=NOON + timedelta(minutes=1))
        assert (link(session).state, link(session).ended_reason) == ("ended", "replaced")
        assert link(session, "new-id").state == "active"
        hook(sleep("?", user=user("?")), at=NOON)  # still under way from the old account
        hook(sleep("?", user=user("?", "new-id")))
        assert [row.customer_id for row in stored(session) if row.kind == "sleep"] == [mia, mia]

    def test_data_heals_a_degraded_link(self, hook: Hook, session: Session, mia: UUID) -> None:
        hook(auth(mia), at=NOON)
        hook(auth(mia, kind="connection_error"), at=NOON)
        hook(sleep(mia))
        assert link(session).state == "active"
        assert link(session).last_payload_at is not None

    def test_scopes_follow_the_customers_choice_at_the_maker(self, hook: Hook, session: Session, mia: UUID) -> None:
        hook(auth(mia), at=NOON)
        changed = {"type": "permission_change", "user": user(mia, scopes="SLEEP_EXPORT")}
        hook(changed, at=NOON + timedelta(minutes=1))
        assert link(session).scopes == "SLEEP_EXPORT"

    def test_an_account_is_not_taken_over(self, hook: Hook, session: Session, mia: UUID) -> None:
        hook(auth(mia), at=NOON)
        hook(auth(make_account(session).id), at=NOON + timedelta(minutes=1))
        assert link(session).customer_id == mia

    def test_a_sign_in_that_was_cancelled_makes_no_link(self, hook: Hook, session: Session, mia: UUID) -> None:
        hook({"type": "auth_cancelled", "status": "error", "reference_id": str(mia)})
        hook(auth(mia, status="error"))
        assert session.scalars(select(WearableLink)).all() == []
