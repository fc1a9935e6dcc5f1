"""How old the data behind a number is, and whether that is within what we promise.

Marts are as fresh as the oldest change they have not read: with no change missed they are as of the newest heartbeat
of the change stream, so a quiet night is fresh and a dead stream is not. A table of the product that the capture has
set aside, or a connector that has stopped pulling, makes those marts late that are made of it, and no others: which
those are tells dbt's manifest. Scores and models have a promise of their own, and so has what we judge of the data
itself: it is as old as the last look, and before the first one it is not judged yet.
"""

import time as clock
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from threading import Lock, Thread
from typing import Any, Literal

from contracts.metrics import METRICS
from contracts.relations import RELATIONS
from contracts.telemetry import get_logger
from operational_api.analytics.errors import NotBuilt
from operational_api.analytics.lake import Lake, one
from operational_api.analytics.lineage import Manifest
from operational_api.analytics.query import Query
from operational_api.analytics.settings import AnalyticsSettings
from operational_api.core.errors import DomainError

log = get_logger(__name__)
State = Literal["fresh", "not judged yet", "late", "stale"]
_ORDER: tuple[State, ...] = ("fresh", "not judged yet", "late", "stale")
_SCORES = "ml.churn_scores"
_LEARNED = {
    "ml.churn_models": "select max(trained_at) as newest from @ml.churn_models",
    "ml.lifetime_models": "select max(fitted_at) as newest from @ml.lifetime_models",
    "ml.lifetime_values": "select max(fitted_at) as newest from @ml.lifetime_models",
    "ml.training_effects": "select max(measured_at) as newest from @ml.training_effects",
}
"""What is learned once a week, with when it was last."""
_LOOKED = {
    "quality.fct_column_distances": "select max(measured_at) as newest from @quality.fct_column_distances",
    "quality.fct_suite_judgements": "select max(judged_at) as newest from @quality.fct_suite_judgements",
}
"""Marts of what was looked at by us, with when it was looked last; before the first time nothing is judged."""
STREAM = "change stream"
_LANDS_IN = {"terra": "wearables"}
"""Connectors that land in the tables of another, with what those begin with."""
PULLED_EVERY_SECONDS = {"terra": 6 * 3600.0}
"""Connectors whose pulls are so far apart, by their schedule, that one may be missed before anything is late."""
PULSE_SECONDS = 1.0
"""Age of the sources' word at which it is asked for again, behind the answer that still goes by it."""
BELIEVED_SECONDS = 10.0
"""Age at which answers wait for it. Until then an answer may say that its data is older by so much than it is."""
_MOST_KNOWN = 1000
_Build = tuple[int, datetime]
"""Which build is asked about: the last change in it, and when it was made."""

# A change missed: the first batch with changes after the marts' last one. None missed: the newest batch, be it empty.
_STREAM = """
    select max(lsn)::bigint, max(committed_at), max(landed_at),
        min(committed_at) filter (changes > 0 and lsn > {lsn:d})
    from raw.main._cdc_watermarks
"""
# Since when a table of the product is not live: its changes wait, or are put aside.
_STANDING = """
    select note.raw_table, min(note.noted_at)
    from raw.main._cdc_tables as note inner join (
        select raw_table, arg_max(state, noted_at) as state, max(noted_at) filter (state = 'live') as live_at
        from raw.main._cdc_tables group by raw_table
    ) as last using (raw_table)
    where last.state <> 'live' and (last.live_at is null or note.noted_at > last.live_at)
    group by note.raw_table
"""
# Every pull leaves a row, also one that found nothing new.
_PULLS = """
    select connector, max(landed_at), min(landed_at) filter (rows > 0 and landed_at > {built_at})
    from raw.main._ingestion_cursors group by connector
"""


@dataclass(frozen=True, slots=True)
class Freshness:
    """Age of what an answer was made of.

    Attributes:
        data_as_of: Everything committed in the product until then is in the answer; None where it is not known.
        snapshot_id: Snapshot of the marts.
        state: fresh, late or stale; of what is judged by us, not judged yet.
        age_seconds: Between `data_as_of` and the asking; None where it is not known.
        late_after_seconds: The promise.
        stale_after_seconds: When nobody should decide by it any more.
        because: The source that is the oldest: `change stream`, a raw table, a connector, scores or models.
    """

    data_as_of: datetime | None
    snapshot_id: int
    state: State
    age_seconds: float | None
    late_after_seconds: float
    stale_after_seconds: float
    because: str = STREAM

    def to_json(self) -> dict[str, Any]:
        return {
            "data_as_of": _told(self.data_as_of), "snapshot_id": self.snapshot_id, "state": self.state,
            "age_seconds": self.age_seconds, "late_after_seconds": self.late_after_seconds,
            "stale_after_seconds": self.stale_after_seconds, "because": self.because,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Part:
    """What one source says of a mart: until when it is in there, how old that may be, and what it is where it is not
    known."""

    at: datetime | None
    late: float
    stale: float
    because: str = STREAM
    unknown: State = "stale"


@dataclass(frozen=True, slots=True)
class _Pulse:
    """What `raw` says of its sources: the stream, tables that stand still, connectors."""

    stream: tuple[int | None, datetime | None, datetime | None, datetime | None]
    standing: dict[str, datetime]
    pulls: dict[str, tuple[datetime, datetime | None]]


class Clock:
    """Tells the freshness of relations at a snapshot.

    Args:
        lake: Asked for small tables; what it says of `raw` is believed for seconds, and for as long as `raw` has not
            changed.
        settings: What is late.
        manifest: Which sources a mart is made of; before dbt has written it, each is made of the stream.
    """

    def __init__(self, lake: Lake, settings: AnalyticsSettings, manifest: Manifest) -> None:
        self._lake, self._settings, self._manifest = lake, settings, manifest
        self._lock = Lock()  # of whoever listens
        self._heard: tuple[_Build, float, int | None, _Pulse] | None = None
        self._known: dict[tuple[tuple[str, ...], int], tuple[list[_Part], _Build, _Pulse]] = {}

    def of(self, relations: Collection[str], *, snapshot_id: int, now: datetime, is_past: bool = False) -> Freshness:
        """The worst freshness among relations.

        Args:
            relations: Names of marts.
            snapshot_id: What the answer was made from.
            now: The moment of asking; for a look into the past, that past moment.
            is_past: Whether the snapshot was chosen by `as_of`: then what the sources hold today says nothing.
        """
        build = self._build(snapshot_id)
        return _worst(self._parts(relations, snapshot_id, build, is_past), snapshot_id, now)

    def known(self, relations: tuple[str, ...], *, snapshot_id: int) -> Freshness | None:
        """What `latest` would tell, where that is known without asking anybody: for the event loop."""
        found = self._known.get((relations, snapshot_id))
        if found is None or self._believed(found[1]) is not found[2]:
            return None
        return _worst(found[0], snapshot_id, datetime.now(UTC))

    def latest(self, relations: tuple[str, ...], *, snapshot_id: int) -> Freshness:
        """The freshness at this moment, for answers that are told again and again. It may have to ask the lake."""
        build = self._build(snapshot_id)
        pulse, parts = self._pulse(build), list(self._parts(relations, snapshot_id, build, is_past=False))
        if len(self._known) > _MOST_KNOWN:
            self._known.clear()
        self._known[(relations, snapshot_id)] = (parts, _key(build), pulse)
        return _worst(parts, snapshot_id, datetime.now(UTC))

    def heard(self, raw_snapshot_id: int | None, at: float) -> None:
        """That this was the newest snapshot of `raw` at a moment (monotonic): where it is the one that was listened to,
        nothing has been landed since, and nobody has to listen again."""
        if not self._lock.acquire(blocking=False):  # somebody listens
            return
        try:
            heard = self._heard
            if heard is not None and raw_snapshot_id is not None and heard[2] == raw_snapshot_id:
                self._heard = (heard[0], max(at, heard[1]), raw_snapshot_id, heard[3])
        finally:
            self._lock.release()

    def is_built(self) -> bool:
        """Whether the marts have been built at least once."""
        return self._build(self._lake.snapshot_id()) is not None

    def overview(self, *, now: datetime) -> dict[str, Any]:
        """Freshness of everything: overall, the stream, the build, each source, relation and metric."""
        snapshot_id = self._lake.snapshot_id()
        build = self._build(snapshot_id)
        pulse = self._pulse(build)
        lsn, committed_at, landed_at, missed_at = pulse.stream
        told = {
            name: [_judged(part, snapshot_id, now) for part in self._parts((name,), snapshot_id, build, is_past=False)]
            for name in RELATIONS
        }
        marts = [found for name in ("core.fct_builds", _SCORES) for found in told[name]]
        sources: dict[str, Freshness] = {}
        for found in (each for of_one in told.values() for each in of_one):
            sources.setdefault(found.because, found)
        return _worst_of(marts).to_json() | {
            "stream": {
                "lsn": lsn, "committed_at": _told(committed_at), "landed_at": _told(landed_at),
                "silent_seconds": _age(landed_at, now),
            },
            "build": {
                "built_at": _told(build["built_at"]) if build else None,
                "data_as_of": _told(build["data_as_of"]) if build else None,
                "lsn": build["lsn"] if build else None,
                "oldest_missed_change_at": _told(missed_at),
            },
            "sources": [
                {"source": name} | found.to_json() | {
                    "metrics": [
                        metric.name for metric in METRICS.values()
                        if any(each.because == name for each in told[metric.relation])
                    ]
                }
                for name, found in sorted(sources.items())
            ],
            "relations": [{"relation": name} | _worst_of(told[name]).to_json() for name in RELATIONS],
            "metrics": {metric.name: _worst_of(told[metric.relation]).state for metric in METRICS.values()},
        }  # fmt: skip

    def _parts(
        self, relations: Collection[str], snapshot_id: int, build: dict[str, Any] | None, is_past: bool
    ) -> Iterator[_Part]:
        for name in sorted(set(relations)):
            yield from self._of_one(name, snapshot_id, build, is_past)

    def _of_one(self, name: str, snapshot_id: int, build: dict[str, Any] | None, is_past: bool) -> Iterator[_Part]:
        """One for each source that the relation has, or at least one."""
        settings = self._settings
        if name == _SCORES:
            as_of = self._newest("select max(as_of) as newest from @ml.churn_scores", snapshot_id)
            begun = datetime.combine(as_of, time(), UTC) if isinstance(as_of, date) else None
            yield _Part(begun, settings.scores_late_seconds, settings.scores_stale_seconds, name)
            return
        if name in _LEARNED:
            learned = self._newest(_LEARNED[name], snapshot_id)
            at = learned if isinstance(learned, datetime) else None
            # Nobody may have bought a pack, or trained: then there is nothing that could be old.
            yield _Part(at, settings.models_late_seconds, settings.models_stale_seconds, name, "not judged yet")
            return
        if name in _LOOKED and build is not None:
            looked = self._looked(name, snapshot_id)
            yield _Part(looked, settings.looks_late_seconds, settings.looks_stale_seconds, name, "not judged yet")
            return
        late, stale = settings.marts_late_seconds, settings.marts_stale_seconds
        data_as_of: datetime | None = build["data_as_of"] if build else None
        if build is None or is_past:
            yield _Part(data_as_of, late, stale)
            return
        pulse = self._pulse(build)
        tables = self._manifest.raw_tables(name)
        begins = {table.partition("__")[0] for table in tables}
        connectors = {one for one in pulse.pulls if _LANDS_IN.get(one, one) in begins}
        if not tables or begins - {_LANDS_IN.get(one, one) for one in connectors}:
            _, committed_at, _, missed_at = pulse.stream
            heard = missed_at or max(filter(None, (committed_at, data_as_of)), default=None)
            yield _Part(heard, late, stale)
        for table in sorted(tables & pulse.standing.keys()):
            yield _Part(pulse.standing[table], late, stale, table)
        for connector in sorted(connectors):
            pulled_at, waiting_since = pulse.pulls[connector]
            promised = max(settings.connectors_late_seconds, 2 * PULLED_EVERY_SECONDS.get(connector, 0))
            yield _Part(waiting_since or pulled_at, promised, settings.connectors_stale_seconds, connector)

    def _build(self, snapshot_id: int) -> dict[str, Any] | None:
        try:
            answer = self._lake.ask(
                Query("select built_at, data_as_of, lsn from @core.fct_builds"), snapshot_id=snapshot_id
            )
        except NotBuilt:
            return None
        found = one(answer.table)
        return dict(found) if found else None

    def _newest(self, text: str, snapshot_id: int) -> object:
        found = one(self._lake.ask(Query(text), snapshot_id=snapshot_id).table)
        return found["newest"] if found else None

    def _looked(self, name: str, snapshot_id: int) -> datetime | None:
        try:
            found = self._newest(_LOOKED[name], snapshot_id)
        except NotBuilt:
            return None
        return found if isinstance(found, datetime) else None

    def _pulse(self, build: dict[str, Any] | None) -> _Pulse:
        key, heard = _key(build), self._heard
        if (believed := self._believed(key)) is not None:
            return believed
        with self._lock:
            if self._heard is not None and self._heard is not heard and self._heard[0] == key:
                return self._heard[3]
            return self._listen(key)

    def _believed(self, key: _Build) -> _Pulse | None:
        """What was heard not long ago. It is listened again behind it where that is a while ago."""
        heard = self._heard
        if heard is None or heard[0] != key:
            return None
        age = clock.monotonic() - heard[1]
        if PULSE_SECONDS < age <= BELIEVED_SECONDS and self._lock.acquire(blocking=False):
            Thread(target=self._listen_behind, args=(key,), daemon=True).start()
        return heard[3] if age <= BELIEVED_SECONDS else None

    def _listen_behind(self, key: _Build) -> None:
        """`_listen` for nobody in particular, with the lock held."""
        try:
            self._listen(key)
        except DomainError as error:  # whoever has to wait for it is told
            log.warning("sources_not_heard", error=error.code())
        finally:
            self._lock.release()

    def _listen(self, key: _Build) -> _Pulse:
        lsn, built_at = key
        began, heard, at = clock.monotonic(), self._heard, self._lake.raw_snapshot_id()
        if heard is not None and heard[0] == key and at is not None and heard[2] == at:
            self._heard = (key, began, at, heard[3])  # nothing has been landed since
            return heard[3]
        streams = self._lake.raw(_STREAM.format(lsn=lsn))
        pulls = self._lake.raw(_PULLS.format(built_at=f"timestamptz '{built_at.isoformat()}'"))
        pulse = _Pulse(
            streams[0] if streams else (None, None, None, None),
            dict(self._lake.raw(_STANDING)), {name: (last, waiting) for name, last, waiting in pulls},
        )  # fmt: skip
        self._heard = (key, began, at, pulse)
        return pulse


def _key(build: dict[str, Any] | None) -> _Build:
    lsn = (build["lsn"] if build else None) or 0
    return lsn, (build["built_at"] if build else None) or datetime(1970, 1, 1, tzinfo=UTC)


def _worst(parts: Iterable[_Part], snapshot_id: int, now: datetime) -> Freshness:
    return _worst_of([_judged(part, snapshot_id, now) for part in parts])


def _worst_of(found: Sequence[Freshness]) -> Freshness:
    return max(found, key=lambda one: (_ORDER.index(one.state), one.age_seconds or 0))


def _judged(part: _Part, snapshot_id: int, now: datetime) -> Freshness:
    age = _age(part.at, now)
    state: State = "fresh"
    if age is None:
        state = part.unknown
    elif age > part.late:
        state = "stale" if age > part.stale else "late"
    return Freshness(part.at, snapshot_id, state, age, part.late, part.stale, part.because)


def _age(at: datetime | None, now: datetime) -> float | None:
    return None if at is None else round(max(timedelta(), now - at).total_seconds(), 1)


def _told(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
