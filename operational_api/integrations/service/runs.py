"""How pulls went, as the data platform reports them, and what that says of a connector's health."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, aliased

from operational_api.core.paging import after, cut
from operational_api.integrations.models import Connector, ConnectorRun
from operational_api.integrations.service.connectors import kind_of

Health = Literal["healthy", "failing", "late", "waiting", "paused", "off"]
_LOOKED_AT = 20  # runs per connector


@dataclass(frozen=True, slots=True)
class Condition:
    """How a connector fares.

    Args:
        health: `off`: not connected. `waiting`: connected and not pulled yet. `late`: the last success is three
            times as old as it should be.
        problem: What the last run said, where it failed.
        streams: The newest report of each stream: {"stream", "rows", "cursor", "problem", "at"}.
    """

    health: Health
    problem: str | None
    last_run_at: datetime | None
    last_success_at: datetime | None
    failing_since: datetime | None
    streams: Sequence[Mapping[str, Any]]


def report(
    session: Session,
    *,
    connector: str,
    run_id: UUID,
    kind: str,
    started_at: datetime,
    finished_at: datetime,
    streams: Sequence[Mapping[str, Any]],
) -> bool:
    """Store how a pull went; a resync that was asked for before it began is done when every stream succeeded.

    Returns:
        False when this run was reported before.

    Raises:
        ConnectorNotFound: there is no connector of that name.
    """
    kind_of(connector)
    has_succeeded = not any(stream.get("problem") for stream in streams)
    values = {
        "id": run_id, "connector": connector, "kind": kind, "started_at": started_at, "finished_at": finished_at,
        "has_succeeded": has_succeeded, "streams": list(streams),
    }  # fmt: skip
    statement = insert(ConnectorRun).values(values).on_conflict_do_nothing().returning(ConnectorRun.id)
    if session.execute(statement).first() is None:
        return False
    row = session.get(Connector, connector, with_for_update=True)
    if row and row.resync_asked_at and kind == "resync" and has_succeeded and started_at >= row.resync_asked_at:
        row.resync_asked_at = None
    return True


def runs_of(
    session: Session, connector: str, *, limit: int, cursor: str | None
) -> tuple[list[ConnectorRun], str | None]:
    """Runs of a connector, newest first.

    Raises:
        ConnectorNotFound: there is no connector of that name.
    """
    kind_of(connector)
    query = select(ConnectorRun).where(ConnectorRun.connector == connector)
    if cursor:
        moment, last = after(cursor, datetime, UUID)
        query = query.where(
            (ConnectorRun.started_at < moment) | ((ConnectorRun.started_at == moment) & (ConnectorRun.id < last))
        )
    rows = session.scalars(query.order_by(ConnectorRun.started_at.desc(), ConnectorRun.id.desc()).limit(limit + 1))
    return cut(rows.all(), limit, lambda run: (run.started_at, run.id))


def conditions(session: Session, rows: Mapping[str, Connector], *, now: datetime) -> dict[str, Condition]:
    """How each connector fares that was ever connected. One query for any number."""
    place = func.row_number().over(partition_by=ConnectorRun.connector, order_by=ConnectorRun.started_at.desc())
    ranked = select(ConnectorRun, place.label("place")).where(ConnectorRun.connector.in_(rows)).subquery()
    run = aliased(ConnectorRun, ranked)
    found = session.scalars(select(run).where(ranked.c.place <= _LOOKED_AT).order_by(run.started_at.desc())).all()
    return {
        name: _condition(row, [one for one in found if one.connector == name], kind_of(name).every, now)
        for name, row in rows.items()
    }


def _condition(row: Connector, newest_first: Sequence[ConnectorRun], every: timedelta, now: datetime) -> Condition:
    last = newest_first[0] if newest_first else None
    success = next((run for run in newest_first if run.has_succeeded), None)
    failures = newest_first[: newest_first.index(success)] if success else newest_first
    problem = None if last is None or last.has_succeeded else _problem(last)
    return Condition(
        health=_health(row, last, success, every, now),
        problem=problem,
        last_run_at=last.finished_at if last else None,
        last_success_at=success.finished_at if success else None,
        failing_since=failures[-1].started_at if failures else None,
        streams=_newest_streams(newest_first),
    )


def _health(
    row: Connector, last: ConnectorRun | None, success: ConnectorRun | None, every: timedelta, now: datetime
) -> Health:
    if row.state == "revoked":
        return "off"
    if row.state == "paused":
        return "paused"
    if last is not None and not last.has_succeeded:
        return "failing"
    since = max(success.finished_at, row.changed_at) if success else row.changed_at
    if now - since > 3 * every:
        return "late"
    return "healthy" if success else "waiting"


def _problem(run: ConnectorRun) -> str:
    return "; ".join(f"{one['stream']}: {one['problem']}" for one in run.streams if one.get("problem"))


def _newest_streams(newest_first: Iterable[ConnectorRun]) -> list[Mapping[str, Any]]:
    newest: dict[str, Mapping[str, Any]] = {}
    for run in newest_first:
        for one in run.streams:
            newest.setdefault(one["stream"], {**one, "at": run.finished_at})
    return sorted(newest.values(), key=lambda one: str(one["stream"]))
