"""Files of exports as rows: queued, where they are, until when. Making and deleting them is the worker's
(`compliance.keeping`)."""

from collections.abc import Iterator
from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy import case, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from contracts.sealing import Sealer
from operational_api.compliance.errors import ExportGone
from operational_api.compliance.models import PersonalExport, StoredFile
from operational_api.core import parcels
from operational_api.core.objects import ObjectMissing, ObjectStore, StoreUnavailable
from operational_api.core.parcels import Place
from operational_api.core.ranges import Span

Kind = Literal["business", "personal"]


def queue(session: Session, *, export_id: UUID, kind: Kind, now: datetime) -> None:
    """Have a file made. Again changes nothing."""
    row = insert(StoredFile).values(export_id=export_id, kind=kind, due_at=now)
    session.execute(row.on_conflict_do_nothing())


def ready(session: Session, export_id: UUID, now: datetime) -> StoredFile | None:
    """The file, if it can be fetched."""
    query = select(StoredFile).where(
        StoredFile.export_id == export_id, StoredFile.status == "ready", StoredFile.expires_at > now
    )
    return session.scalar(query)


def remove_of_person(session: Session, account_id: UUID, *, now: datetime) -> None:
    """Nobody may have the copies of somebody's data any more, and the worker deletes them."""
    theirs = select(PersonalExport.id).where(PersonalExport.account_id == account_id)
    session.execute(
        update(StoredFile)
        .where(StoredFile.export_id.in_(theirs), StoredFile.status != "removed")
        # Not before whoever is making it is done: `due_at` is their lease.
        .values(
            status="removed", expires_at=None,
            due_at=case((StoredFile.status == "making", func.greatest(StoredFile.due_at, now)), else_=now),
        )
        .execution_options(synchronize_session=False)
    )  # fmt: skip


def folder(export_id: UUID, edition: int) -> str:
    """Where a file lies in the store."""
    return f"exports/{export_id}/{edition}/"


def read(file: StoredFile, span: Span, store: ObjectStore | None, sealer: Sealer | None) -> Iterator[bytes]:
    """Some bytes of a file.

    Raises:
        ExportGone: it was deleted this moment.
        StoreUnavailable: the store cannot be reached, or there is none by now.
        SealBroken: the keys are other ones by now.
    """
    if store is None:
        raise StoreUnavailable
    try:
        return parcels.read(
            Place(store, folder(file.export_id, file.edition), sealer if file.is_sealed else None), span
        )
    except ObjectMissing:
        raise ExportGone from None
