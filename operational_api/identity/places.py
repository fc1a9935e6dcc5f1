"""Where an address is, as far as we are told: by the gateway's header, or by a table on our own disk. Nobody is asked.

Also how far two countries are apart, for travel that nobody can have made.
"""

import csv
from bisect import bisect_right
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from math import asin, cos, radians, sin, sqrt
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Network:
    """An address at three grains. IPv6: what one household has (/64), /48 and /32; IPv4: the address, /24 and /16."""

    address: str
    block: str
    prefix: str


def network_of(address: str) -> Network:
    """The grains of an address; of what is none, three empty texts."""
    try:
        found = ip_address(address)
    except ValueError:
        return Network("", "", "")
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    lengths = (32, 24, 16) if isinstance(found, IPv4Address) else (64, 48, 32)
    wide = [str(ip_network((found, length), strict=False)) for length in lengths]
    return Network(str(found) if isinstance(found, IPv4Address) else wide[0], wide[1], wide[2])


@dataclass(frozen=True)
class Table:
    """Blocks of addresses and their places, from a CSV of `network,place` (`192.0.2.0/24,DE-BE`), not overlapping."""

    starts: list[int] = field(default_factory=list)
    rows: list[tuple[int, str]] = field(default_factory=list)

    @classmethod
    def read(cls, file: Path) -> "Table":
        """The table of a file."""
        with file.open(newline="") as lines:
            found = [(ip_network(row[0]), row[1].strip().upper()) for row in csv.reader(lines) if row]
        found.sort(key=lambda one: _number(one[0].network_address))
        return cls(
            [_number(network.network_address) for network, _ in found],
            [(_number(network.broadcast_address), place) for network, place in found],
        )

    def place(self, address: str) -> str:
        """ISO 3166-1 or 3166-2 of an address, or an empty text."""
        try:
            number = _number(ip_address(address))
        except ValueError:
            return ""
        at = bisect_right(self.starts, number) - 1
        return self.rows[at][1] if at >= 0 and number <= self.rows[at][0] else ""


@cache
def table(file: Path | None) -> Table:
    """The table of a file, read once; an empty one without a file."""
    return Table.read(file) if file else Table()


def _number(address: IPv4Address | IPv6Address) -> int:
    return int(address) + (1 << 129 if address.version == 6 else 0)


def clean_place(told: str) -> str:
    """`DE-BE` or `DE` where it looks like one, else an empty text."""
    told = told.strip().upper()
    country, _, region = told.partition("-")
    is_place = len(country) == 2 and country.isascii() and country.isalpha() and (not region or region.isalnum())
    return told[:10] if is_place and country not in ("XX", "T1") else ""


@cache
def _rows() -> tuple[list[str], ...]:
    """Code, latitude and longitude of the middle, kilometres from there to the border, name."""
    return tuple(csv.reader(files(__package__).joinpath("countries.csv").read_text().splitlines()))


@cache
def _countries() -> dict[str, tuple[float, float, float]]:
    return {row[0]: (float(row[1]), float(row[2]), float(row[3])) for row in _rows()}


def country_name(code: str) -> str:
    """In English; the code itself where we have no name for it, and an empty text for none."""
    return next((row[4] for row in _rows() if row[0] == code), code)


def kilometres(one: str, other: str) -> float:
    """At least how far apart people in two countries are: between their middles, less what each country measures from
    its middle to its border. 0 for the same, for neighbours, and for what is not in `countries.csv`."""
    here, there = _countries().get(one), _countries().get(other)
    if one == other or here is None or there is None:
        return 0.0
    a, b, c, d = radians(here[0]), radians(here[1]), radians(there[0]), radians(there[1])
    half = sin((c - a) / 2) ** 2 + cos(a) * cos(c) * sin((d - b) / 2) ** 2
    return max(0.0, 2 * 6371 * asin(sqrt(half)) - here[2] - there[2])
