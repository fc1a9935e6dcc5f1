"""Workouts in files that people bring themselves: FIT, GPX and TCX, each read into a document of one activity.

A file comes from a stranger: it is refused by size before it is read, XML that declares entities or a document type is
refused before any other parser sees it, and a FIT file whose checksum is wrong is refused whole.
"""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from io import BytesIO, StringIO
from typing import Any
from xml.etree.ElementTree import Element, TreeBuilder

import fitdecode
import gpxpy
import pyarrow as pa
import pyarrow.compute as pc
from defusedxml import DefusedXmlException
from defusedxml import ElementTree as SafeTree
from tcxreader.tcxreader import TCXReader

from contracts.telemetry import get_logger
from ingestion.wearables.fields import Field, Mapping
from ingestion.wearables.tables import ACTIVITIES, REJECTIONS_SCHEMA, VERSION
from ingestion.wearables.vocabulary import OTHER, WORDS

log = get_logger(__name__)

LIMITS = {"fit": 10_000_000, "gpx": 20_000_000, "tcx": 20_000_000}
"""Bytes of the largest file that is read: a day of one-second records and then some."""

_FIT_MESSAGES = 400_000  # decoding takes some 50 microseconds each
_XML_DEPTH = 40  # parsers written in C recurse, and an overflow of their stack ends the process

_ACTIVITY = (
    Field("device", "device"),
    Field("started_at", "started_at", "epoch s"),
    Field("ended_at", "ended_at", "epoch s"),
    Field("activity_type", "sport", codes=WORDS, otherwise=OTHER),
    Field("source_type", "sport"),
    Field("name", "name"),
    Field("duration_seconds", "elapsed", "s"),
    Field("active_seconds", "active", "s"),
    Field("distance_m", "distance", "m"),
    Field("total_energy_kcal", "energy", "kcal"),
    Field("average_heart_rate_bpm", "average_heart_rate", "bpm"),
    Field("max_heart_rate_bpm", "max_heart_rate", "bpm"),
    Field("elevation_gain_m", "ascent", "m"),
    Field("average_power_w", "average_power", "W"),
    Field("average_speed_mps", "speed_mps", "m/s"),
    Field("average_speed_mps", "speed_kmh", "km/h"),
)

MAPPINGS = tuple(Mapping(kind, ACTIVITIES, "activities", _ACTIVITY, offset="offset_seconds") for kind in LIMITS)


class UnreadableFile(ValueError):
    """A file that is not what it says it is, or is not safe to read; the message is why, without its contents."""


def read(kind: str, data: bytes) -> dict[str, Any]:
    """A file as a document: `activities`, each with values in the units that `MAPPINGS` name.

    Args:
        kind: `fit`, `gpx` or `tcx`.

    Raises:
        UnreadableFile: for whatever reason a file cannot be read.
    """
    if kind not in LIMITS:
        raise UnreadableFile(f"not a kind of file we read: {kind[:20]}")
    if len(data) > LIMITS[kind]:
        raise UnreadableFile(f"larger than {LIMITS[kind]} bytes")
    try:
        activities = _READERS[kind](data)
    except UnreadableFile:
        raise
    except Exception as error:  # parsers of hostile bytes raise whatever they stumble over
        log.info("wearables.unreadable_file", kind=kind, error=type(error).__name__)
        raise UnreadableFile(f"not a valid {kind.upper()} file") from error
    if not activities:
        raise UnreadableFile("no workout in it")
    return {"activities": [{name: _plain(value) for name, value in one.items()} for one in activities]}


def as_documents(payloads: pa.Table) -> tuple[pa.Table, pa.Table]:
    """Payloads with each file replaced by its document, and rejections of the files that cannot be read."""
    is_file = pc.equal(payloads["source"], "file").to_numpy()
    if not is_file.any():
        return payloads, REJECTIONS_SCHEMA.empty_table()
    bodies, refused = payloads["body"].to_pylist(), []
    for place in is_file.nonzero()[0].tolist():
        if bodies[place] is None:
            continue
        try:
            bodies[place] = json.dumps(read(payloads["kind"][place].as_py() or "", bodies[place])).encode()
        except UnreadableFile as error:
            bodies[place] = None
            refused.append((place, str(error)))
    documents = payloads.set_column(payloads.schema.get_field_index("body"), "body", pa.array(bodies, pa.binary()))
    return documents, _rejections(payloads.take(pa.array([place for place, _ in refused], pa.int64())), refused)


def _rejections(payloads: pa.Table, refused: list[tuple[int, str]]) -> pa.Table:
    count = len(refused)
    own = {
        "position": pa.array(["$"] * count, pa.string()),
        "field": pa.array(["payload"] * count, pa.string()),
        "normaliser_version": pa.array([VERSION] * count, pa.int32()),
        "value": pa.nulls(count, pa.string()),
        "reason": pa.array([reason for _, reason in refused], pa.string()),
    }
    columns = [own[name] if name in own else payloads[name] for name in REJECTIONS_SCHEMA.names]
    return pa.table(columns, schema=REJECTIONS_SCHEMA)


def _fit(data: bytes) -> list[dict[str, Any]]:
    sessions, about, offset = [], {}, None
    checks = {"check_crc": fitdecode.CrcCheck.RAISE, "error_handling": fitdecode.ErrorHandling.RAISE}
    try:
        with fitdecode.FitReader(BytesIO(data), **checks) as reader:
            for count, frame in enumerate(reader):
                if count > _FIT_MESSAGES:
                    raise UnreadableFile(f"more than {_FIT_MESSAGES} messages")
                if isinstance(frame, fitdecode.FitDataMessage) and frame.name in ("session", "file_id", "activity"):
                    values = {one.name: one.value for one in frame.fields}
                    if frame.name == "session":
                        sessions.append(values)
                    elif frame.name == "file_id":
                        about = values
                    elif "local_timestamp" in values and "timestamp" in values:
                        local = values["local_timestamp"].replace(tzinfo=UTC)
                        offset = round((local - values["timestamp"]).total_seconds() / 900) * 900
    except fitdecode.FitCRCError as error:
        raise UnreadableFile("the checksum is wrong") from error
    except fitdecode.FitEOFError as error:
        raise UnreadableFile("it ends too early") from error
    device = " ".join(
        str(about[name]) for name in ("manufacturer", "garmin_product", "product_name") if about.get(name)
    )
    return [
        {
            "device": device or None,
            "started_at": one.get("start_time"),
            "sport": one.get("sub_sport") if one.get("sub_sport") in WORDS else one.get("sport"),
            "name": one.get("sport_profile_name"),
            "elapsed": one.get("total_elapsed_time"),  # s, as are all times that fitdecode has scaled
            "active": one.get("total_timer_time"),
            "distance": one.get("total_distance"),
            "energy": one.get("total_calories"),
            "average_heart_rate": one.get("avg_heart_rate"),
            "max_heart_rate": one.get("max_heart_rate"),
            "ascent": one.get("total_ascent"),
            "average_power": one.get("avg_power"),
            "speed_mps": one.get("enhanced_avg_speed", one.get("avg_speed")),
            "offset_seconds": offset,
        }
        for one in sessions
    ]


def _gpx(data: bytes) -> list[dict[str, Any]]:
    text, root = _safe_xml(data, "gpx")
    track = gpxpy.parse(text)
    start, end = track.get_time_bounds()
    if start is None or end is None:
        raise UnreadableFile("a route without times, not a workout")
    beats = [float(one.text or "") for one in root.iter() if one.tag.rpartition("}")[2] == "hr"]
    has_heights = track.has_elevations()
    first = track.tracks[0]
    return [
        {
            "device": track.creator,
            "started_at": start,
            "ended_at": end,
            "sport": first.type,
            "name": first.name,
            "active": track.get_moving_data().moving_time,
            "distance": track.length_3d() if has_heights else track.length_2d(),
            "average_heart_rate": sum(beats) / len(beats) if beats else None,
            "max_heart_rate": max(beats, default=None),
            "ascent": track.get_uphill_downhill().uphill if has_heights else None,
        }
    ]


def _tcx(data: bytes) -> list[dict[str, Any]]:
    text, _ = _safe_xml(data, "TrainingCenterDatabase")
    found = TCXReader().read(StringIO(text), only_gps=False)
    if found.start_time is None:
        raise UnreadableFile("fewer than three points")
    return [
        {
            "device": found.author.name if found.author else None,
            "started_at": found.start_time,
            "ended_at": found.end_time,
            "sport": found.activity_type,
            "distance": found.distance or None,  # the parser writes 0 for what no lap tells
            "energy": found.calories or None,
            "average_heart_rate": found.hr_avg,
            "max_heart_rate": found.hr_max,
            "ascent": found.ascent if found.altitude_max is not None else None,
            "average_power": found.tpx_ext_stats.get("Watts", {}).get("avg"),
            "speed_kmh": found.avg_speed or None,
        }
    ]


_READERS: dict[str, Callable[[bytes], list[dict[str, Any]]]] = {"fit": _fit, "gpx": _gpx, "tcx": _tcx}


class _ShallowTree(TreeBuilder):
    """A tree that refuses to become deeper than any workout's."""

    def __init__(self) -> None:
        super().__init__()
        self._depth = 0

    def start(self, tag: str, attrs: dict[str, str], /) -> Element:
        self._depth += 1
        if self._depth > _XML_DEPTH:
            raise UnreadableFile(f"XML deeper than {_XML_DEPTH} elements")
        return super().start(tag, attrs)

    def end(self, tag: str, /) -> Element:
        self._depth -= 1
        return super().end(tag)


def _safe_xml(data: bytes, root_name: str) -> tuple[str, Element]:
    """The text that every later parser reads too, so that none of them can see another encoding than was checked."""
    try:
        text = data.decode("utf-8-sig").strip()
        parser = SafeTree.DefusedXMLParser(
            target=_ShallowTree(), forbid_dtd=True, forbid_entities=True, forbid_external=True
        )
        parser.feed(text)
        root: Element = parser.close()
    except UnicodeDecodeError as error:
        raise UnreadableFile("not UTF-8") from error
    except DefusedXmlException as error:
        raise UnreadableFile("XML with a document type or entities") from error
    except SafeTree.ParseError as error:
        raise UnreadableFile("not well-formed XML") from error
    if root.tag.rpartition("}")[2] != root_name:
        raise UnreadableFile(f"its root is not {root_name}")
    return text, root


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    return value if isinstance(value, str | int | float | None) else str(value)
