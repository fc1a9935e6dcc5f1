"""The raw tables of wearables: columns, units, and the range outside of which a value is no measurement of a person.

Ranges are wide on purpose: they keep out broken devices and wrong units, not unusual people. Where in a payload a
value is found belongs to the sources.
"""

from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

VERSION = 1
"""Of the normaliser. Raise it when the same payload gives other rows, then resync: they land beside the old ones."""

Kind = Literal["number", "count", "text", "flag", "instant", "day"]

_INSTANT = pa.timestamp("us", tz="UTC")
_TYPES: dict[Kind, pa.DataType] = {
    "number": pa.float64(),
    "count": pa.int64(),
    "text": pa.string(),
    "flag": pa.bool_(),
    "instant": _INSTANT,
    "day": pa.date32(),
}


@dataclass(frozen=True)
class Column:
    """A measured column.

    Args:
        unit: Of the stored value; a source's value in another unit is converted.
        low: Smallest value that is kept, in `unit`.
        high: Largest.
    """

    name: str
    kind: Kind
    unit: str = ""
    low: float = 0
    high: float = 0


def _number(name: str, unit: str, low: float, high: float) -> Column:
    return Column(name, "number", unit, low, high)


def _count(name: str, high: float) -> Column:
    return Column(name, "count", "1", 0, high)


def _seconds(name: str, *, days: float = 2) -> Column:
    return _number(name, "s", 0, days * 86_400)


def _bpm(name: str, *, high: float = 260) -> Column:
    return _number(name, "bpm", 20, high)


@dataclass(frozen=True)
class Table:
    """A raw table.

    Args:
        required: A measurement without one of these is no row.
        columns: Besides the ones that every table has.
    """

    name: str
    required: tuple[str, ...]
    columns: tuple[Column, ...]

    @property
    def schema(self) -> pa.Schema:
        """As rows are landed."""
        own = [pa.field(one.name, _TYPES[one.kind]) for one in self.columns]
        if any(one.kind == "instant" for one in self.columns):
            own.append(pa.field("utc_offset_minutes", pa.int32()))
        return pa.schema([*_COMMON, *own, pa.field("_hash", pa.string())])

    def column(self, name: str) -> Column:
        """The column of a name; raises StopIteration for none."""
        return next(one for one in (*self.columns, *_TOLD) if one.name == name)


_TOLD = (Column("external_id", "text"), Column("device", "text"))
"""Columns that every table has and that a source tells."""

_COMMON = [
    pa.field("payload_id", pa.uuid()),
    pa.field("position", pa.string()),  # where in the payload: `data[0].measurements[2]`
    pa.field("normaliser_version", pa.int32()),
    pa.field("customer_id", pa.uuid()),
    pa.field("source", pa.string()),
    pa.field("kind", pa.string()),
    pa.field("provider", pa.string()),
    pa.field("external_user_id", pa.string()),
    pa.field("identity", pa.string()),  # what a later payload about the same thing has in common with this one
    pa.field("external_id", pa.string()),
    pa.field("device", pa.string()),
    pa.field("ordering_at", _INSTANT),
    pa.field("received_at", _INSTANT),
]

ACTIVITIES = Table(
    "wearables__activities",
    ("started_at",),
    (
        Column("started_at", "instant"),
        Column("ended_at", "instant"),
        Column("activity_type", "text"),  # of `vocabulary`
        Column("source_type", "text"),  # the source's own word
        Column("name", "text"),
        Column("is_manual", "flag"),
        Column("is_deleted", "flag"),
        _seconds("duration_seconds", days=30),  # from start to end
        _seconds("active_seconds", days=30),  # without pauses
        _number("distance_m", "m", 0, 2_000_000),
        _number("active_energy_kcal", "kcal", 0, 50_000),
        _number("total_energy_kcal", "kcal", 0, 50_000),
        _bpm("average_heart_rate_bpm"),
        _bpm("max_heart_rate_bpm"),
        _number("elevation_gain_m", "m", 0, 30_000),
        _count("steps", 500_000),
        _number("average_power_w", "W", 0, 2_500),
        _number("average_speed_mps", "m/s", 0, 100),
        _number("score", "points", 0, 100),
        _number("strain", "points", 0, 100),
        _number("trimp", "points", 0, 2_000),
    ),
)

SLEEPS = Table(
    "wearables__sleeps",
    ("started_at", "ended_at"),
    (
        Column("started_at", "instant"),
        Column("ended_at", "instant"),
        Column("day", "day"),  # the local date it ends on; the one in UTC where nobody tells the offset
        Column("is_nap", "flag"),
        Column("is_manual", "flag"),
        _seconds("in_bed_seconds"),
        _seconds("asleep_seconds"),
        _seconds("rem_seconds"),
        _seconds("deep_seconds"),
        _seconds("light_seconds"),
        _seconds("awake_seconds"),
        _number("efficiency", "ratio", 0, 1),  # asleep / in bed
        _number("hrv_rmssd_ms", "ms", 1, 400),
        _number("hrv_sdnn_ms", "ms", 1, 400),
        _bpm("resting_heart_rate_bpm", high=150),
        _bpm("average_heart_rate_bpm", high=200),
        _bpm("min_heart_rate_bpm", high=150),
        _number("respiratory_rate_per_minute", "1/min", 4, 60),
        _number("score", "points", 0, 100),
        _number("readiness_score", "points", 0, 100),
    ),
)

DAYS = Table(
    "wearables__days",
    ("day",),
    (
        Column("day", "day"),  # the date as the source writes it
        _count("steps", 300_000),
        _number("distance_m", "m", 0, 1_000_000),
        _number("active_energy_kcal", "kcal", 0, 30_000),
        _number("total_energy_kcal", "kcal", 0, 40_000),
        _bpm("resting_heart_rate_bpm", high=150),
        _bpm("average_heart_rate_bpm", high=220),
        _bpm("max_heart_rate_bpm"),
        _bpm("min_heart_rate_bpm", high=200),
        _number("hrv_rmssd_ms", "ms", 1, 400),
        _number("hrv_sdnn_ms", "ms", 1, 400),
        _number("average_stress_level", "points", 0, 100),
        _number("max_stress_level", "points", 0, 100),
        _number("active_minutes", "min", 0, 1_500),
        _number("low_intensity_minutes", "min", 0, 1_500),
        _number("moderate_intensity_minutes", "min", 0, 1_500),
        _number("vigorous_intensity_minutes", "min", 0, 1_500),
        _number("vo2max_ml_per_kg_minute", "ml/kg/min", 8, 100),
        _number("activity_score", "points", 0, 100),
        _number("recovery_score", "points", 0, 100),
        _number("sleep_score", "points", 0, 100),
        _number("strain", "points", 0, 100),
    ),
)

BODIES = Table(
    "wearables__bodies",
    ("measured_at",),
    (
        Column("measured_at", "instant"),
        Column("is_day_average", "flag"),
        _number("weight_kg", "kg", 20, 400),
        _number("fat_percentage", "%", 2, 75),
        _number("height_cm", "cm", 50, 260),
        _number("body_temperature_c", "°C", 30, 45),
        _number("skin_temperature_c", "°C", 10, 45),
        _number("spo2_percentage", "%", 50, 100),
        _number("systolic_mmhg", "mmHg", 50, 280),
        _number("diastolic_mmhg", "mmHg", 20, 200),
        _bpm("resting_heart_rate_bpm", high=150),
    ),
)

TABLES = {one.name: one for one in (ACTIVITIES, SLEEPS, DAYS, BODIES)}
KEY = ("payload_id", "position", "normaliser_version")
SAME = ("customer_id", "source", "provider", "kind", "identity")
"""What rows about the same thing have in common. Not the source's user id: it changes when a person connects anew."""

REJECTIONS = "wearables__rejections"
REJECTIONS_SCHEMA = pa.schema(
    [
        pa.field("payload_id", pa.uuid()),
        pa.field("position", pa.string()),
        pa.field("field", pa.string()),  # a column, or `payload` when nothing of it can be read
        pa.field("normaliser_version", pa.int32()),
        pa.field("customer_id", pa.uuid()),
        pa.field("source", pa.string()),
        pa.field("kind", pa.string()),
        pa.field("provider", pa.string()),
        pa.field("value", pa.string()),  # as told, its first hundred characters
        pa.field("reason", pa.string()),
        pa.field("received_at", _INSTANT),
    ]
)
SCHEMAS = {name: table.schema for name, table in TABLES.items()} | {REJECTIONS: REJECTIONS_SCHEMA}
"""Every raw table of wearables and its columns."""
REJECTIONS_KEY = ("payload_id", "position", "field", "normaliser_version")
