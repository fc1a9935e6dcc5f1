"""What compliance does in the worker on events and by the clock. Files of exports are made by `keeping`."""

from collections.abc import Callable
from datetime import timedelta

from sqlalchemy.orm import Session

from contracts.events.compliance import ExportDecided
from contracts.events.envelope import Event
from contracts.events.identity import AccountClosed
from operational_api.compliance.service import evidence, exports, files
from operational_api.core import clock
from operational_api.core.periodic import Job


def queue_export(session: Session, event: Event) -> None:
    """The file of an export that was approved is to be made."""
    assert isinstance(event, ExportDecided)  # noqa: S101 - by the table below
    if event.decision == "approved":
        exports.queue_file(session, export_id=event.export_id, now=clock.now())


def remove_copies(session: Session, event: Event) -> None:
    """Of an account that is closed no copy is kept."""
    assert isinstance(event, AccountClosed)  # noqa: S101
    files.remove_of_person(session, event.account_id, now=event.occurred_at)


HANDLERS: dict[str, list[Callable[[Session, Event], None]]] = {
    ExportDecided.type: [queue_export],
    AccountClosed.type: [remove_copies],
}
PERIODIC: list[Job] = [
    ("compliance.forget_export_files", timedelta(minutes=5), exports.forget_files),
    ("compliance.expire_exports", timedelta(minutes=5), exports.EXPORTS.expire),
    ("compliance.check_events", timedelta(minutes=1), evidence.look),
]
