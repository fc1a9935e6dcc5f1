"""What people call the parts that a number is told apart by, where the warehouse has only an id or a code."""

import polars as pl

from consoles.client import Plyo

NOTHING = {"plan": "of no plan"}
"""Words for a part that is none, by dimension: money that came in without a plan, members that are divided by."""
_MARTS = {
    "coach": ("core.dim_coaches", "coach_id", "display_name"),
    "location": ("core.dim_coaches", "location_id", "location_name"),
    "plan": ("core.dim_plans", "plan_code", "plan_name"),
}
"""Mart, its column of the dimension's values, and its column of their names."""
_LONGEST = 24


class Names:
    """Names of a dimension's values, looked up once for as long as a page is open.

    Args:
        plyo: Asks for the rows.
    """

    def __init__(self, plyo: Plyo) -> None:
        self._plyo = plyo
        self._known: dict[str, dict[str, str]] = {}

    def called(self, dimension: str, values: pl.Series) -> pl.Series:
        """The values in the words of people; one that has no name is shown as it is."""
        names = self._of(dimension)
        nothing = NOTHING.get(dimension, "not known")
        words = [
            nothing if one is None else names.get(str(one)) or str(one)[:_LONGEST].replace("_", " ") for one in values
        ]
        return pl.Series(words, dtype=pl.String)

    def _of(self, dimension: str) -> dict[str, str]:
        if dimension in _MARTS and dimension not in self._known:
            mart, key, name = _MARTS[dimension]
            rows = self._plyo.rows(mart, limit=1000).iter_rows(named=True)
            self._known[dimension] = {str(row[key]): row[name] for row in rows if row.get(name)}
        return self._known.get(dimension, {})
