"""Reading Fivetran's CSV seeds, and the words in them that are not words."""

import csv
from datetime import UTC, datetime
from pathlib import Path

Row = dict[str, str]


def read(file: Path) -> list[Row]:
    """Rows of a seed."""
    with file.open(encoding="utf-8-sig", newline="") as lines:
        return list(csv.DictReader(lines))


def text(value: str) -> str | None:
    """None for an empty field."""
    return value or None


def number(value: str) -> int | None:
    """A whole number, also when it was written `10.0`."""
    return int(float(value)) if value else None


def truth(value: str) -> bool:
    """TRUE and true."""
    return value.lower() == "true"


def instant(value: str) -> datetime | None:
    """A time in UTC, written with or without a fraction or a zone, hours with one digit or two."""
    if not value:
        return None
    day, _, clock = value.removesuffix(" UTC").partition(" ")
    hours, _, rest = (clock or "00:00:00").partition(":")
    return datetime.fromisoformat(f"{day} {hours:0>2}:{rest}").replace(tzinfo=UTC)


def epoch(value: str) -> int | None:
    """Unix seconds, as Stripe writes times."""
    at = instant(value)
    return int(at.timestamp()) if at else None


def iso(value: str) -> str | None:
    """ISO 8601, as HubSpot writes times."""
    at = instant(value)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z") if at else None
