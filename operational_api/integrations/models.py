"""Tables of the schema `integrations`."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, Integer, String, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from operational_api.core.database import Base, Id, RequiredTime, ServerTime

SCHEMA = {"schema": "integrations"}


class Connector(Base):
    """A source outside, as the business has set it. `state`: connected, paused or revoked; no row: never connected.

    `resync_asked_at`: the next pull begins again; it is done when a run that began after it has succeeded.
    """

    __tablename__ = "connectors"
    __table_args__ = (CheckConstraint("state in ('connected', 'paused', 'revoked')", name="state"), SCHEMA)
    name: Mapped[str] = mapped_column(String(20), primary_key=True)
    state: Mapped[str] = mapped_column(String(20))
    connected_at: Mapped[RequiredTime]
    changed_at: Mapped[RequiredTime]
    changed_by: Mapped[UUID | None]
    resync_asked_at: Mapped[datetime | None]
    tested_at: Mapped[datetime | None]
    test_problem: Mapped[str | None]


class ConnectorRun(Base):
    """One pull, as the data platform reported it.

    `kind`: pull, resync or backfill. `streams`: [{"stream", "rows", "cursor", "problem"}].
    """

    __tablename__ = "connector_runs"
    __table_args__ = (Index("ix_connector_runs_newest", "connector", "started_at"), SCHEMA)
    id: Mapped[Id]
    connector: Mapped[str] = mapped_column(String(20))
    kind: Mapped[str] = mapped_column(String(20))
    started_at: Mapped[RequiredTime]
    finished_at: Mapped[RequiredTime]
    has_succeeded: Mapped[bool]
    streams: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)


class WearableLink(Base):
    """A customer's account at a wearable's maker. `state`: active, degraded (the maker refuses us), or ended.

    `changed_at` is the provider's time of the newest thing it said of the link: what comes late changes nothing.
    """

    __tablename__ = "wearable_links"
    __table_args__ = (
        CheckConstraint("state in ('active', 'degraded', 'ended')", name="state"),
        Index("uq_wearable_links_external", "source", "external_user_id", unique=True),
        Index("ix_wearable_links_customer", "customer_id"),
        SCHEMA,
    )
    id: Mapped[Id]
    customer_id: Mapped[UUID]
    source: Mapped[str] = mapped_column(String(20))
    external_user_id: Mapped[str]
    provider: Mapped[str] = mapped_column(String(40))
    scopes: Mapped[str] = mapped_column(server_default="")
    state: Mapped[str] = mapped_column(String(20))
    ended_reason: Mapped[str | None] = mapped_column(String(30))
    connected_at: Mapped[RequiredTime]
    changed_at: Mapped[RequiredTime]
    last_payload_at: Mapped[datetime | None]


class WearablePayload(Base):
    """What a wearable sent, as it came and sealed; once for each `trace_id` of a source.

    `body` is null where nothing may be kept: `kept` is false from the start without consent, and becomes false when
    consent is withdrawn. `ordering_at`: of two that speak of the same, the later one counts.
    """

    __tablename__ = "wearable_payloads"
    __table_args__ = (
        Index("uq_wearable_payloads_trace", "source", "trace_id", unique=True),
        Index("ix_wearable_payloads_kept", "customer_id", "data_kind", postgresql_where=text("is_kept")),
        CheckConstraint("is_kept = (body is not null)", name="kept_has_body"),
        SCHEMA,
    )
    id: Mapped[Id]
    customer_id: Mapped[UUID | None]
    source: Mapped[str] = mapped_column(String(20))
    kind: Mapped[str] = mapped_column(String(40))
    data_kind: Mapped[str | None] = mapped_column(String(20))
    provider: Mapped[str | None] = mapped_column(String(40))
    external_user_id: Mapped[str | None]
    trace_id: Mapped[str]
    ordering_at: Mapped[RequiredTime]
    received_at: Mapped[ServerTime]
    is_kept: Mapped[bool]
    refusal: Mapped[str | None] = mapped_column(String(40))
    body: Mapped[bytes | None]


class WebhookEndpoint(Base):
    """Where another system hears of our events. `state`: active, or disabled (`disabled_reason` says why).

    `secrets`: one or two, sealed; the newest signs first, both do while it is rotated.
    """

    __tablename__ = "webhook_endpoints"
    __table_args__ = (CheckConstraint("state in ('active', 'disabled')", name="state"), SCHEMA)
    id: Mapped[Id]
    url: Mapped[str]
    event_types: Mapped[list[str]] = mapped_column(JSONB)
    secrets: Mapped[list[str]] = mapped_column(JSONB)
    state: Mapped[str] = mapped_column(String(20), server_default="active")
    disabled_reason: Mapped[str | None]
    failing_since: Mapped[datetime | None]
    created_by: Mapped[UUID]
    created_at: Mapped[RequiredTime]


class WebhookDelivery(Base):
    """An event on its way to an endpoint. Those of one `subject_id` (a customer) leave one after the other.

    `status`: waiting, delivered, or parked (given up, until somebody replays it). The id is what the receiver sees as
    `webhook-id`: the same for every try and every replay.
    """

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        Index("ix_webhook_deliveries_due", "next_attempt_at", postgresql_where=text("status = 'waiting'")),
        Index(
            "ix_webhook_deliveries_order", "endpoint_id", "subject_id", "position",
            postgresql_where=text("status = 'waiting'"),
        ),
        Index("uq_webhook_deliveries_event", "endpoint_id", "event_id", unique=True),
        CheckConstraint("status in ('waiting', 'delivered', 'parked')", name="status"),
        SCHEMA,
    )  # fmt: skip
    id: Mapped[Id]
    position: Mapped[int] = mapped_column(BigInteger, Identity(always=True))
    endpoint_id: Mapped[UUID] = mapped_column(ForeignKey("integrations.webhook_endpoints.id", ondelete="CASCADE"))
    event_id: Mapped[UUID]
    event_type: Mapped[str] = mapped_column(String(80))
    subject_id: Mapped[UUID]
    payload: Mapped[dict[str, Any]] = mapped_column(JSONB)
    status: Mapped[str] = mapped_column(String(20), server_default="waiting")
    attempts: Mapped[int] = mapped_column(Integer, server_default="0")
    next_attempt_at: Mapped[RequiredTime]
    answered_status: Mapped[int | None] = mapped_column(Integer)
    last_error: Mapped[str | None]
    created_at: Mapped[RequiredTime]
    delivered_at: Mapped[datetime | None]
