"""A closed account: of who it was no byte stays in the product, in any table; everything else does."""

from datetime import UTC, date, datetime, timedelta

from sqlalchemy import String, func, select, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Session

from contracts.events.identity import AccountClosed, AccountRegistered
from contracts.ids import new_id
from operational_api import worker
from operational_api.core import seals
from operational_api.core.database import Base
from operational_api.core.outbox import publish
from operational_api.core.personal import IDS
from operational_api.engagement.models import Lead, Message, OutgoingMessage
from operational_api.engagement.public import queue_email
from operational_api.engagement.service import addresses, forgetting
from operational_api.identity.models import EmailToken, LoginSession
from operational_api.identity.service import accounts, changes, deletion, links
from operational_api.training.models import CheckIn, Client, Goal, Habit, Injury, Workout
from tests.factories import account_of, make_client, make_customer

MARKER = "Zephyrine Quux"
NOW = datetime.now(UTC)
CODES = frozenset(
    (
        "account", "arm", "assignment", "billed_by", "cancel_kind", "currency", "failure_code", "from_role", "grade",
        "kind", "late_fee_currency", "last_failure_code", "mode", "model_id", "moved_by_role", "outcome", "plan",
        "policy_version", "provider", "purpose", "reasons", "data_kind", "role", "rule", "series", "settlement",
        "stage", "state", "status", "step", "time_zone", "title",
        "actor_role", "object_type", "object_id", "action", "traceparent", "name", "goal",
    )
)  # fmt: skip
"""Columns of texts in tables that are kept as they are for their ids: codes, and names of sessions and programmes."""


def everywhere(session: Session) -> set[str]:
    """Tables with the marker in any of their columns."""
    return {
        name
        for name, table in Base.metadata.tables.items()
        if session.scalar(text(f"select count(*) from {name} held where held::text ilike :marker"),
                          {"marker": f"%{MARKER}%"})
    }  # fmt: skip


def make_mia(session: Session) -> Client:
    """A client who left her name wherever there is room for it."""
    client = make_client(session, display_name=MARKER)
    account = account_of(session, client)
    account.display_name, account.email = MARKER, f"{MARKER.replace(' ', '.')}@example.test"
    make_customer(session, id=account.id)
    common = {"id": new_id(), "customer_id": client.id}
    session.add_all(
        [
            Goal(**common, text=f"{MARKER} runs", status="open", set_at=NOW),
            Habit(**common, name=f"{MARKER} sleeps", times_per_week=7, begun_at=NOW),
            Injury(**common, body_part=MARKER[:20], severity=2, occurred_on=date(2026, 3, 2)),
            CheckIn(**common, due_on=date(2026, 3, 2), submitted_at=NOW, mood=3, note=f"{MARKER} is tired"),
            Workout(
                **common, title="Legs", scheduled_on=date(2026, 3, 2), status="planned", note=f"{MARKER} was late",
                created_at=NOW,
            ),
            Lead(
                id=new_id(), name=MARKER, email=account.email, source="web", customer_id=client.id, created_at=NOW,
            ),
            LoginSession(
                id=new_id(), token_hash=new_id().hex, account_id=account.id, user_agent=MARKER,
                expires_at=NOW + timedelta(days=1), authenticated_at=NOW, last_seen_at=NOW, amr=["pwd"],
            ),
        ]
    )  # fmt: skip
    session.flush()
    session.add(
        Message(**common, sender_id=client.id, recipient_id=new_id(), kind="chat", body=f"{MARKER} here", sent_at=NOW)
    )
    publish(session, AccountRegistered(occurred_at=NOW, account_id=account.id, role="customer", display_name=MARKER))
    deletion.request(session, account=account, reason=f"{MARKER} moves", now=NOW - timedelta(days=20))
    session.flush()
    return client


def close(session: Session) -> None:
    """What the worker does of it: closing, every context's functions, and, an hour later, the account itself."""
    deletion.close_due(session, NOW)
    session.flush()
    for (account_id,) in session.execute(
        text("select aggregate_id from platform.outbox_events where type = :type"), {"type": AccountClosed.type}
    ).all():
        for module in worker.handler_modules():
            for handler in getattr(module, "HANDLERS", {}).get(AccountClosed.type, []):
                handler(session, AccountClosed(occurred_at=NOW, account_id=account_id))
    session.flush()
    deletion.forget_closed(session, NOW + timedelta(minutes=59))
    assert "identity.accounts" in everywhere(session), "who still has something to say to them can for an hour"
    deletion.forget_closed(session, NOW + timedelta(minutes=61))
    session.flush()


class TestForgetting:
    def test_leaves_no_byte_of_who_it_was_and_all_of_the_others(self, session: Session) -> None:
        mia, tom = make_mia(session), make_client(session, display_name="Tom")
        seals.seal_rest(session, now=NOW)
        assert len(everywhere(session)) >= 12
        close(session)
        assert everywhere(session) == set()
        rows = dict(session.execute(text("select id, display_name from training.clients")).tuples().all())
        assert rows == {mia.id: "Former client", tom.id: "Tom"}
        assert session.scalar(text("select count(*) from training.workouts")) == 1
        for _ in range(2):
            deletion.forget_closed(session, NOW + timedelta(days=1))
        address = text("select email from identity.accounts where id = :id")
        assert session.scalar(address, {"id": mia.id}) == f"{mia.id}@closed.invalid"

    def test_what_is_sent_to_them_afterwards_is_emptied_once_it_went_out(self, session: Session) -> None:
        mia = make_mia(session)
        close(session)
        session.add(
            OutgoingMessage(
                dedupe_key="late", recipient=f"{MARKER}@example.test", template="booking_cancelled", status="sent",
                context={"name": MARKER}, next_attempt_at=NOW, customer_id=mia.id,
            )
        )  # fmt: skip
        session.flush()
        forgetting.forget_sent(session, NOW + timedelta(hours=2))
        assert everywhere(session) == set()

    def test_the_address_before_and_one_that_nobody_confirmed_go_too_and_nothing_is_sent_there(
        self, session: Session
    ) -> None:
        mia = make_mia(session)
        tom = make_client(session, display_name="Tom")
        account, old = account_of(session, mia), f"Old.{MARKER.replace(' ', '.')}@example.test"
        wrong = f"Wrong.{MARKER.replace(' ', '.')}@example.test"
        account.email, toms = old, account_of(session, tom).email
        queue_email(
            session, dedupe_key="receipt", recipient=old, template="password_changed", context={"name": "M"}, now=NOW
        )  # fmt: skip
        for address in (wrong, f"{MARKER.replace(' ', '.')}@example.test"):
            changes.request_email(session, account=account, email=address, now=NOW)
        token = "t" * 43
        session.query(EmailToken).filter_by(address=address.lower()).update({"token_hash": links.digest(token)})
        changes.confirm_email(session, token=token, now=NOW)
        changes.request_email(session, account=account, email=toms, now=NOW)
        session.execute(text("update engagement.outgoing_emails set status = 'sent' where dedupe_key = 'receipt'"))
        addresses.suppress(session, channel="email", address=old, reason="bounce", now=NOW)
        session.flush()
        assert "engagement.outgoing_emails" in everywhere(session)
        close(session)
        assert everywhere(session) == set()
        left = select(OutgoingMessage).where(OutgoingMessage.status == "queued")
        assert [one.recipient for one in session.scalars(left)] == [toms], "Tom is told that somebody tried his address"

    def test_nobody_writes_to_a_closed_account_by_an_old_link(self, session: Session) -> None:
        account = account_of(session, make_mia(session))
        account.email_verified_at = None
        token = links.issue(session, account_id=account.id, purpose="verify", now=NOW - timedelta(days=19))
        session.flush()
        before = select(func.count()).select_from(OutgoingMessage)
        deletion.close_due(session, NOW)
        written = session.scalar(before)
        assert token
        accounts.resend_link(session, token=token, purpose="verify", now=NOW)
        accounts.resend_verification(session, email=account.email, now=NOW)
        assert session.scalar(before) == written

    def test_the_seals_know_an_emptied_name_from_a_forged_event(self, session: Session) -> None:
        make_mia(session)
        session.execute(text("update platform.outbox_events set relayed_at = now()"))
        seals.seal_rest(session, now=NOW)
        close(session)
        assert seals.verify(session).faults == ()
        session.execute(text("set local session_replication_role = replica"))
        session.execute(
            text(
                """update platform.outbox_events set payload = payload || '{"due_at": "2030-01-01T00:00:00Z"}'
                where type = 'identity.deletion_requested'"""
            )
        )
        [fault] = seals.verify(session).faults
        assert fault.what == "the event was changed"


class TestDecisions:
    def test_no_words_are_in_what_is_kept_for_its_ids(self) -> None:
        open_ = [
            f"{each.schema}.{name}.{column.name}"
            for each in worker.contributions()
            for name, rule in each.tables.items()
            if rule.closing is IDS
            for column in Base.metadata.tables[f"{each.schema}.{name}"].columns
            if isinstance(column.type, String | JSONB | ARRAY) and not column.foreign_keys
            and column.name not in CODES | rule.omit
        ]  # fmt: skip
        assert open_ == [], "words or a code? Empty them on closing (`personal`), or say here that it is a code"
