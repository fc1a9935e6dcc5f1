"""Customers' accounts at the makers of wearables: which there are, how they fare, ending them."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from contracts.events.integrations import WearableConnected, WearableDisconnected
from contracts.ids import new_id
from operational_api.core import outbox
from operational_api.core.paging import after, cut
from operational_api.integrations.errors import LinkNotFound
from operational_api.integrations.models import WearableLink
from operational_api.integrations.providers.terra import Terra


def links_of(session: Session, customer_id: UUID) -> Sequence[WearableLink]:
    """A customer's links, those that are alive first, then the newest."""
    query = select(WearableLink).where(WearableLink.customer_id == customer_id)
    return session.scalars(
        query.order_by(WearableLink.state == "ended", WearableLink.connected_at.desc(), WearableLink.id)
    ).all()


def alive_links(
    session: Session, *, source: str, limit: int, cursor: str | None
) -> tuple[list[WearableLink], str | None]:
    """Every link of a source that is not ended, in the order of their ids."""
    query = select(WearableLink).where(WearableLink.source == source, WearableLink.state != "ended")
    if cursor:
        (last,) = after(cursor, UUID)
        query = query.where(WearableLink.id > last)
    rows = session.scalars(query.order_by(WearableLink.id).limit(limit + 1)).all()
    return cut(rows, limit, lambda link: (link.id,))


def customer_of(session: Session, *, source: str, external_user_id: str) -> UUID | None:
    """Whose account it is, also after it ended: what is still on its way belongs to somebody."""
    return session.scalar(
        select(WearableLink.customer_id).where(
            WearableLink.source == source, WearableLink.external_user_id == external_user_id
        )
    )


def connect(
    session: Session,
    *,
    customer_id: UUID,
    source: str,
    external_user_id: str,
    provider: str,
    scopes: str,
    at: datetime,
) -> WearableLink:
    """Note that a customer's account sends to us, as of a time of the provider's. News older than the link is ignored.

    An account that changes hands stays with whom it was first connected to, unless that link ended.
    """
    values = {"provider": provider[:40], "scopes": scopes, "state": "active", "ended_reason": None, "changed_at": at}
    fresh = (
        insert(WearableLink)
        .values(
            id=new_id(), customer_id=customer_id, source=source, external_user_id=external_user_id, connected_at=at,
            **values,
        )
        .on_conflict_do_nothing()
        .returning(WearableLink)
    )  # fmt: skip
    link = session.scalars(fresh).one_or_none()
    if link is None:
        link = _locked(session, source, external_user_id)
        if link is None or link.changed_at > at or (link.state != "ended" and link.customer_id != customer_id):
            return session.scalars(
                select(WearableLink).where(
                    WearableLink.source == source, WearableLink.external_user_id == external_user_id
                )
            ).one()
        was_alive = link.state == "active"
        link.customer_id = customer_id
        for name, value in values.items():
            setattr(link, name, value)
        if was_alive:
            return link
        link.connected_at = at
    session.flush()
    outbox.publish(
        session,
        WearableConnected(occurred_at=at, link_id=link.id, customer_id=link.customer_id, provider=link.provider),
    )
    return link


def end(session: Session, *, source: str, external_user_id: str, reason: str, at: datetime) -> None:
    """Note that an account no longer sends to us. News older than the link, and of an ended one, change nothing."""
    link = _locked(session, source, external_user_id)
    if link is not None and link.state != "ended" and link.changed_at <= at:
        _end(session, link, reason, at)


def degrade(session: Session, *, source: str, external_user_id: str, at: datetime) -> None:
    """Note that the maker refuses the provider; the customer has to sign in there again."""
    link = _locked(session, source, external_user_id)
    if link is not None and link.state == "active" and link.changed_at <= at:
        link.state, link.changed_at = "degraded", at


def rescope(session: Session, *, source: str, external_user_id: str, scopes: str, at: datetime) -> None:
    """Note what the customer lets the maker share now."""
    link = _locked(session, source, external_user_id)
    if link is not None and link.changed_at <= at:
        link.scopes, link.changed_at = scopes, at


def saw_payload(session: Session, *, source: str, external_user_id: str, now: datetime) -> None:
    """Note that data came; an account that the maker refused works again."""
    link = _locked(session, source, external_user_id)
    if link is not None:
        link.last_payload_at = now
        if link.state == "degraded":
            link.state = "active"


def end_by_customer(session: Session, terra: Terra, *, customer_id: UUID, link_id: UUID, now: datetime) -> WearableLink:
    """Have the provider end its access, then end the link. Ending twice is ending once.

    Raises:
        LinkNotFound: no link of this customer.
        TerraUnavailable: the provider did not answer; the link is as it was.
    """
    link = session.scalar(
        select(WearableLink)
        .where(WearableLink.id == link_id, WearableLink.customer_id == customer_id)
        .with_for_update()
    )
    if link is None:
        raise LinkNotFound
    if link.state != "ended":
        terra.deauthenticate(link.external_user_id)
        _end(session, link, "by_customer", now)
    return link


def end_all(session: Session, *, source: str, reason: str, at: datetime) -> int:
    """End every link of a source that is alive.

    Returns:
        How many ended.
    """
    alive = session.scalars(
        select(WearableLink).where(WearableLink.source == source, WearableLink.state != "ended").with_for_update()
    ).all()
    for link in alive:
        _end(session, link, reason, at)
    return len(alive)


def _locked(session: Session, source: str, external_user_id: str) -> WearableLink | None:
    return session.scalar(
        select(WearableLink)
        .where(WearableLink.source == source, WearableLink.external_user_id == external_user_id)
        .with_for_update()
    )


def _end(session: Session, link: WearableLink, reason: str, at: datetime) -> None:
    link.state, link.ended_reason, link.changed_at = "ended", reason, at
    event = WearableDisconnected(
        occurred_at=at, link_id=link.id, customer_id=link.customer_id, provider=link.provider, reason=reason
    )
    outbox.publish(session, event)
