"""Tables of the schema `integrations`."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, String, text
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
