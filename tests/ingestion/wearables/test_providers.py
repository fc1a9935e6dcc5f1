"""What Fitbit and Garmin send directly becomes the same rows: their units and their ways of telling time."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from ingestion.wearables.normalise import normalise
from tests.ingestion.wearables.conftest import payload, payloads, reasons, rows

MORNING = int(datetime(2026, 7, 1, 5, tzinfo=UTC).timestamp())


def told(source: str, kind: str, table: str, body: Any) -> list[dict[str, Any]]:
    tables = normalise(payloads(payload(body, kind, source=source, provider=source.upper())))
    assert reasons(tables) == {}
    return rows(tables[f"wearables__{table}"])


def check(row: dict[str, Any], **expected: Any) -> None:
    assert {name: row.get(name) for name in expected} == pytest.approx(expected)


class TestFitbit:
    def test_an_activity_in_kilometres_and_milliseconds(self) -> None:
        log = {
            "logId": 19018673358, "activityName": "Run", "startTime": "2026-07-01T07:00:00.000+02:00",
            "duration": 1_860_000, "activeDuration": 1_800_000, "distance": 5.2, "distanceUnit": "Kilometer",
            "calories": 402, "averageHeartRate": 149, "elevationGain": 31.5, "steps": 5_100, "speed": 10.4,
            "logType": "tracker", "source": {"name": "Charge 6"},
        }  # fmt: skip
        (row,) = told("fitbit", "activities", "activities", {"activities": [log]})
        assert (row["identity"], row["activity_type"], row["device"]) == ("19018673358", "running", "Charge 6")
        assert row["started_at"] == datetime(2026, 7, 1, 5, tzinfo=UTC)
        check(row, duration_seconds=1_860, active_seconds=1_800, distance_m=5_200, average_speed_mps=10.4 / 3.6)
        check(row, is_manual=False, elevation_gain_m=31.5, utc_offset_minutes=120, total_energy_kcal=402)

    def test_an_activity_in_miles(self) -> None:
        log = {
            "startTime": "2026-07-01T07:00:00Z",
            "distance": 2,
            "distanceUnit": "Mile",
            "elevationGain": 10,
            "speed": 5,
        }
        (row,) = told("fitbit", "activities", "activities", {"activities": [log]})
        check(row, distance_m=3_218.688, elevation_gain_m=3.048, average_speed_mps=2.2352)

    def test_a_night_with_the_profiles_offset(self) -> None:
        log = {
            "logId": 1, "dateOfSleep": "2026-07-01", "startTime": "2026-06-30T23:10:30.000", "isMainSleep": True,
            "endTime": "2026-07-01T07:10:30.000", "timeInBed": 480, "minutesAsleep": 420, "minutesAwake": 60,
            "levels": {"summary": {"deep": {"minutes": 80}, "light": {"minutes": 240}, "rem": {"minutes": 100}}},
            "logType": "auto_detected",
        }  # fmt: skip
        body = {"sleep": [log], "offsetFromUTCMillis": 7_200_000}
        (row,) = told("fitbit", "sleep", "sleeps", body)
        assert row["started_at"] == datetime(2026, 6, 30, 21, 10, 30, tzinfo=UTC)
        assert row["day"] == date(2026, 7, 1)
        check(row, in_bed_seconds=28_800, asleep_seconds=25_200, efficiency=0.875, rem_seconds=6_000, is_nap=False)

    def test_a_day_in_several_kinds(self) -> None:
        summary = {
            "steps": 9_000, "caloriesOut": 2_300, "activityCalories": 800, "restingHeartRate": 55,
            "lightlyActiveMinutes": 200, "fairlyActiveMinutes": 20, "veryActiveMinutes": 35,
            "distances": [{"activity": "total", "distance": 6.5}, {"activity": "tracker", "distance": 6.4}],
        }  # fmt: skip
        (row,) = told("fitbit", "daily", "days", {"date": "2026-07-01", "summary": summary})
        check(row, steps=9_000, distance_m=6_500, vigorous_intensity_minutes=35, total_energy_kcal=2_300)
        hrv = {"hrv": [{"dateTime": "2026-07-01", "value": {"dailyRmssd": 34.9, "deepRmssd": 31.5}}]}
        (row,) = told("fitbit", "hrv", "days", hrv)
        check(row, identity="2026-07-01", hrv_rmssd_ms=34.9, hrv_sdnn_ms=None)
        heart = {"activities-heart": [{"dateTime": "2026-07-01", "value": {"restingHeartRate": 54}}]}
        check(told("fitbit", "heart", "days", heart)[0], resting_heart_rate_bpm=54)

    def test_fitness_is_a_text_and_a_span_is_no_measurement(self) -> None:
        scores = [{"dateTime": f"2026-07-0{n}", "value": {"vo2Max": text}} for n, text in ((1, "45.3"), (2, "44-48"))]
        tables = normalise(payloads(payload({"cardioScore": scores}, "cardioscore", source="fitbit")))
        found = tables["wearables__days"]["vo2max_ml_per_kg_minute"].to_pylist()
        assert found == [45.3, None]
        assert reasons(tables) == {("cardioScore[1]", "vo2max_ml_per_kg_minute"): "not a number"}

    def test_a_weight(self) -> None:
        log = {"logId": 7, "date": "2026-07-01", "time": "07:30:00", "weight": 72.5, "fat": 18.1, "source": "Aria"}
        (row,) = told("fitbit", "weight", "bodies", {"weight": [log], "offsetFromUTCMillis": -3_600_000})
        assert row["measured_at"] == datetime(2026, 7, 1, 8, 30, tzinfo=UTC)
        check(row, weight_kg=72.5, fat_percentage=18.1, utc_offset_minutes=-60, device="Aria")


class TestGarmin:
    def test_an_activity(self) -> None:
        pushed = {
            "summaryId": "x-1", "activityId": 5_001_968_355, "activityName": "Hill", "activityType": "TRAIL_RUNNING",
            "startTimeInSeconds": MORNING, "startTimeOffsetInSeconds": 7_200, "durationInSeconds": 1_800,
            "averageHeartRateInBeatsPerMinute": 144, "maxHeartRateInBeatsPerMinute": 171, "distanceInMeters": 4_900,
            "averageSpeedInMetersPerSecond": 2.72, "activeKilocalories": 310, "deviceName": "fenix8", "steps": 4_800,
            "totalElevationGainInMeters": 140, "manual": False,
        }  # fmt: skip
        (row,) = told("garmin", "activities", "activities", {"activities": [pushed]})
        assert (row["identity"], row["activity_type"], row["source_type"]) == ("5001968355", "running", "TRAIL_RUNNING")
        assert row["ended_at"] == datetime(2026, 7, 1, 5, 30, tzinfo=UTC)
        check(row, utc_offset_minutes=120, distance_m=4_900, average_speed_mps=2.72, is_manual=False, device="fenix8")

    def test_a_night_that_grows_stays_one_night(self) -> None:
        night = {
            "startTimeInSeconds": MORNING - 8 * 3_600, "startTimeOffsetInSeconds": 7_200, "remSleepInSeconds": 5_000,
            "deepSleepDurationInSeconds": 6_000, "lightSleepDurationInSeconds": 13_000, "awakeDurationInSeconds": 600,
        }  # fmt: skip
        first = night | {"summaryId": "x-short", "durationInSeconds": 25_000, "validation": "AUTO_TENTATIVE"}
        final = night | {"summaryId": "x-long", "durationInSeconds": 28_800, "overallSleepScore": {"value": 81}}
        short, long = told("garmin", "sleeps", "sleeps", {"sleeps": [first, final]})
        assert short["identity"] == long["identity"] == "2026-06-30T21:00:00Z"
        assert (long["day"], long["external_id"]) == (date(2026, 7, 1), "x-long")
        check(long, in_bed_seconds=28_800, asleep_seconds=24_000, efficiency=24_000 / 28_800, score=81)

    def test_a_day_and_its_variability(self) -> None:
        pushed = {
            "summaryId": "d-1", "calendarDate": "2026-07-01", "steps": 12_001, "distanceInMeters": 9_000,
            "activeKilocalories": 500, "moderateIntensityDurationInSeconds": 1_800, "averageStressLevel": -1,
            "vigorousIntensityDurationInSeconds": 600, "restingHeartRateInBeatsPerMinute": 49,
        }  # fmt: skip
        (row,) = told("garmin", "dailies", "days", {"dailies": [pushed]})
        check(row, steps=12_001, moderate_intensity_minutes=30, average_stress_level=None, resting_heart_rate_bpm=49)
        body = {"hrv": [{"summaryId": "h", "calendarDate": "2026-07-01", "lastNightAvg": 61}]}
        check(told("garmin", "hrv", "days", body)[0], hrv_rmssd_ms=61, identity="2026-07-01")

    def test_a_weight_in_grams(self) -> None:
        pushed = {"summaryId": "b", "measurementTimeInSeconds": MORNING, "measurementTimeOffsetInSeconds": 7_200}
        body = {"bodyComps": [pushed | {"weightInGrams": 75_450, "bodyFatInPercent": 21.3}]}
        check(told("garmin", "bodyComps", "bodies", body)[0], weight_kg=75.45, fat_percentage=21.3)
