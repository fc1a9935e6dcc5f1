"""What Garmin's Health API pushes, one kind per summary type as Garmin names it: a body `{"sleeps": [...]}`.

Garmin sends a day or a night again while it grows, with the same beginning and another summary id. Source: Garmin
Connect developer programme, Health API and Activity API; the names carry the units.
"""

from ingestion.wearables.fields import Field, Mapping
from ingestion.wearables.tables import ACTIVITIES, BODIES, DAYS, SLEEPS, Table
from ingestion.wearables.vocabulary import OTHER, WORDS

_NOT_MEASURED = (-1.0, -2.0)  # too little data; too much movement
_VALIDATION = {"manual": "true"} | dict.fromkeys(
    ("device", "auto_tentative", "auto_final", "enhanced_tentative", "enhanced_final"), "false"
)

_ACTIVITY = (
    Field("external_id", "activityId"),
    Field("external_id", "summaryId"),
    Field("device", "deviceName"),
    Field("started_at", "startTimeInSeconds", "epoch s"),
    Field("activity_type", "activityType", codes=WORDS, otherwise=OTHER),
    Field("source_type", "activityType"),
    Field("name", "activityName"),
    Field("is_manual", "manual"),
    Field("duration_seconds", "durationInSeconds", "s"),
    Field("distance_m", "distanceInMeters", "m"),
    Field("active_energy_kcal", "activeKilocalories", "kcal"),
    Field("average_heart_rate_bpm", "averageHeartRateInBeatsPerMinute", "bpm"),
    Field("max_heart_rate_bpm", "maxHeartRateInBeatsPerMinute", "bpm"),
    Field("elevation_gain_m", "totalElevationGainInMeters", "m"),
    Field("steps", "steps", "1"),
    Field("average_power_w", "averagePowerInWatts", "W"),
    Field("average_speed_mps", "averageSpeedInMetersPerSecond", "m/s"),
)

_SLEEP = (
    Field("external_id", "summaryId"),
    Field("started_at", "startTimeInSeconds", "epoch s"),
    Field("is_manual", "validation", codes=_VALIDATION),
    Field("in_bed_seconds", "durationInSeconds", "s"),  # length of the monitoring period
    Field("rem_seconds", "remSleepInSeconds", "s"),
    Field("deep_seconds", "deepSleepDurationInSeconds", "s"),
    Field("light_seconds", "lightSleepDurationInSeconds", "s"),
    Field("awake_seconds", "awakeDurationInSeconds", "s"),
    Field("score", "overallSleepScore.value", "points"),
)

_DAY = (
    Field("external_id", "summaryId"),
    Field("day", "calendarDate"),
    Field("steps", "steps", "1"),
    Field("distance_m", "distanceInMeters", "m"),
    Field("active_energy_kcal", "activeKilocalories", "kcal"),
    Field("resting_heart_rate_bpm", "restingHeartRateInBeatsPerMinute", "bpm"),
    Field("average_heart_rate_bpm", "averageHeartRateInBeatsPerMinute", "bpm"),
    Field("max_heart_rate_bpm", "maxHeartRateInBeatsPerMinute", "bpm"),
    Field("min_heart_rate_bpm", "minHeartRateInBeatsPerMinute", "bpm"),
    Field("average_stress_level", "averageStressLevel", "points", absent=_NOT_MEASURED),
    Field("max_stress_level", "maxStressLevel", "points", absent=_NOT_MEASURED),
    Field("active_minutes", "activeTimeInSeconds", "s"),
    Field("moderate_intensity_minutes", "moderateIntensityDurationInSeconds", "s"),
    Field("vigorous_intensity_minutes", "vigorousIntensityDurationInSeconds", "s"),
)

_BODY = (
    Field("external_id", "summaryId"),
    Field("measured_at", "measurementTimeInSeconds", "epoch s"),
    Field("weight_kg", "weightInGrams", "g"),
    Field("fat_percentage", "bodyFatInPercent", "%"),
)

_PRESSURE = (
    Field("external_id", "summaryId"),
    Field("measured_at", "measurementTimeInSeconds", "epoch s"),
    Field("systolic_mmhg", "systolic", "mmHg"),
    Field("diastolic_mmhg", "diastolic", "mmHg"),
)


def _pushed(kind: str, table: Table, fields: tuple[Field, ...], *, is_identified: bool = False) -> Mapping:
    return Mapping(kind, table, kind, fields, offset="startTimeOffsetInSeconds", is_identified=is_identified)


def _measured(kind: str, fields: tuple[Field, ...]) -> Mapping:
    return Mapping(
        kind, BODIES, kind, fields, offset="measurementTimeOffsetInSeconds", fixed={"is_day_average": "false"}
    )


MAPPINGS = (
    _pushed("activities", ACTIVITIES, _ACTIVITY, is_identified=True),
    _pushed("manuallyUpdatedActivities", ACTIVITIES, _ACTIVITY, is_identified=True),
    _pushed("sleeps", SLEEPS, _SLEEP),
    _pushed("dailies", DAYS, _DAY),
    _pushed("hrv", DAYS, (Field("day", "calendarDate"), Field("hrv_rmssd_ms", "lastNightAvg", "ms"))),
    _pushed(
        "userMetrics", DAYS, (Field("day", "calendarDate"), Field("vo2max_ml_per_kg_minute", "vo2Max", "ml/kg/min"))
    ),
    _measured("bodyComps", _BODY),
    _measured("bloodPressures", _PRESSURE),
)
