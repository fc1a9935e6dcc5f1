"""Answers of Fitbit's Web API, one kind per endpoint, as they are asked for in metric units.

Kinds: `activities` (activities/list), `sleep` (sleep 1.2), `daily` (activities/date: it names no date, so whoever
stores it adds `date`), `heart` (activities/heart), `hrv`, `cardioscore`, `weight` (body/log/weight).

Sleep and weight are told in local time without an offset: whoever stores them adds the profile's `offsetFromUTCMillis`.
Without it the instant is the wall clock's and `utc_offset_minutes` is null.

Source: dev.fitbit.com/build/reference/web-api.
"""

from ingestion.wearables.fields import Field, Mapping
from ingestion.wearables.tables import ACTIVITIES, BODIES, DAYS, SLEEPS
from ingestion.wearables.vocabulary import OTHER, WORDS

_OFFSET = "^offsetFromUTCMillis"
_MANUAL = {"manual": "true", "auto_detected": "false", "tracker": "false", "mobile_run": "false", "fitstar": "false"}

_ACTIVITY = (
    Field("external_id", "logId"),
    Field("device", "source.name"),
    Field("started_at", "originalStartTime", "iso"),
    Field("started_at", "startTime", "iso"),
    Field("activity_type", "activityName", codes=WORDS, otherwise=OTHER),
    Field("source_type", "activityName"),
    Field("name", "activityName"),
    Field("is_manual", "logType", codes=_MANUAL),
    Field("duration_seconds", "originalDuration", "ms"),
    Field("duration_seconds", "duration", "ms"),
    Field("active_seconds", "activeDuration", "ms"),
    Field("distance_m", "distance", "mi", when=("distanceUnit", "Mile")),
    Field("distance_m", "distance", "km", when=("distanceUnit", "Kilometer")),
    Field("total_energy_kcal", "calories", "kcal"),  # with what the body burns at rest
    Field("average_heart_rate_bpm", "averageHeartRate", "bpm", absent=(0,)),
    Field("elevation_gain_m", "elevationGain", "ft", when=("distanceUnit", "Mile")),
    Field("elevation_gain_m", "elevationGain", "m", when=("distanceUnit", "Kilometer")),
    Field("steps", "steps", "1"),
    Field("average_speed_mps", "speed", "mi/h", when=("distanceUnit", "Mile")),
    Field("average_speed_mps", "speed", "km/h", when=("distanceUnit", "Kilometer")),
)

_SLEEP = (
    Field("external_id", "logId"),
    Field("started_at", "startTime", "iso"),
    Field("ended_at", "endTime", "iso"),
    Field("day", "dateOfSleep"),
    Field("is_nap", "isMainSleep", codes={"true": "false", "false": "true"}),
    Field("is_manual", "logType", codes=_MANUAL),
    Field("in_bed_seconds", "timeInBed", "min"),
    Field("asleep_seconds", "minutesAsleep", "min"),
    Field("rem_seconds", "levels.summary.rem.minutes", "min"),
    Field("deep_seconds", "levels.summary.deep.minutes", "min"),
    Field("light_seconds", "levels.summary.light.minutes", "min"),
    Field("awake_seconds", "minutesAwake", "min"),
)

_DAILY = (
    Field("day", "date"),
    Field("steps", "summary.steps", "1"),
    Field("distance_m", "summary.distances[0].distance", "km", when=("summary.distances[0].activity", "total")),
    Field("active_energy_kcal", "summary.activityCalories", "kcal"),
    Field("total_energy_kcal", "summary.caloriesOut", "kcal"),
    Field("resting_heart_rate_bpm", "summary.restingHeartRate", "bpm"),
    Field("low_intensity_minutes", "summary.lightlyActiveMinutes", "min"),
    Field("moderate_intensity_minutes", "summary.fairlyActiveMinutes", "min"),
    Field("vigorous_intensity_minutes", "summary.veryActiveMinutes", "min"),
)

_WEIGHT = (
    Field("external_id", "logId"),
    Field("device", "source"),
    Field("measured_at", "date+time", "iso"),
    Field("weight_kg", "weight", "kg"),
    Field("fat_percentage", "fat", "%"),
)


def _of_days(kind: str, items: str, *fields: Field) -> Mapping:
    return Mapping(kind, DAYS, items, (Field("day", "dateTime"), *fields))


MAPPINGS = (
    Mapping("activities", ACTIVITIES, "activities", _ACTIVITY, offset=_OFFSET, offset_unit="ms"),
    Mapping("sleep", SLEEPS, "sleep", _SLEEP, offset=_OFFSET, offset_unit="ms"),
    Mapping("daily", DAYS, "", _DAILY),
    _of_days("heart", "activities-heart", Field("resting_heart_rate_bpm", "value.restingHeartRate", "bpm")),
    _of_days("hrv", "hrv", Field("hrv_rmssd_ms", "value.dailyRmssd", "ms")),
    # A text: a number for people who run with GPS, else a span such as 44-48, which is no measurement.
    _of_days("cardioscore", "cardioScore", Field("vo2max_ml_per_kg_minute", "value.vo2Max", "ml/kg/min", is_text=True)),
    Mapping("weight", BODIES, "weight", _WEIGHT, offset=_OFFSET, offset_unit="ms", fixed={"is_day_average": "false"}),
)
