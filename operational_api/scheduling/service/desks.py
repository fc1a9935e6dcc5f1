"""At which studios somebody at a front desk works: whose sessions they see and move. Where nobody said, at all."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from contracts.events.scheduling import DeskAssigned
from operational_api.core import audit
from operational_api.core.outbox import publish
from operational_api.scheduling.errors import LocationNotFound
from operational_api.scheduling.models import DeskLocation, Location


def locations_of(session: Session, account_id: UUID) -> frozenset[UUID] | None:
    """The studios that somebody is kept to; None: to none."""
    found = session.scalars(select(DeskLocation.location_id).where(DeskLocation.account_id == account_id)).all()
    return frozenset(found) or None


def assign(
    session: Session, *, account_id: UUID, location_ids: Collection[UUID], assigned_by: UUID, now: datetime
) -> frozenset[UUID]:
    """Say at which studios somebody works from now on; none means all. Announced and noted where it is a change.

    Raises:
        LocationNotFound: one of them is no studio.
    """
    wanted, before = frozenset(location_ids), locations_of(session, account_id) or frozenset()
    if wanted == before:
        return wanted
    known = session.scalars(select(Location.id).where(Location.id.in_(wanted))).all()
    if len(known) != len(wanted):
        raise LocationNotFound
    session.execute(delete(DeskLocation).where(DeskLocation.account_id == account_id))
    session.add_all(
        DeskLocation(account_id=account_id, location_id=one, given_by=assigned_by, given_at=now) for one in wanted
    )
    session.flush()
    audit.record(
        session, "scheduling.assign_desk", "Account", account_id, actor_id=assigned_by, subject_id=account_id, now=now,
        details={"from": sorted(map(str, before)), "to": sorted(map(str, wanted))},
    )  # fmt: skip
    publish(session, DeskAssigned(occurred_at=now, account_id=account_id, location_ids=tuple(sorted(wanted))))
    return wanted
