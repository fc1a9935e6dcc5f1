"""Tables of outgoing webhooks, in the schema `integrations`. None is captured: secrets, answers of strangers."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Integer, SmallInteger, String, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from operational_api.core.database import Base, Id, RequiredTime, ServerTime

SCHEMA = {"schema": "integrations"}


def _endpoint() -> Mapped[UUID]:
    return mapped_column(ForeignKey("integrations.webhook_endpoints.id", ondelete="CASCADE"))


class WebhookEndpoint(Base):
    """Where somebody listens, and to which kinds of events.

    `state`: active; paused by an admin (what happens waits); or disabled by itself (what happens is not even queued,
    and can be replayed). `failing_since`: no delivery has succeeded since. `rest_until`: nothing is sent before,
    because it asked for that or cannot be reached. `leased_until`: one worker sends there now.
    """

    __tablename__ = "webhook_endpoints"
    __table_args__ = (
        CheckConstraint("state in ('active', 'paused', 'disabled')", name="state"),
        CheckConstraint("(state = 'disabled') = (disabled_reason is not null)", name="disabled_for_a_reason"),
        SCHEMA,
    )
    id: Mapped[Id]
    label: Mapped[str] = mapped_column(String(80))
    url: Mapped[str] = mapped_column(String(500))
    kinds: Mapped[list[str]] = mapped_column(ARRAY(String))
    state: Mapped[str] = mapped_column(String(20), server_default="active")
    disabled_reason: Mapped[str | None] = mapped_column(String(20))
    failing_since: Mapped[datetime | None]
    rests: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    rest_until: Mapped[datetime | None]
    leased_until: Mapped[datetime | None]
    served_at: Mapped[datetime | None]
    created_by: Mapped[UUID]
    created_at: Mapped[RequiredTime]
    changed_at: Mapped[RequiredTime]


class WebhookSecret(Base):
    """What signs, sealed with its endpoint's id. Two live at most: the old one until `expires_at`."""

    __tablename__ = "webhook_secrets"
    __table_args__ = (Index("ix_webhook_secrets_endpoint_id", "endpoint_id"), SCHEMA)
    id: Mapped[Id]
    endpoint_id: Mapped[UUID] = _endpoint()
    sealed: Mapped[bytes]
    created_at: Mapped[RequiredTime]
    expires_at: Mapped[datetime | None]
    shown_at: Mapped[datetime | None]


class WebhookReplay(Base):
    """A span that is sent once more. `position`: the outbox was read up to here; done with `finished_at`."""

    __tablename__ = "webhook_replays"
    __table_args__ = (
        Index("ix_webhook_replays_endpoint_id", "endpoint_id"),
        Index("ix_webhook_replays_unfinished", "asked_at", postgresql_where=text("finished_at is null")),
        CheckConstraint("from_at < until_at", name="span"),
        SCHEMA,
    )
    id: Mapped[Id]
    endpoint_id: Mapped[UUID] = _endpoint()
    from_at: Mapped[RequiredTime]
    until_at: Mapped[RequiredTime]
    asked_by: Mapped[UUID]
    asked_at: Mapped[RequiredTime]
    position: Mapped[int] = mapped_column(BigInteger)
    last_position: Mapped[int] = mapped_column(BigInteger)
    found: Mapped[int] = mapped_column(Integer, server_default="0")
    finished_at: Mapped[datetime | None]


class WebhookDelivery(Base):
    """One event for one endpoint, under the event's id and with the same bytes at every try.

    `state`: waiting, delivered, or failed (given up). `person_id` and `position` are its place: of one person at one
    endpoint, the earlier one first. `asks`: how often a replay asked for it; what was under way before answers no ask.
    """

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        CheckConstraint("state in ('waiting', 'delivered', 'failed')", name="state"),
        CheckConstraint("(state = 'waiting') = (done_at is null)", name="done_at"),
        Index("uq_webhook_deliveries_event", "endpoint_id", "event_id", unique=True),
        Index(
            "ix_webhook_deliveries_due", "endpoint_id", "next_attempt_at", postgresql_where=text("state = 'waiting'")
        ),
        Index(
            "ix_webhook_deliveries_order", "endpoint_id", "person_id", "position",
            postgresql_where=text("state = 'waiting'"),
        ),
        Index("ix_webhook_deliveries_person_id", "person_id"),
        Index("ix_webhook_deliveries_replay_id", "replay_id", postgresql_where=text("replay_id is not null")),
        Index("ix_webhook_deliveries_done_at", "done_at", postgresql_where=text("done_at is not null")),
        SCHEMA,
    )  # fmt: skip
    id: Mapped[Id]
    endpoint_id: Mapped[UUID] = _endpoint()
    event_id: Mapped[UUID]
    kind: Mapped[str] = mapped_column(String(80))
    person_id: Mapped[UUID]
    position: Mapped[int] = mapped_column(BigInteger)
    occurred_at: Mapped[RequiredTime]
    body: Mapped[str]
    state: Mapped[str] = mapped_column(String(20), server_default="waiting")
    attempts: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    asks: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    next_attempt_at: Mapped[RequiredTime]
    last_problem: Mapped[str | None] = mapped_column(String(200))
    replay_id: Mapped[UUID | None] = mapped_column(ForeignKey("integrations.webhook_replays.id", ondelete="SET NULL"))
    created_at: Mapped[ServerTime]
    done_at: Mapped[datetime | None]


class WebhookAttempt(Base):
    """One try: what the endpoint answered, its beginning at most. `status` is null where no answer came."""

    __tablename__ = "webhook_attempts"
    __table_args__ = (Index("ix_webhook_attempts_delivery", "delivery_id", "started_at"), SCHEMA)
    id: Mapped[Id]
    delivery_id: Mapped[UUID] = mapped_column(ForeignKey("integrations.webhook_deliveries.id", ondelete="CASCADE"))
    started_at: Mapped[RequiredTime]
    status: Mapped[int | None] = mapped_column(SmallInteger)
    problem: Mapped[str | None] = mapped_column(String(200))
    latency_ms: Mapped[int] = mapped_column(Integer)
    response_head: Mapped[str | None] = mapped_column(String(500))
