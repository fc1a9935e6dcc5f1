"""What an entry of the metric dictionary says. The entries are in the modules beside this one, by what they are of."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal

from contracts import dimensions
from contracts.former import Former
from contracts.relations import RELATIONS

Unit = Literal["count", "money", "ratio", "number", "days", "months", "hours", "kg"]
Grain = Literal["day", "week", "month"]
Better = Literal["more", "less", "neither"]
ANY: tuple[Grain, ...] = ("day", "week", "month")


@dataclass(frozen=True, slots=True)
class Metric:
    """One number with one meaning.

    Attributes:
        name: Stable, snake_case.
        label: What a tile is called.
        definition: One or two sentences a coach understands.
        unit: `money` is integer minor units, `ratio` is 0-1, `number` has a meaning of its own and decimals.
        relation: `schema.table` in `contracts.relations`.
        expression: SQL aggregate over the relation's rows; null where it cannot be told (nothing to divide by).
        at: Column that places a row in time.
        kind: `flow` over a period, or `stock` at its end.
        where: SQL condition on the rows that count; empty for all.
        counts: Of a stock that counts some rows of its last day, the condition on those, which the expression says as
            well: the others still tell which day is the last, and that there is none to count.
        exclusions: What is left out, and why.
        owner: Who answers for it.
        grains: Periods it may be asked for.
        better: Whether more of it is good news, or less; `neither` where it depends. A screen's colours follow it.
        former: What it meant before, oldest first. A changed `expression` or `where` leaves its old words here.
    """

    name: str
    label: str
    definition: str
    unit: Unit
    relation: str
    expression: str
    at: str
    kind: Literal["flow", "stock"] = "flow"
    where: str = ""
    exclusions: str = "None."
    owner: str = "finance"
    grains: tuple[Grain, ...] = ANY
    better: Better = "more"
    former: tuple[Former, ...] = ()
    counts: str = ""

    @property
    def dimensions(self) -> tuple[str, ...]:
        """What it may be told apart by, by name."""
        return dimensions.known_by(self.columns - {self.at})

    @property
    def columns(self) -> frozenset[str]:
        """Columns of the relation: what the metric may be filtered by (`currency`, `coach_id`, `customer_id`…)."""
        return frozenset(RELATIONS[self.relation].columns)

    def as_known(self, moment: datetime | None) -> "Metric":
        """As it was defined at a moment: what was told then was told by the words of then, unless withdrawn."""
        if moment is not None:
            for former in self.former:
                if not former.is_withdrawn and moment < datetime.fromisoformat(former.until).astimezone(UTC):
                    return replace(self, expression=former.expression, where=former.where)
        return self

    @property
    def has_currency(self) -> bool:
        """Whether the answer is one series per currency."""
        return self.unit == "money" or "currency" in self.columns
