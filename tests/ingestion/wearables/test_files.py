"""Files of workouts become activities, and a file that is broken or hostile is refused with its reason."""

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion.wearables import files
from ingestion.wearables.files import UnreadableFile, read
from ingestion.wearables.normalise import normalise
from tests.ingestion.wearables.conftest import payload, payloads, reasons, rows
from tests.ingestion.wearables.fit import workout

START = datetime(2026, 7, 1, 6, tzinfo=UTC)

GPX = """<?xml version="1.0" encoding="UTF-8"?>
<gpx version="1.1" creator="Watch 7" xmlns="http://www.topografix.com/GPX/1/1"
     xmlns:gpxtpx="http://www.garmin.com/xmlschemas/TrackPointExtension/v1">
  <trk><name>Lake</name><type>running</type><trkseg>{points}</trkseg></trk></gpx>"""
POINT = """<trkpt lat="{lat}" lon="8.5"><ele>{ele}</ele><time>2026-07-01T06:{minute:02}:00Z</time><extensions>
  <gpxtpx:TrackPointExtension><gpxtpx:hr>{hr}</gpxtpx:hr></gpxtpx:TrackPointExtension></extensions></trkpt>"""
GPX_RUN = GPX.format(
    points="".join(POINT.format(lat=47 + n / 1_000, ele=400 + n, minute=n, hr=140 + n) for n in range(11))
)

TCX = """<?xml version="1.0" encoding="UTF-8"?>
<TrainingCenterDatabase xmlns="http://www.garmin.com/xmlschemas/TrainingCenterDatabase/v2"><Activities>
  <Activity Sport="Biking"><Id>2026-07-01T06:00:00Z</Id>
  <Lap StartTime="2026-07-01T06:00:00Z"><TotalTimeSeconds>1200</TotalTimeSeconds>
  <DistanceMeters>10000</DistanceMeters><Calories>250</Calories><Track>{points}</Track></Lap></Activity>
</Activities></TrainingCenterDatabase>"""
TCX_POINT = """<Trackpoint><Time>2026-07-01T06:{minute:02}:00Z</Time><AltitudeMeters>{ele}</AltitudeMeters>
  <DistanceMeters>{distance}</DistanceMeters><HeartRateBpm><Value>{hr}</Value></HeartRateBpm></Trackpoint>"""
TCX_RIDE = TCX.format(
    points="".join(TCX_POINT.format(minute=n, ele=400 + 2 * n, distance=500 * n, hr=120 + n) for n in range(21))
)

ENTITIES = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))
LAUGHS = f'<?xml version="1.0"?><!DOCTYPE gpx [<!ENTITY a0 "ha">{ENTITIES}]><gpx>&a9;</gpx>'
OUTSIDE = '<?xml version="1.0"?><!DOCTYPE gpx [<!ENTITY x SYSTEM "file:///etc/hostname">]><gpx>&x;</gpx>'


DEEP = GPX.format(
    points='<trkpt lat="47" lon="8"><time>2026-07-01T06:00:00Z</time><extensions>'
    + "<a>" * 200_000
    + "</a>" * 200_000
    + "</extensions></trkpt>"
)


def landed(kind: str, data: bytes) -> dict[str, Any]:
    """The only activity of a file."""
    tables = normalise(payloads(payload(data, kind, source="file")))
    assert reasons(tables) == {}
    (row,) = rows(tables["wearables__activities"])
    return row


class TestGoodFiles:
    def test_fit(self) -> None:
        row = landed("fit", workout(START))
        told = {
            "started_at": START, "ended_at": datetime(2026, 7, 1, 7, tzinfo=UTC), "utc_offset_minutes": 120,
            "activity_type": "running", "duration_seconds": 3_600, "active_seconds": 3_500, "distance_m": 10_500,
            "total_energy_kcal": 640, "average_heart_rate_bpm": 151, "max_heart_rate_bpm": 178,
            "elevation_gain_m": 85, "average_power_w": 232, "average_speed_mps": 3, "device": "garmin",
        }  # fmt: skip
        assert {name: row.get(name) for name in told} == told

    def test_gpx(self) -> None:
        row = landed("gpx", GPX_RUN.encode())
        assert (row["started_at"], row["ended_at"]) == (START, datetime(2026, 7, 1, 6, 10, tzinfo=UTC))
        assert (row["activity_type"], row["name"], row["device"]) == ("running", "Lake", "Watch 7")
        assert (row["average_heart_rate_bpm"], row["max_heart_rate_bpm"]) == (145, 150)
        assert row["distance_m"] == pytest.approx(1_112, rel=0.01)  # a hundredth of a degree of latitude
        assert "utc_offset_minutes" not in row

    def test_tcx(self) -> None:
        row = landed("tcx", TCX_RIDE.encode())
        told = {
            "started_at": START, "duration_seconds": 1_200, "activity_type": "cycling", "distance_m": 10_000,
            "total_energy_kcal": 250, "average_heart_rate_bpm": 130, "max_heart_rate_bpm": 140, "elevation_gain_m": 40,
        }  # fmt: skip
        assert {name: row.get(name) for name in told} == told
        assert row["average_speed_mps"] == pytest.approx(10_000 / 1_200)

    def test_a_watch_that_says_nonsense_loses_only_the_nonsense(self) -> None:
        tables = normalise(payloads(payload(workout(START, average_hr=5, power_w=60_000), "fit", source="file")))
        (row,) = rows(tables["wearables__activities"])
        assert row["distance_m"] == 10_500
        assert reasons(tables) == {
            ("activities[0]", "average_heart_rate_bpm"): "not in 20 to 260 bpm",
            ("activities[0]", "average_power_w"): "not in 0 to 2500 W",
        }


class TestRefusals:
    @pytest.mark.asvs("1.5.1")
    @pytest.mark.parametrize(
        ("kind", "data", "reason"),
        [
            ("gpx", LAUGHS.encode(), "document type or entities"),
            ("tcx", LAUGHS.encode(), "document type or entities"),
            ("gpx", OUTSIDE.encode(), "document type or entities"),
            ("gpx", LAUGHS.encode("utf-16"), "not UTF-8"),
            ("gpx", DEEP.encode(), "XML deeper than 40"),  # it ended the process before it was looked for
            ("gpx", GPX_RUN.encode()[:-20], "not well-formed"),
            ("gpx", TCX_RIDE.encode(), "its root is not gpx"),
            ("gpx", GPX.format(points='<trkpt lat="47" lon="8"/>').encode(), "without times"),
            ("tcx", TCX.format(points="").encode(), "fewer than three points"),
            ("tcx", TCX_RIDE.replace("T06:03:00Z", "yesterday").encode(), "not a valid TCX file"),
            ("fit", b"", "not a valid FIT file|no workout|ends too early"),
            ("fit", GPX_RUN.encode(), "not a valid FIT file"),
            ("zip", b"PK", "not a kind of file we read: zip"),
        ],
    )
    def test_says_why(self, kind: str, data: bytes, reason: str) -> None:
        with pytest.raises(UnreadableFile, match=reason):
            read(kind, data)

    def test_a_fit_file_that_was_cut_off(self) -> None:
        with pytest.raises(UnreadableFile, match=r"ends too early|checksum"):
            read("fit", workout(START)[:-40])

    def test_a_fit_file_with_one_byte_changed(self) -> None:
        data = bytearray(workout(START))
        data[-60] ^= 0x01
        with pytest.raises(UnreadableFile, match="the checksum is wrong"):
            read("fit", bytes(data))

    def test_a_fit_file_of_more_messages_than_a_workout_has(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(files, "_FIT_MESSAGES", 50)
        with pytest.raises(UnreadableFile, match="more than 50 messages"):
            read("fit", workout(START))

    def test_a_file_that_is_too_large_is_not_looked_at(self) -> None:
        with pytest.raises(UnreadableFile, match="larger than"):
            read("fit", b"\0" * (files.LIMITS["fit"] + 1))

    def test_a_refused_file_is_counted_and_harms_no_other(self) -> None:
        bad = payload(LAUGHS.encode(), "gpx", source="file", name="bad")
        tables = normalise(payloads(bad, payload(workout(START), "fit", source="file", name="good")))
        assert tables["wearables__activities"].num_rows == 1
        assert reasons(tables) == {("$", "payload"): "XML with a document type or entities"}

    @settings(max_examples=60, deadline=None)
    @given(place=st.integers(0, 10_000), byte=st.integers(1, 255), cut=st.integers(0, 400))
    def test_no_damage_does_anything_but_refuse(self, place: int, byte: int, cut: int) -> None:
        data = bytearray(workout(START))
        data[place % len(data)] ^= byte
        with suppress(UnreadableFile):
            read("fit", bytes(data[: len(data) - cut]))
