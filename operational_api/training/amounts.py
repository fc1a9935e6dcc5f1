"""Distances and times of a set as people type and read them. What a movement is measured by: `MEASURES`."""

import math
import re

MEASURES = ("load", "assistance", "distance", "time")
"""load: kg x repetitions. assistance: repetitions with so many kg of help, less being better. distance: metres, seconds
or both, with a weight where one is carried. time: seconds held, with a weight where there is one."""
STRETCHES = ("distance", "time")
"""Those whose sets have no repetitions."""
_DISTANCE = re.compile(r"(\d+(?:\.\d+)?)\s*(m|km)?")
_TIME = re.compile(r"(?:(?:(\d{1,2}):)?([0-5]?\d):)?(\d+)")


def read_distance(text: str) -> float | None:
    """Metres of `400`, `400 m`, `5 km` or `5,2 km`; None of nothing, NaN of what is no distance."""
    plain = text.strip().lower().replace(",", ".")
    if not plain:
        return None
    found = _DISTANCE.fullmatch(plain)
    return round(float(found[1]) * (1000 if found[2] == "km" else 1), 1) if found else math.nan


def read_seconds(text: str) -> int | None:
    """Seconds of `90`, `1:30` or `1:02:03`; None of nothing, -1 of what is no time."""
    if not text.strip():
        return None
    found = _TIME.fullmatch(text.strip())
    if found is None or len(found[3]) > 6 or (found[2] is not None and (len(found[3]) != 2 or int(found[3]) > 59)):
        return -1
    return int(found[1] or 0) * 3600 + int(found[2] or 0) * 60 + int(found[3])


def distance(metres: float | None) -> str:
    """`400 m`, from a kilometre on `5.25 km`; to the metre, so that reading it again is the same. Empty for None."""
    if metres is None:
        return ""
    whole = round(metres)
    return f"{whole} m" if whole < 1000 else f"{whole / 1000:.3f}".rstrip("0").rstrip(".") + " km"


def clock(seconds: float | None) -> str:
    """`1:30`, from an hour on `1:02:03`. Empty for None."""
    if seconds is None:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
