"""What people did to our events in their calendars.

Ours that were moved there are put back, for what was booked is what counts; ours that were deleted there stay away
until their booking changes. What was split off a series there goes, and the series is whole again.
"""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy.orm import Session

from operational_api.scheduling.calendars.models import CalendarPush
from operational_api.scheduling.calendars.port import Changes, Entry, Occurrence
from operational_api.scheduling.service import pushes

Times = tuple[datetime, datetime] | None
"""None: it is gone."""


def mend(session: Session, changes: Changes, ours: Mapping[str, CalendarPush], *, now: datetime) -> None:
    """Have those pushed again that are not as they should be.

    Args:
        ours: By every id that they have there (`pushes.own_ids`).
    """
    series: dict[str, tuple[CalendarPush, dict[datetime, Times]]] = {}
    _put_back_split(changes, ours, now)
    _put_back_whole(changes, ours, now)
    for seen in changes.own:
        push = ours.get(seen.external_id)
        if push is None or push.due_at is not None:
            continue
        if push.series_id is None:
            if seen.starts_at is not None and seen.etag != push.etag:
                _put_back(session, push, (seen.starts_at, seen.ends_at), now)
        elif seen.occurrences is not None:
            _judge(session, push, {one.recurs_at: (one.starts_at, one.ends_at) for one in seen.occurrences}, now)
        elif (recurs_at := push.occurrences.get(seen.external_id)) is not None:
            times = (seen.starts_at, seen.ends_at) if seen.starts_at and seen.ends_at else None
            series.setdefault(push.uid, (push, {}))[1][datetime.fromisoformat(recurs_at)] = times
    _add_unspoken(changes, ours, series)
    for push, found in series.values():
        _judge_some(session, push, found, now)


def _put_back_split(changes: Changes, ours: Mapping[str, CalendarPush], now: datetime) -> None:
    """An event with the mark of a series, and not where we put that: somebody changed "this and following" there. Those
    that the series lost by it were not deleted."""
    by_uid = {push.uid: push for push in ours.values()}
    for seen in changes.own:
        push = by_uid.get(seen.uid)
        if push is None or push.series_id is None or seen.starts_at is None or push.due_at is not None:
            continue
        if (seen.series_id or seen.external_id) != push.external_id:
            push.due_at, push.attempts = now, 0


def _put_back_whole(changes: Changes, ours: Mapping[str, CalendarPush], now: datetime) -> None:
    """A series with an occurrence that we never put there was moved as a whole: those of before were not deleted."""
    for seen in changes.own:
        push = ours.get(seen.series_id)
        is_new = push is not None and seen.external_id != push.external_id and seen.external_id not in push.occurrences
        if push is not None and is_new and seen.starts_at is not None and push.due_at is None:
            push.due_at, push.attempts = now, 0


def _add_unspoken(
    changes: Changes, ours: Mapping[str, CalendarPush], series: dict[str, tuple[CalendarPush, dict[datetime, Times]]]
) -> None:
    """Occurrences that are told by their id alone, without saying whose they are: some servers do so of what is gone,
    and of what was moved."""
    spoken = {one.external_id for one in changes.own}
    moved = {one.external_id: (one.starts_at, one.ends_at) for one in changes.busy}
    for id_ in changes.touched - spoken:
        push = ours.get(id_)
        if push is not None and push.due_at is None and (recurs_at := push.occurrences.get(id_)) is not None:
            found = series.setdefault(push.uid, (push, {}))[1]
            found[datetime.fromisoformat(recurs_at)] = moved.get(id_)


def _put_back(session: Session, push: CalendarPush, times: tuple[datetime, datetime | None], now: datetime) -> None:
    wanted = pushes.entry_of(session, push)
    if wanted is not None and (wanted.starts_at, wanted.ends_at) != times:
        push.due_at, push.attempts = now, 0


def _judge(session: Session, push: CalendarPush, found: Mapping[datetime, Times], now: datetime) -> None:
    """A series that is known as a whole. Where it has sessions that we never put there, all of it was moved."""
    wanted = _wanted(pushes.entry_of(session, push))
    if found.keys() - wanted.keys():
        push.due_at, push.attempts = now, 0
        return
    _judge_some(session, push, {one: found.get(one) for one in wanted}, now)


def _judge_some(session: Session, push: CalendarPush, found: Mapping[datetime, Times], now: datetime) -> None:
    wanted = _wanted(pushes.entry_of(session, push))
    for recurs_at, times in found.items():
        one = wanted.get(recurs_at)
        if one is None:
            continue
        if times is None:
            push.away = push.away | {recurs_at.isoformat(): one.starts_at.isoformat()}
        elif times != (one.starts_at, one.ends_at):
            push.due_at, push.attempts = now, 0


def _wanted(entry: Entry | None) -> dict[datetime, Occurrence]:
    return {one.recurs_at: one for one in entry.series.shown} if entry is not None and entry.series is not None else {}
