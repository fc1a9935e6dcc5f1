"""Who may see and keep which video. Every way to one video leads through here, as every way to a client's data does
through `training.access`; watching a customer's own video is audited, and so is being shown that there is one.
"""

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import ColumnElement, false, or_, select
from sqlalchemy.orm import Session

from operational_api.compliance import public as compliance
from operational_api.core import audit
from operational_api.core.policy import Resource, is_allowed, require
from operational_api.core.principal import Principal
from operational_api.training.errors import MediaNotFound
from operational_api.training.models import Client, Media
from operational_api.training.service import clients, media

WATCH, KEEP = "training.watch_media", "training.keep_media"


def reach_media(
    session: Session, principal: Principal, media_id: UUID, action: str, *, is_audited: bool = True
) -> Media:
    """A video, where the policy lets the principal. One that is not ready is for whoever keeps it alone.

    Args:
        is_audited: False for what a page that was audited says while it is open.

    Raises:
        MediaNotFound: there is none, or not for them.
    """
    row = media.get_media(session, media_id)
    require(principal, action, resource_of(session, principal, row, action), missing=MediaNotFound)
    if row.status != "ready" and not may_keep(session, principal, row):
        raise MediaNotFound
    if is_audited and row.customer_id is not None:
        audit.record_read(
            session, principal, action, "Client", [row.customer_id], details={"media_id": str(row.id)}
        )  # fmt: skip
    return row


def note_listed(session: Session, principal: Principal, rows: Iterable[Media]) -> None:
    """Have it written down that a list or a search showed videos, or words, of these customers."""
    customers = {row.customer_id for row in rows if row.customer_id is not None}
    audit.record_read(session, principal, WATCH, "Client", sorted(customers))


def may_keep(session: Session, principal: Principal, row: Media) -> bool:
    """Whether they may change or remove it."""
    return is_allowed(principal, KEEP, resource_of(session, principal, row, KEEP))


def resource_of(session: Session, principal: Principal, row: Media, action: str) -> Resource:
    """The video as the policy sees it.

    A form video is about its customer: health data that they may withhold from their coach, who may watch it and not
    change it. A guide is its coach's work; to watch it is about whoever asks if they are a client of that coach. A
    video of the catalogue is about whoever asks, to watch; to keep, about nobody: admins.
    """
    mine = principal.account_id
    if row.customer_id is not None:
        coach_id = clients.coach_of(session, row.customer_id) if action == WATCH else None
        shown = None
        if mine != row.customer_id:
            shown = compliance.shown_kinds(session, [row.customer_id])[row.customer_id]
        return Resource(
            "Media", row.id, customer_id=row.customer_id, coach_id=coach_id, kind="health", data_kind="training",
            consents=shown,
        )  # fmt: skip
    if action == KEEP:
        return Resource("Media", row.id, coach_id=row.coach_id)
    if row.coach_id is None:
        return Resource("Media", row.id, customer_id=mine, coach_id=mine)
    is_their_client = (
        principal.role == "customer" and mine is not None and clients.coach_of(session, mine) == row.coach_id
    )  # fmt: skip
    return Resource("Media", row.id, customer_id=mine if is_their_client else None, coach_id=row.coach_id)


def visible_to(session: Session, principal: Principal) -> ColumnElement[bool]:
    """What a list or a search shows them: the same decision, for many rows at once."""
    mine = principal.account_id
    if mine is None:
        return false()
    ready = Media.status == "ready"
    catalogue = (Media.kind == "catalogue") & ready
    if principal.role == "customer":
        coach_id = clients.coach_of(session, mine)
        guides = (Media.coach_id == coach_id) & ready if coach_id else false()
        return or_(catalogue, guides, Media.customer_id == mine)
    if principal.role in ("coach", "lead_coach"):
        theirs = set(session.scalars(select(Client.id).where(Client.coach_id == mine)))
        kinds = compliance.shown_kinds(session, theirs) if theirs else {}
        shows = [one for one in theirs if "training" in kinds[one]]
        return or_(catalogue, Media.coach_id == mine, Media.customer_id.in_(shows) & ready)
    if principal.role == "admin":
        return Media.kind.in_(("guide", "catalogue"))
    return false()
