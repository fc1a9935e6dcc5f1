"""Terra's payloads (schema version 2022-03-16): webhooks, and answers of its API, which have the same form.

Source: github.com/tryterra/openapi, dist/core/v2-bundled.yaml; units are in the names or descriptions there.
"""

from ingestion.wearables.fields import Field, Mapping
from ingestion.wearables.tables import ACTIVITIES, BODIES, DAYS, SLEEPS, Table
from ingestion.wearables.vocabulary import OTHER, TERRA_NAMES, TERRA_TYPES

_UTC = ("metadata.timestamp_localization", "0")
_HEART = "heart_rate_data.summary"

_ACTIVITY = (
    Field("external_id", "metadata.summary_id"),
    Field("device", "device_data.name"),
    Field("started_at", "metadata.start_time", "iso"),
    Field("ended_at", "metadata.end_time", "iso"),
    Field("activity_type", "metadata.type", codes=TERRA_TYPES, otherwise=OTHER),
    Field("source_type", "metadata.type", codes=TERRA_NAMES),
    Field("name", "metadata.name"),
    Field("is_manual", "metadata.upload_type", codes={"1": "false", "2": "true"}),
    Field("is_deleted", "metadata.upload_type", codes={"4": "true"}, otherwise="false"),
    Field("active_seconds", "active_durations_data.activity_seconds", "s"),
    Field("distance_m", "distance_data.summary.distance_meters", "m"),
    Field("active_energy_kcal", "calories_data.net_activity_calories", "kcal"),
    Field("total_energy_kcal", "calories_data.total_burned_calories", "kcal"),
    Field("average_heart_rate_bpm", f"{_HEART}.avg_hr_bpm", "bpm"),
    Field("max_heart_rate_bpm", f"{_HEART}.max_hr_bpm", "bpm"),
    Field("elevation_gain_m", "distance_data.summary.elevation.gain_actual_meters", "m"),
    Field("steps", "distance_data.summary.steps", "1"),
    Field("average_power_w", "power_data.avg_watts", "W"),
    Field("average_speed_mps", "movement_data.avg_speed_meters_per_second", "m/s"),
    Field("score", "data_enrichment.efficiency_score", "points"),
    Field("strain", "strain_data.strain_level", "points"),
    Field("strain", "data_enrichment.strain_score", "points"),
    Field("trimp", "data_enrichment.trimp_score", "points"),
)

_SLEEP = (
    Field("external_id", "metadata.summary_id"),
    Field("device", "device_data.name"),
    Field("started_at", "metadata.start_time", "iso"),
    Field("ended_at", "metadata.end_time", "iso"),
    Field("is_nap", "metadata.is_nap"),
    Field("is_manual", "metadata.upload_type", codes={"1": "true", "2": "false"}),
    Field("in_bed_seconds", "sleep_durations_data.other.duration_in_bed_seconds", "s"),
    Field("asleep_seconds", "sleep_durations_data.asleep.duration_asleep_state_seconds", "s"),
    Field("rem_seconds", "sleep_durations_data.asleep.duration_REM_sleep_state_seconds", "s"),
    Field("deep_seconds", "sleep_durations_data.asleep.duration_deep_sleep_state_seconds", "s"),
    Field("light_seconds", "sleep_durations_data.asleep.duration_light_sleep_state_seconds", "s"),
    Field("awake_seconds", "sleep_durations_data.awake.duration_awake_state_seconds", "s"),
    Field("hrv_rmssd_ms", f"{_HEART}.avg_hrv_rmssd", "ms"),
    Field("hrv_sdnn_ms", f"{_HEART}.avg_hrv_sdnn", "ms"),
    Field("resting_heart_rate_bpm", f"{_HEART}.resting_hr_bpm", "bpm"),
    Field("average_heart_rate_bpm", f"{_HEART}.avg_hr_bpm", "bpm"),
    Field("min_heart_rate_bpm", f"{_HEART}.min_hr_bpm", "bpm"),
    Field("respiratory_rate_per_minute", "respiration_data.breaths_data.avg_breaths_per_min", "1/min"),
    Field("score", "scores.sleep", "points"),
    Field("score", "data_enrichment.sleep_score", "points"),
    Field("readiness_score", "readiness_data.readiness", "points"),
    Field("readiness_score", "data_enrichment.readiness_score", "points"),
)

_DAY = (
    Field("device", "device_data.name"),
    Field("day", "metadata.start_time"),  # its date as written: a day is the person's, whatever the offset
    Field("steps", "distance_data.steps", "1"),
    Field("distance_m", "distance_data.distance_meters", "m"),
    Field("active_energy_kcal", "calories_data.net_activity_calories", "kcal"),
    Field("total_energy_kcal", "calories_data.total_burned_calories", "kcal"),
    Field("resting_heart_rate_bpm", f"{_HEART}.resting_hr_bpm", "bpm"),
    Field("average_heart_rate_bpm", f"{_HEART}.avg_hr_bpm", "bpm"),
    Field("max_heart_rate_bpm", f"{_HEART}.max_hr_bpm", "bpm"),
    Field("min_heart_rate_bpm", f"{_HEART}.min_hr_bpm", "bpm"),
    Field("hrv_rmssd_ms", f"{_HEART}.avg_hrv_rmssd", "ms"),
    Field("hrv_sdnn_ms", f"{_HEART}.avg_hrv_sdnn", "ms"),
    Field("average_stress_level", "stress_data.avg_stress_level", "points"),
    Field("max_stress_level", "stress_data.max_stress_level", "points"),
    Field("active_minutes", "active_durations_data.activity_seconds", "s"),
    Field("low_intensity_minutes", "active_durations_data.low_intensity_seconds", "s"),
    Field("moderate_intensity_minutes", "active_durations_data.moderate_intensity_seconds", "s"),
    Field("vigorous_intensity_minutes", "active_durations_data.vigorous_intensity_seconds", "s"),
    Field("vo2max_ml_per_kg_minute", "oxygen_data.vo2max_ml_per_min_per_kg", "ml/kg/min"),
    Field("vo2max_ml_per_kg_minute", "oxygen_data.day_avg_vo2max_ml_per_min_per_kg", "ml/kg/min"),
    Field("activity_score", "scores.activity", "points"),
    Field("recovery_score", "scores.recovery", "points"),
    Field("sleep_score", "scores.sleep", "points"),
    Field("strain", "strain_data.strain_level", "points"),
)

_DAY_AVERAGE = (
    Field("device", "device_data.name"),
    Field("measured_at", "metadata.start_time", "iso"),
    Field("weight_kg", "measurements_data.day_avg_weight_kg", "kg"),
    Field("fat_percentage", "measurements_data.day_avg_bodyfat_percentage", "%"),
    Field("height_cm", "measurements_data.day_avg_height_cm", "cm"),
    Field("body_temperature_c", "temperature_data.day_avg_body_temperature_celsius", "°C"),
    Field("skin_temperature_c", "temperature_data.day_avg_skin_temperature_celsius", "°C"),
    Field("spo2_percentage", "oxygen_data.avg_saturation_percentage", "%"),
    Field("systolic_mmhg", "blood_pressure_data.day_avg_systolic_bp", "mmHg"),
    Field("diastolic_mmhg", "blood_pressure_data.day_avg_diastolic_bp", "mmHg"),
    Field("resting_heart_rate_bpm", "heart_data.heart_rate_data.summary.resting_hr_bpm", "bpm"),
)


def _data(kind: str, table: Table, fields: tuple[Field, ...]) -> Mapping:
    return Mapping(kind, table, "data", fields, utc_when=_UTC)


def _samples(path: str, time: str, *fields: Field) -> Mapping:
    return Mapping(
        "body",
        BODIES,
        f"data[*].{path}",
        (Field("device", "^device_data.name"), Field("measured_at", time, "iso"), *fields),
        utc_when=(f"^{_UTC[0]}", _UTC[1]),
        needs_value=True,
        fixed={"is_day_average": "false"},
    )


MAPPINGS = (
    _data("activity", ACTIVITIES, _ACTIVITY),
    _data("sleep", SLEEPS, _SLEEP),
    _data("daily", DAYS, _DAY),
    Mapping("body", BODIES, "data", _DAY_AVERAGE, utc_when=_UTC, needs_value=True, fixed={"is_day_average": "true"}),
    _samples(
        "measurements_data.measurements",
        "measurement_time",
        Field("weight_kg", "weight_kg", "kg"),
        Field("fat_percentage", "bodyfat_percentage", "%"),
        Field("height_cm", "height_cm", "cm"),
    ),
    _samples(
        "blood_pressure_data.blood_pressure_samples",
        "timestamp",
        Field("systolic_mmhg", "systolic_bp", "mmHg"),
        Field("diastolic_mmhg", "diastolic_bp", "mmHg"),
    ),
    _samples(
        "temperature_data.body_temperature_samples",
        "timestamp",
        Field("body_temperature_c", "temperature_celsius", "°C"),
    ),
    _samples(
        "temperature_data.skin_temperature_samples",
        "timestamp",
        Field("skin_temperature_c", "temperature_celsius", "°C"),
    ),
    _samples(
        "oxygen_data.saturation_samples",
        "timestamp",
        Field("spo2_percentage", "percentage", "%", when=("type", "0")),  # 1 is a muscle's
    ),
)
