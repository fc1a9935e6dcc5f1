"""What compliance does in the worker: making approved exports, deleting old ones, ending what nobody decided."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from sqlalchemy.orm import Session

from contracts.events.compliance import ExportDecided
from contracts.events.envelope import Event
from operational_api.compliance.service import evidence, exports
from operational_api.core.periodic import Job


def make_export(session: Session, event: Event) -> None:
    """The file of an export that was approved."""
    assert isinstance(event, ExportDecided)  # noqa: S101 - by the table below
    if event.decision == "approved":
        exports.make_file(session, export_id=event.export_id, now=datetime.now(UTC))


HANDLERS: dict[str, list[Callable[[Session, Event], None]]] = {ExportDecided.type: [make_export]}
PERIODIC: list[Job] = [
    ("compliance.forget_export_files", timedelta(minutes=5), exports.forget_files),
    ("compliance.expire_exports", timedelta(minutes=5), exports.EXPORTS.expire),
    ("compliance.check_events", timedelta(minutes=1), evidence.look),
]
