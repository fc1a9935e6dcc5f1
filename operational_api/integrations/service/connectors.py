"""Connectors to sources outside: what an admin decides about each, and what that means for the next pull.

The data platform pulls: it asks for its orders before, and reports after (`service.runs`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from operational_api.core import audit, viewer
from operational_api.integrations.errors import (
    ConnectorNotConfigured,
    ConnectorNotConnected,
    ConnectorNotFound,
    ProbeFailed,
)
from operational_api.integrations.models import Connector
from operational_api.integrations.providers.probes import PROBES
from operational_api.integrations.service import links
from operational_api.integrations.settings import IntegrationSettings


@dataclass(frozen=True, slots=True)
class Kind:
    """A connector that exists, whether anybody uses it or not.

    Args:
        needs: Fields of `IntegrationSettings` without which it cannot work.
        every: How often it is pulled; three times as long without a success is late.
    """

    name: str
    label: str
    what: str
    needs: tuple[str, ...]
    every: timedelta

    def missing(self, settings: IntegrationSettings) -> list[str]:
        """Environment variables that are to be set first."""
        return [f"PLYO_{need.upper()}" for need in self.needs if not _is_set(getattr(settings, need))]


KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(
            "stripe",
            "Stripe",
            "Payments, invoices and payouts as Stripe has them, to reconcile with our own books",
            ("stripe_secret_key",),
            timedelta(minutes=5),
        ),
        Kind(
            "momo",
            "MoMo",
            "Settlement files of MoMo in Vietnam",
            ("momo_settlements_url",),
            timedelta(days=1),
        ),
        Kind(
            "hubspot",
            "HubSpot",
            "Contacts, companies, deals and what was said to them",
            ("hubspot_access_token",),
            timedelta(minutes=15),
        ),
        Kind(
            "terra",
            "Terra",
            "Workouts, sleep and daily values of wearables of every maker",
            ("terra_dev_id", "terra_api_key", "terra_signing_secrets", "health_data_keys"),
            timedelta(hours=6),
        ),
    )
}


@dataclass(frozen=True, slots=True)
class Orders:
    """What the data platform is to do about a connector now.

    Args:
        resync_asked_at: Pull from the beginning, unless a pull that began later did; None: go on.
        reason: Why it is not to be pulled; None when it is.
    """

    pull: bool
    resync_asked_at: datetime | None
    reason: str | None


def kind_of(name: str) -> Kind:
    """The connector of that name.

    Raises:
        ConnectorNotFound: there is none.
    """
    if name not in KINDS:
        raise ConnectorNotFound(f"There is no connector {name}. There are {', '.join(KINDS)}.")
    return KINDS[name]


def known(session: Session) -> dict[str, Connector]:
    """Every connector that was ever connected, by name."""
    return {row.name: row for row in session.scalars(select(Connector))}


def connect(
    session: Session,
    *,
    name: str,
    admin_id: UUID,
    settings: IntegrationSettings,
    now: datetime,
) -> Connector:
    """Test a connector and have it pulled from now on. Connecting again after a pause or a revocation goes on.

    Raises:
        ConnectorNotFound: there is none of that name.
        ConnectorNotConfigured: settings are missing.
        ProbeFailed: the source does not let us in; nothing changed.
    """
    _let_in(name, settings)
    fresh = insert(Connector).values(name=name, state="revoked", connected_at=now, changed_at=now)
    session.execute(fresh.on_conflict_do_nothing())  # of two who connect it at once the second finds the first one's
    row = session.get_one(Connector, name, with_for_update=True, populate_existing=True)
    if row.state == "revoked":  # for the first time, or anew
        row.connected_at = now
    row.state, row.changed_at, row.changed_by = "connected", now, admin_id
    row.tested_at, row.test_problem = now, None
    _audit(session, "integrations.connect", name, admin_id, now)
    session.flush()
    return row


def probe(
    session: Session,
    *,
    name: str,
    admin_id: UUID,
    settings: IntegrationSettings,
    now: datetime,
) -> str | None:
    """Ask the source whether it lets us in, and note the answer.

    Returns:
        What is wrong; None: nothing is.

    Raises:
        ConnectorNotFound: there is none of that name.
        ConnectorNotConfigured: settings are missing.
    """
    problem = None
    try:
        _let_in(name, settings)
    except ProbeFailed as failed:
        problem = failed.detail
    if row := session.get(Connector, name, with_for_update=True):
        row.tested_at, row.test_problem = now, problem
    _audit(session, "integrations.test", name, admin_id, now, problem=problem)
    return problem


def set_state(session: Session, *, name: str, state: str, admin_id: UUID, now: datetime) -> Connector:
    """Pause a connector, or take it up again; what it brought stays. Doing it twice is doing it once.

    Raises:
        ConnectorNotFound: there is none of that name.
        ConnectorNotConnected: it was never connected, or was revoked.
    """
    row = _connected(session, name)
    if row.state != state:
        row.state, row.changed_at, row.changed_by = state, now, admin_id
        _audit(session, f"integrations.{'pause' if state == 'paused' else 'resume'}", name, admin_id, now)
    return row


def resync(session: Session, *, name: str, admin_id: UUID, now: datetime) -> Connector:
    """Have the next pull begin from the beginning. What is known already is not stored twice.

    Raises:
        ConnectorNotFound: there is none of that name.
        ConnectorNotConnected: it is not connected.
    """
    row = _connected(session, name)
    row.resync_asked_at = now
    _audit(session, "integrations.resync", name, admin_id, now)
    return row


def revoke(session: Session, *, name: str, admin_id: UUID, now: datetime) -> Connector:
    """End a connector: it is pulled no more, and a wearable's links end with it. What it brought stays.

    The source's own grant (a key, an app) is withdrawn where it was given; we forget nothing of it here but use it
    no more.

    Raises:
        ConnectorNotFound: there is none of that name.
        ConnectorNotConnected: it is not connected.
    """
    row = _connected(session, name)
    row.state, row.changed_at, row.changed_by = "revoked", now, admin_id
    row.resync_asked_at = None
    viewer.show_all(session)  # the links of every customer end
    ended = links.end_all(session, source=name, reason="revoked", at=now)
    _audit(session, "integrations.revoke", name, admin_id, now, links_ended=ended)
    return row


def orders(session: Session, name: str) -> Orders:
    """What to do about a connector now; the data platform asks before each pull.

    Raises:
        ConnectorNotFound: there is none of that name.
    """
    kind_of(name)
    row = session.get(Connector, name)
    if row is None or row.state == "revoked":
        return Orders(False, None, "not connected")
    if row.state == "paused":
        return Orders(False, None, "paused")
    return Orders(True, row.resync_asked_at, None)


def _connected(session: Session, name: str) -> Connector:
    kind_of(name)
    row = session.get(Connector, name, with_for_update=True)
    if row is None or row.state == "revoked":
        raise ConnectorNotConnected
    return row


def _let_in(name: str, settings: IntegrationSettings) -> None:
    kind = kind_of(name)
    if missing := kind.missing(settings):
        raise ConnectorNotConfigured(f"{kind.label} is not set up on the server: set {', '.join(missing)}.")
    PROBES[name](settings)


def _is_set(value: object) -> bool:
    return bool(getattr(value, "get_secret_value", lambda: value)())


def _audit(session: Session, action: str, name: str, admin_id: UUID, now: datetime, **details: object) -> None:
    told = {key: value for key, value in details.items() if value is not None}
    audit.record(session, action, "Connector", name, actor_id=admin_id, purpose="operations", details=told, now=now)
