"""Terra's payloads become typed rows: our units, days not shifted, what is no measurement kept out by name."""

import json
from datetime import UTC, date, datetime
from typing import Any

import pytest

from ingestion.wearables.normalise import SOURCES, normalise
from ingestion.wearables.tables import REJECTIONS, TABLES
from ingestion.wearables.vocabulary import TYPES
from tests.ingestion.wearables.conftest import payload, payloads, reasons, rows

START, END = "2026-07-01T07:04:11.000000+01:00", "2026-07-01T07:52:48.000000+01:00"


def document(kind: str, *data: Any) -> dict[str, Any]:
    return {"type": kind, "version": "2022-03-16", "user": {"user_id": "user-1"}, "data": list(data)}


def one(kind: str, table: str, **data: Any) -> dict[str, Any]:
    """The only row of a payload with one item."""
    meta = {"start_time": START, "end_time": END, "summary_id": "s1", "type": 8, "upload_type": 1}
    item = {"metadata": meta | data.pop("metadata", {})} | data
    (row,) = rows(normalise(payloads(payload(document(kind, item), kind)))[table])
    return row


class TestExamples:
    def test_each_official_example_is_accepted(self, terra_examples: dict[str, bytes]) -> None:
        stored = [
            payload(body, json.loads(body).get("type", "unknown"), name=name) for name, body in terra_examples.items()
        ]
        assert len(stored) == 20
        tables = normalise(payloads(*stored))
        counts = {name: table.num_rows for name, table in tables.items()}
        assert counts == {
            "wearables__activities": 1,
            "wearables__sleeps": 1,
            "wearables__days": 1,
            "wearables__bodies": 2,
            REJECTIONS: 0,
        }
        (activity,) = rows(tables["wearables__activities"])
        assert activity["started_at"] == datetime(2026, 7, 1, 6, 4, 11, tzinfo=UTC)
        assert (activity["distance_m"], activity["steps"], activity["active_energy_kcal"]) == (8250.4, 7902, 431.2)
        (sleep,) = rows(tables["wearables__sleeps"])
        assert (sleep["day"], sleep["in_bed_seconds"]) == (date(2026, 7, 1), 28_200)
        assert sleep["efficiency"] == pytest.approx(25_200 / 28_200)
        average, measured = rows(tables["wearables__bodies"])
        assert (average["is_day_average"], average["resting_heart_rate_bpm"]) == (True, 52)
        assert (measured["weight_kg"], measured["fat_percentage"]) == (72.4, 17.9)

    @pytest.mark.parametrize("kind", ["activity", "sleep", "daily", "body"])
    def test_events_without_data_give_no_rows(self, kind: str) -> None:
        tables = normalise(payloads(payload({"type": kind}, kind), payload(None, kind, name="erased")))
        assert {name: table.num_rows for name, table in tables.items() if table.num_rows} == {}


class TestActivities:
    def test_has_every_value_in_our_units(self) -> None:
        row = one(
            "activity",
            "wearables__activities",
            metadata={"name": "Hills", "upload_type": 2, "type": 150},
            device_data={"name": "Edge 540"},
            active_durations_data={"activity_seconds": 2_700},
            distance_data={"summary": {"distance_meters": 21_000, "elevation": {"gain_actual_meters": 310.5}}},
            power_data={"avg_watts": 201},
            movement_data={"avg_speed_meters_per_second": 7.2},
            heart_rate_data={"summary": {"avg_hr_bpm": 140, "max_hr_bpm": 171}},
            strain_data={"strain_level": 14.5},
            data_enrichment={"trimp_score": 120, "efficiency_score": 82},
        )
        told = {
            "activity_type": "cycling", "source_type": "Gravel Cycling", "name": "Hills", "device": "Edge 540",
            "is_manual": True, "is_deleted": False, "duration_seconds": 2_917, "active_seconds": 2_700,
            "distance_m": 21_000, "elevation_gain_m": 310.5, "average_power_w": 201, "average_speed_mps": 7.2,
            "average_heart_rate_bpm": 140, "max_heart_rate_bpm": 171, "strain": 14.5, "trimp": 120, "score": 82,
            "utc_offset_minutes": 60, "identity": "s1",
        }  # fmt: skip
        assert {name: row.get(name) for name in told} == told

    def test_a_type_that_nobody_knows_is_other(self) -> None:
        assert one("activity", "wearables__activities", metadata={"type": 999})["activity_type"] == "other"

    def test_a_deletion_is_told(self) -> None:
        assert one("activity", "wearables__activities", metadata={"upload_type": 4})["is_deleted"] is True

    def test_times_in_utc_tell_no_offset(self) -> None:
        utc = {"start_time": "2026-07-01T06:04:11Z", "end_time": "2026-07-01T06:52:48Z", "timestamp_localization": 0}
        row = one("activity", "wearables__activities", metadata=utc)
        assert row["started_at"] == datetime(2026, 7, 1, 6, 4, 11, tzinfo=UTC)
        assert "utc_offset_minutes" not in row

    def test_a_time_without_offset_is_the_wall_clock(self) -> None:
        row = one(
            "activity", "wearables__activities", metadata={"start_time": "2026-07-01T07:04:11.5", "end_time": END}
        )
        assert row["started_at"] == datetime(2026, 7, 1, 7, 4, 11, 500_000, tzinfo=UTC)

    def test_without_a_start_there_is_no_row(self) -> None:
        item = {"metadata": {"end_time": END, "summary_id": "s1", "type": 8}}
        tables = normalise(payloads(payload(document("activity", item), "activity")))
        assert tables["wearables__activities"].num_rows == 0
        assert reasons(tables) == {("data[0]", "started_at"): "missing"}


class TestSleeps:
    def test_belongs_to_the_local_date_it_ends_on(self) -> None:
        night = {"start_time": "2026-06-30T13:30:00+14:00", "end_time": "2026-07-01T05:10:00+14:00"}
        row = one("sleep", "wearables__sleeps", metadata=night)
        assert (row["ended_at"], row["day"]) == (datetime(2026, 6, 30, 15, 10, tzinfo=UTC), date(2026, 7, 1))

    def test_keeps_the_two_variabilities_apart(self) -> None:
        row = one("sleep", "wearables__sleeps", heart_rate_data={"summary": {"avg_hrv_sdnn": 61.5}})
        assert row["hrv_sdnn_ms"] == 61.5
        assert "hrv_rmssd_ms" not in row

    def test_asleep_is_the_sum_of_stages_where_only_they_are_told(self) -> None:
        stages = {
            "duration_deep_sleep_state_seconds": 600,
            "duration_light_sleep_state_seconds": 900,
            "duration_REM_sleep_state_seconds": 500,
        }
        durations = {"asleep": stages, "other": {"duration_in_bed_seconds": 2_500}}
        row = one("sleep", "wearables__sleeps", sleep_durations_data=durations)
        assert (row["asleep_seconds"], row["efficiency"]) == (2_000, 0.8)

    def test_a_score_that_a_later_payload_lacks_stays_empty_in_its_own_row(self) -> None:
        item = {"metadata": {"start_time": START, "end_time": END, "summary_id": "s1", "upload_type": 2}}
        first = payload(document("sleep", item | {"scores": {"sleep": 84}}), "sleep", name="first")
        later = payload(document("sleep", item), "sleep", name="later")
        found = normalise(payloads(first, later))["wearables__sleeps"].to_pylist()
        assert [(row["identity"], row["score"]) for row in found] == [("s1", 84), ("s1", None)]


class TestDays:
    @pytest.mark.parametrize("offset", ["+14:00", "-11:00", "Z", ""])
    def test_is_the_date_as_written(self, offset: str) -> None:
        meta = {"start_time": f"2026-07-01T00:00:00.000000{offset}", "timestamp_localization": 0}
        assert one("daily", "wearables__days", metadata=meta)["day"] == date(2026, 7, 1)

    def test_intensities_are_minutes(self) -> None:
        active = {"low_intensity_seconds": 3_600, "moderate_intensity_seconds": 900, "vigorous_intensity_seconds": 90}
        row = one("daily", "wearables__days", active_durations_data=active)
        minutes = [row[f"{name}_intensity_minutes"] for name in ("low", "moderate", "vigorous")]
        assert minutes == pytest.approx([60, 15, 1.5])


class TestBodies:
    def test_every_sample_is_a_row_and_muscle_oxygen_is_none(self) -> None:
        at = {"timestamp": "2026-07-01T07:00:00+01:00"}
        item = {
            "metadata": {"start_time": START},
            "blood_pressure_data": {"blood_pressure_samples": [at | {"systolic_bp": 121, "diastolic_bp": 79}]},
            "oxygen_data": {"saturation_samples": [at | {"percentage": p, "type": p % 2} for p in (96, 71)]},
            "temperature_data": {"body_temperature_samples": [at | {"temperature_celsius": 36.6}]},
            "measurements_data": {"measurements": [{"measurement_time": at["timestamp"], "BMI": 22}]},
        }
        found = rows(normalise(payloads(payload(document("body", item), "body")))["wearables__bodies"])
        told = [
            {k: v for k, v in row.items() if k.split("_")[0] in ("systolic", "diastolic", "spo2", "body")}
            for row in found
        ]
        assert told == [
            {"systolic_mmhg": 121, "diastolic_mmhg": 79},
            {"body_temperature_c": 36.6},
            {"spo2_percentage": 96},
        ]
        assert len({row["identity"] for row in found}) == 3


class TestRejections:
    def test_a_value_no_person_has_is_kept_out_and_told(self) -> None:
        meta = {"start_time": START, "end_time": END, "summary_id": "s1", "type": "8", "upload_type": 1}
        item = {
            "metadata": meta,
            "heart_rate_data": {"summary": {"avg_hr_bpm": 900, "max_hr_bpm": "181"}},
            "distance_data": {"summary": {"distance_meters": [1], "steps": 7902.0}},
        }
        tables = normalise(payloads(payload(document("activity", item), "activity")))
        (row,) = rows(tables["wearables__activities"])
        assert not {"average_heart_rate_bpm", "max_heart_rate_bpm", "distance_m"} & row.keys()
        assert (row["steps"], row["activity_type"]) == (7902, "running")
        assert reasons(tables) == {
            ("data[0]", "average_heart_rate_bpm"): "not in 20 to 260 bpm",
            ("data[0]", "max_heart_rate_bpm"): "not a number",
            ("data[0]", "distance_m"): "not a number",
        }

    def test_an_end_before_the_start_is_kept_out(self) -> None:
        item = {"metadata": {"start_time": END, "end_time": START, "summary_id": "s1", "type": 8}}
        tables = normalise(payloads(payload(document("activity", item), "activity")))
        assert "ended_at" not in rows(tables["wearables__activities"])[0]
        assert reasons(tables) == {("data[0]", "ended_at"): "before it starts"}

    @pytest.mark.parametrize(
        ("body", "where"),
        [
            (b"\xff\xfe", ("$", "payload", "not JSON")),
            (b'{"data": [', ("$", "payload", "not JSON")),
            (b"[1]", ("$", "payload", "not an object")),
            (b'{"data": {"a": 1}}', ("data", "payload", "not a list")),
            (b'{"data": [7]}', ("data[0]", "payload", "not an object")),
        ],
    )
    def test_an_unreadable_payload_harms_no_other(self, body: bytes, where: tuple[str, str, str]) -> None:
        good = document("daily", {"metadata": {"start_time": START}})
        tables = normalise(payloads(payload(body, "daily", name="bad"), payload(good, "daily", name="good")))
        assert tables["wearables__days"].num_rows == 1
        assert [(*place, reason) for place, reason in reasons(tables).items()] == [where]


def test_every_activity_has_a_word_of_the_vocabulary() -> None:
    fields = [field for mappings in SOURCES.values() for mapping in mappings for field in mapping.fields]
    used = {word for one in fields if one.column == "activity_type" and one.codes for word in one.codes.values()}
    assert used <= TYPES


def test_every_field_is_of_a_column_and_of_a_unit_that_can_be_converted() -> None:
    for mappings in SOURCES.values():
        for mapping in mappings:
            assert mapping.table.name in TABLES
            for field in mapping.fields:
                assert mapping.table.column(field.column)
