"""How a source says where a value is and in which unit: fields, and mappings of a list in a payload to rows of a table.

Values only. What is done with them belongs to `judge` (one value) and `normalise` (all payloads).
"""

from collections.abc import Mapping as Lookup
from dataclasses import dataclass, field

from ingestion.wearables.tables import Table

_CONVERSIONS = {
    ("km", "m"): 1_000.0,
    ("mi", "m"): 1_609.344,
    ("ft", "m"): 0.3048,
    ("ms", "s"): 0.001,
    ("min", "s"): 60.0,
    ("s", "min"): 1 / 60,
    ("kJ", "kcal"): 1 / 4.184,
    ("g", "kg"): 0.001,
    ("lb", "kg"): 0.45359237,
    ("km/h", "m/s"): 1 / 3.6,
    ("mi/h", "m/s"): 0.44704,
}
"""Factor from a source's unit to ours."""


def factor(source: str, ours: str) -> float:
    """What a value in the source's unit is multiplied with.

    Raises:
        KeyError: nobody said how.
    """
    return 1.0 if source == ours else _CONVERSIONS[source, ours]


@dataclass(frozen=True)
class Field:
    """Where a column's value is. Several fields of one column: the first that has a value that is kept.

    Args:
        path: Members from the item on, with dots; from the object around the list if it begins with `^`. `date+time`:
            a date and a time of day in two members.
        unit: The source's: of a number as in `fields`, of an instant `iso` or `epoch s`.
        when: The field counts only if the member at this path is this text.
        absent: Numbers by which the source says that it measured nothing.
        codes: The source's codes and words (lower case) and the column's value for each.
        otherwise: The column's value for a code that is not among them.
        is_text: The source writes this number as a text.
    """

    column: str
    path: str
    unit: str = ""
    when: tuple[str, str] | None = None
    absent: tuple[float, ...] = ()
    codes: Lookup[str, str] | None = None
    otherwise: str | None = None
    is_text: bool = False


@dataclass(frozen=True)
class Mapping:
    """What becomes of one list in payloads of one kind.

    Args:
        kind: Of the payload.
        items: Path of the list, with `[*]` where a list lies around it (at most one); empty: the payload is the item.
        offset: Where the offset from UTC is, in `offset_unit` (s, ms), for instants that carry none.
        is_identified: The same `external_id` is the same thing; otherwise the same beginning is, and ids come and go.
        utc_when: Path and text that say that instants are written in UTC, whatever the person's zone.
        needs_value: An item whose other columns are all empty is no row.
        fixed: Values of columns that are the same for all.
    """

    kind: str
    table: Table
    items: str
    fields: tuple[Field, ...]
    offset: str | None = None
    offset_unit: str = "s"
    utc_when: tuple[str, str] | None = None
    is_identified: bool = True
    needs_value: bool = False
    fixed: Lookup[str, str] = field(default_factory=dict)
