"""A small writer of FIT files (protocol 2.0, little endian): what a watch would hand over, for tests to break."""

import struct
from dataclasses import dataclass
from datetime import UTC, datetime

_EPOCH = datetime(1989, 12, 31, tzinfo=UTC)
_CRC = (
    0x0000, 0xCC01, 0xD801, 0x1400, 0xF001, 0x3C00, 0x2800, 0xE401,
    0xA001, 0x6C00, 0x7800, 0xB401, 0x5000, 0x9C01, 0x8801, 0x4400,
)  # fmt: skip
_FORMATS = {"enum": ("B", 0x00), "uint8": ("B", 0x02), "uint16": ("H", 0x84), "uint32": ("I", 0x86)}


@dataclass(frozen=True)
class Message:
    """A message: its global number, and by field number the type and the value as stored."""

    number: int
    fields: dict[int, tuple[str, int]]


def seconds(at: datetime) -> int:
    """FIT's date_time."""
    return int((at - _EPOCH).total_seconds())


def fit_file(*messages: Message) -> bytes:
    """A whole file with its checksums."""
    body = b"".join(_encoded(one) for one in messages)
    header = struct.pack("<BBHI4s", 14, 0x20, 2_132, len(body), b".FIT")
    header += struct.pack("<H", crc(header))
    return header + body + struct.pack("<H", crc(header + body))


def workout(start: datetime, **given: int) -> bytes:
    """A run of an hour that is fine in every way the test does not mention; values as FIT stores them."""
    values = {"elapsed_ms": 3_600_000, "active_ms": 3_500_000, "distance_cm": 1_050_000, "kcal": 640, "average_hr": 151}
    values |= {"max_hr": 178, "ascent_m": 85, "power_w": 232, "speed_mmps": 3_000, "sport": 1, "sub_sport": 0} | given
    session = Message(
        18,
        {
            253: ("uint32", seconds(start) + 3_600), 2: ("uint32", seconds(start)), 5: ("enum", values["sport"]),
            6: ("enum", values["sub_sport"]), 7: ("uint32", values["elapsed_ms"]), 8: ("uint32", values["active_ms"]),
            9: ("uint32", values["distance_cm"]), 11: ("uint16", values["kcal"]), 14: ("uint16", values["speed_mmps"]),
            16: ("uint8", values["average_hr"]), 17: ("uint8", values["max_hr"]), 20: ("uint16", values["power_w"]),
            22: ("uint16", values["ascent_m"]),
        },
    )  # fmt: skip
    records = [
        Message(20, {253: ("uint32", seconds(start) + n), 3: ("uint8", 140 + n % 20)}) for n in range(0, 3_600, 60)
    ]
    file_id = Message(0, {0: ("enum", 4), 1: ("uint16", 1), 4: ("uint32", seconds(start))})
    end = seconds(start) + 3_600
    activity = Message(34, {253: ("uint32", end), 5: ("uint32", end + 2 * 3_600), 1: ("uint16", 1)})
    return fit_file(file_id, *records, session, activity)


def _encoded(message: Message) -> bytes:
    definition = struct.pack("<BBBHB", 0x40, 0, 0, message.number, len(message.fields))
    values = b"\x00"
    for number, (kind, value) in message.fields.items():
        code, base = _FORMATS[kind]
        definition += struct.pack("<BBB", number, struct.calcsize(code), base)
        values += struct.pack(f"<{code}", value)
    return definition + values


def crc(data: bytes) -> int:
    """FIT's checksum."""
    value = 0
    for byte in data:
        for nibble in (byte & 0xF, byte >> 4):
            value = (value >> 4) & 0x0FFF ^ _CRC[value & 0xF] ^ _CRC[nibble]
    return value
