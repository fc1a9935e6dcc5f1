"""The columns whose distribution is watched (`drift`). Light to import: their assets are named before anything runs."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Watched:
    """A column that is watched.

    Args:
        relation: `lake.schema.table`.
        field: SQL over its rows, as people know it: mostly a column.
        at: Column that places a row in time.
        kind: number, or word: a text of few values.
        where: SQL condition of the rows that count.
    """

    relation: str
    field: str
    at: str
    kind: Literal["number", "word"]
    where: str = "true"


def asset_of(relation: str) -> tuple[str, str]:
    """Key of the asset that makes a relation."""
    lake, schema, table = relation.split(".")
    return ("raw" if lake == "raw" else schema, table)


def _watched(relation: str, at: str, numbers: str = "", words: str = "", where: str = "true") -> Iterator[Watched]:
    yield from (Watched(relation, field, at, "number", where) for field in numbers.split())
    yield from (Watched(relation, field, at, "word", where) for field in words.split())


WATCHED: tuple[Watched, ...] = (
    *_watched("marts.finance.fct_payments", "attempted_at", "amount_minor attempt", "status provider failure_code"),
    *_watched("marts.scheduling.fct_bookings", "booked_at", "lead_time_hours", "kind"),
    *_watched(
        "marts.scheduling.fct_bookings", "starts_at", words="status",
        where="status in ('attended', 'no_show', 'late_cancelled')",
    ),
    *_watched(
        "marts.training.fct_workouts", "completed_at", "duration_minutes session_rpe volume_kg set_count",
        where="status = 'completed'",
    ),
    *_watched(
        "marts.training.fct_wearable_days", "day", "sleep_minutes hrv_rmssd_ms resting_heart_rate_bpm steps", "device"
    ),
    *_watched("marts.engagement.fct_messages", "sent_at", words="kind"),
    *_watched("marts.engagement.fct_deliveries", "created_at", words="channel status"),
    *_watched(
        "marts.retention.fct_churn_features", "as_of",
        "tenure_days sessions_attended_28d attendance_trend days_since_last_session adherence_28d workouts_28d",
    ),
    *_watched("marts.ml.churn_scores", "as_of", "probability"),
    *_watched("raw.main.wearables__activities", "received_at", "duration_seconds distance_m", "provider activity_type"),
    *_watched("raw.main.wearables__sleeps", "received_at", "asleep_seconds", "provider"),
    *_watched("raw.main.stripe__charges", "_landed_at", words="document->>'$.status' document->>'$.currency'"),
)  # fmt: skip
"""What metrics, scores and messages are made of: a shift here is a change of the business or a broken source."""
