"""How old the data behind a number is, and whether that is within what we promise.

Marts are as fresh as the oldest change they have not read: with no change missed they are as of the newest heartbeat
of the change stream, so a quiet night is fresh and a dead stream is not. Scores and models have a promise of their own.
"""

from collections.abc import Collection
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Literal

from contracts.relations import RELATIONS
from operational_api.analytics.errors import NotBuilt
from operational_api.analytics.lake import Lake, one
from operational_api.analytics.query import Query
from operational_api.analytics.settings import AnalyticsSettings

State = Literal["fresh", "late", "stale"]
_ORDER: tuple[State, ...] = ("fresh", "late", "stale")
_MODELS, _SCORES = "ml.churn_models", "ml.churn_scores"

# A change missed: the first batch with changes after the marts' last one. None missed: the newest batch, be it empty.
_STREAM = """
    select max(lsn)::bigint, max(committed_at), max(landed_at),
        min(committed_at) filter (changes > 0 and lsn > {lsn:d})
    from raw.main._cdc_watermarks
"""


@dataclass(frozen=True, slots=True)
class Freshness:
    """Age of what an answer was made of.

    Attributes:
        data_as_of: Everything committed in the product until then is in the answer; None where it is not known.
        snapshot_id: Snapshot of the marts.
        state: fresh, late or stale.
        age_seconds: Between `data_as_of` and the asking; None where it is not known.
        late_after_seconds: The promise.
        stale_after_seconds: When nobody should decide by it any more.
    """

    data_as_of: datetime | None
    snapshot_id: int
    state: State
    age_seconds: float | None
    late_after_seconds: float
    stale_after_seconds: float

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"data_as_of": self.data_as_of.isoformat() if self.data_as_of else None}


class Clock:
    """Tells the freshness of relations at a snapshot. Reads two small tables; the answers are remembered briefly."""

    def __init__(self, lake: Lake, settings: AnalyticsSettings) -> None:
        self._lake, self._settings = lake, settings

    def of(self, relations: Collection[str], *, snapshot_id: int, now: datetime, is_past: bool = False) -> Freshness:
        """The worst freshness among relations.

        Args:
            relations: Names of marts.
            snapshot_id: What the answer was made from.
            now: The moment of asking; for a look into the past, that past moment.
            is_past: Whether the snapshot was chosen by `as_of`: then what the stream holds today says nothing.
        """
        each = [self._of_one(name, snapshot_id, now, is_past) for name in sorted({_kind(one) for one in relations})]
        return max(each, key=lambda found: (_ORDER.index(found.state), found.age_seconds or 0))

    def is_built(self) -> bool:
        """Whether the marts have been built at least once."""
        return self._build(self._lake.snapshot_id()) is not None

    def overview(self, *, now: datetime) -> dict[str, Any]:
        """Freshness of everything: overall, the stream, the build, and each relation."""
        snapshot_id = self._lake.snapshot_id()
        build = self._build(snapshot_id)
        lsn, committed_at, landed_at, missed_at = self._stream(build["lsn"] if build else 0)
        kinds = {kind: self._of_one(kind, snapshot_id, now, False) for kind in ("marts", _MODELS, _SCORES)}
        worst = self.of(("core.fct_builds", _SCORES), snapshot_id=snapshot_id, now=now)
        return worst.to_json() | {
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
            "relations": [
                {"relation": name} | kinds[_kind(name)].to_json() for name in RELATIONS
            ],
        }  # fmt: skip

    def _of_one(self, kind: str, snapshot_id: int, now: datetime, is_past: bool) -> Freshness:
        settings = self._settings
        if kind == _SCORES:
            as_of = self._newest("select max(as_of) as newest from @ml.churn_scores", snapshot_id)
            begun = datetime.combine(as_of, time(), UTC) if isinstance(as_of, date) else None
            return _judged(begun, snapshot_id, now, settings.scores_late_seconds, settings.scores_stale_seconds)
        if kind == _MODELS:
            trained = self._newest("select max(trained_at) as newest from @ml.churn_models", snapshot_id)
            at = trained if isinstance(trained, datetime) else None
            return _judged(at, snapshot_id, now, settings.models_late_seconds, settings.models_stale_seconds)
        build = self._build(snapshot_id)
        data_as_of: datetime | None = build["data_as_of"] if build else None
        if build and not is_past:
            _, committed_at, _, missed_at = self._stream(build["lsn"])
            data_as_of = missed_at or max(filter(None, (committed_at, data_as_of)), default=None)
        return _judged(data_as_of, snapshot_id, now, settings.marts_late_seconds, settings.marts_stale_seconds)

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

    def _stream(self, lsn: int | None) -> tuple[int | None, datetime | None, datetime | None, datetime | None]:
        rows = self._lake.raw(_STREAM.format(lsn=lsn or 0))
        return rows[0] if rows else (None, None, None, None)


def _kind(relation: str) -> str:
    return relation if relation in (_MODELS, _SCORES) else "marts"


def _judged(at: datetime | None, snapshot_id: int, now: datetime, late: float, stale: float) -> Freshness:
    age = _age(at, now)
    state: State = "stale" if age is None or age > stale else "late" if age > late else "fresh"
    return Freshness(at, snapshot_id, state, age, late, stale)


def _age(at: datetime | None, now: datetime) -> float | None:
    return None if at is None else round(max(timedelta(), now - at).total_seconds(), 1)


def _told(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
