"""Endpoints as admins set them: where, of what, paused or not, what signs. Changes are announced and audited."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from contracts.events.integrations import WebhookEndpointChanged, WebhookEndpointDisabled
from contracts.ids import new_id
from contracts.sealing import Sealer
from contracts.telemetry import get_logger
from operational_api.core import audit, egress
from operational_api.core.outbox import publish
from operational_api.engagement import public as engagement
from operational_api.integrations.errors import (
    AddressNotAllowed,
    EndpointNotFound,
    NoKinds,
    SecretShown,
    TooManyEndpoints,
)
from operational_api.integrations.outgoing.catalogue import KINDS
from operational_api.integrations.outgoing.models import WebhookDelivery, WebhookEndpoint
from operational_api.integrations.outgoing.service import signing

log = get_logger(__name__)
MOST = 20
OLD_SECRET_LIVES = timedelta(days=1)


def endpoints(session: Session) -> Sequence[WebhookEndpoint]:
    """Every endpoint, by its name."""
    return session.scalars(select(WebhookEndpoint).order_by(WebhookEndpoint.label, WebhookEndpoint.id)).all()


def endpoint(session: Session, endpoint_id: UUID, *, locked: bool = False) -> WebhookEndpoint:
    """One of them.

    Args:
        locked: Nobody else changes it or what is to be sent there until the transaction ends. Taken before its
            deliveries are.

    Raises:
        EndpointNotFound.
    """
    lock = {"key_share": True} if locked else None
    found = session.get(WebhookEndpoint, endpoint_id, with_for_update=lock, populate_existing=locked)
    if found is None:
        raise EndpointNotFound
    return found


def create(
    session: Session,
    *,
    label: str,
    url: str,
    kinds: Sequence[str],
    admin_id: UUID,
    allowed: Sequence[egress.Network],
    sealer: Sealer,
    now: datetime,
) -> WebhookEndpoint:
    """A new endpoint with a secret, which `reveal` shows once.

    Args:
        allowed: Networks off the internet that addresses may be in.

    Raises:
        AddressNotAllowed, NoKinds, TooManyEndpoints.
    """
    url, told = _checked(url, allowed), _known(kinds)
    if (session.scalar(select(func.count()).select_from(WebhookEndpoint)) or 0) >= MOST:
        raise TooManyEndpoints
    row = WebhookEndpoint(
        id=new_id(), label=_named(label, url), url=url, kinds=told, state="active", created_by=admin_id,
        created_at=now, changed_at=now,
    )  # fmt: skip
    session.add(row)
    session.flush()
    signing.add(session, row.id, sealer, now)
    _told(session, row.id, "created", admin_id, now)
    return row


def edit(
    session: Session,
    endpoint_id: UUID,
    *,
    label: str,
    url: str,
    kinds: Sequence[str],
    admin_id: UUID,
    allowed: Sequence[egress.Network],
    now: datetime,
) -> WebhookEndpoint:
    """Another name, address or other kinds. What waits goes to the new address.

    Raises:
        EndpointNotFound, AddressNotAllowed, NoKinds.
    """
    row = endpoint(session, endpoint_id, locked=True)
    wanted = (_named(label, url), url if url == row.url else _checked(url, allowed), _known(kinds))
    if wanted != (row.label, row.url, row.kinds):
        (row.label, row.url, row.kinds), row.changed_at = wanted, now
        row.rest_until, row.rests = None, 0
        _told(session, row.id, "edited", admin_id, now)
    return row


def pause(session: Session, endpoint_id: UUID, *, admin_id: UUID, now: datetime) -> WebhookEndpoint:
    """Send nothing there until it is resumed; what happens meanwhile waits. Twice is once.

    Raises:
        EndpointNotFound.
    """
    row = endpoint(session, endpoint_id, locked=True)
    if row.state == "active":
        row.state, row.changed_at = "paused", now
        _told(session, row.id, "paused", admin_id, now)
    return row


def resume(session: Session, endpoint_id: UUID, *, admin_id: UUID, now: datetime) -> WebhookEndpoint:
    """Send there again, what waits first, also to one that was disabled. Twice is once.

    Raises:
        EndpointNotFound.
    """
    row = endpoint(session, endpoint_id, locked=True)
    if row.state != "active":
        row.state, row.disabled_reason, row.changed_at = "active", None, now
        row.failing_since, row.rest_until, row.rests = None, None, 0
        session.execute(
            update(WebhookDelivery)
            .where(WebhookDelivery.endpoint_id == row.id, WebhookDelivery.state == "waiting")
            .values(next_attempt_at=func.least(WebhookDelivery.next_attempt_at, now))
        )
        _told(session, row.id, "resumed", admin_id, now)
    return row


def remove(session: Session, endpoint_id: UUID, *, admin_id: UUID, now: datetime) -> None:
    """End it, with its secrets and what is known of its deliveries.

    Raises:
        EndpointNotFound.
    """
    row = endpoint(session, endpoint_id, locked=True)
    session.delete(row)
    session.flush()
    _told(session, endpoint_id, "removed", admin_id, now)


def disable(session: Session, row: WebhookEndpoint, *, reason: str, now: datetime) -> None:
    """Stop by itself, and write to every admin. The row is locked."""
    since = row.failing_since or now
    row.state, row.disabled_reason, row.changed_at = "disabled", reason, now
    session.flush()
    publish(session, WebhookEndpointDisabled(occurred_at=now, endpoint_id=row.id, reason=reason, failing_since=since))
    audit.record(
        session, "integrations.manage_webhooks", "WebhookEndpoint", row.id, purpose="operations",
        details={"change": "disabled", "reason": reason}, now=now,
    )  # fmt: skip
    log.error("webhook_endpoint_disabled", endpoint=str(row.id), reason=reason)
    for admin in engagement.staff(session, "admin"):
        engagement.queue_email(
            session, dedupe_key=f"webhook_disabled:{row.id}:{now.isoformat()}:{admin.account_id}",
            recipient=admin.email, template="webhook_disabled",
            context={
                "name": admin.first_name, "label": row.label, "reason": reason, "path": f"/staff/webhooks/{row.id}",
            },
            now=now,
        )  # fmt: skip


def rotate(session: Session, endpoint_id: UUID, *, admin_id: UUID, sealer: Sealer, now: datetime) -> None:
    """A new secret, which `reveal` shows once. Both sign for a day; an older one than the last ends at once.

    Raises:
        EndpointNotFound.
    """
    row = endpoint(session, endpoint_id, locked=True)
    newest, *older = signing.live(session, row.id, now)
    for one in older:
        one.expires_at = now
    newest.expires_at = now + OLD_SECRET_LIVES
    signing.add(session, row.id, sealer, now)
    _told(session, row.id, "secret_rotated", admin_id, now)


def reveal(session: Session, endpoint_id: UUID, *, admin_id: UUID, sealer: Sealer, now: datetime) -> str:
    """The newest secret, to whoever asks first.

    Raises:
        EndpointNotFound.
        SecretShown: somebody has seen it.
    """
    row = endpoint(session, endpoint_id, locked=True)
    newest = signing.live(session, row.id, now)[0]
    if newest.shown_at is not None:
        raise SecretShown
    newest.shown_at = now
    session.flush()
    audit.record(
        session, "integrations.manage_webhooks", "WebhookEndpoint", row.id, actor_id=admin_id, purpose="operations",
        details={"change": "secret_shown"}, now=now,
    )  # fmt: skip
    return signing.opened(newest, sealer)


def disabled_count(session: Session, _: UUID) -> int:
    """How many endpoints stopped by themselves: the number at the menu's entry."""
    query = select(func.count()).select_from(WebhookEndpoint).where(WebhookEndpoint.state == "disabled")
    return session.scalar(query) or 0


def _checked(url: str, allowed: Sequence[egress.Network]) -> str:
    """The address as it is kept. Raises AddressNotAllowed."""
    url = url.strip()
    if len(url) > 500 or not url.isascii() or not url.isprintable():
        raise AddressNotAllowed
    try:
        egress.resolve(url, allowed)
    except egress.NotOutside as error:
        raise AddressNotAllowed from error
    except egress.NoSuchHost as error:
        raise AddressNotAllowed("There is no server of that name.") from error
    return url


def _known(kinds: Sequence[str]) -> list[str]:
    if not kinds or not set(kinds) <= KINDS.keys():
        raise NoKinds
    return sorted(set(kinds))


def _named(label: str, url: str) -> str:
    return " ".join(label.split())[:80] or url.split("/")[2][:80]


def _told(session: Session, endpoint_id: UUID, change: str, admin_id: UUID, now: datetime) -> None:
    publish(
        session, WebhookEndpointChanged(occurred_at=now, endpoint_id=endpoint_id, change=change, changed_by=admin_id)
    )
    audit.record(
        session, "integrations.manage_webhooks", "WebhookEndpoint", endpoint_id, actor_id=admin_id,
        purpose="operations", details={"change": change}, now=now,
    )  # fmt: skip
