"""Numbers of documents: one after another within a series, none left out, none used twice."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from operational_api.commerce.billing.models import NumberSeries

INVOICES, CREDIT_NOTES = "INV", "CN"


@dataclass(frozen=True, slots=True)
class Number:
    """`text` is what people read: INV-2026-000042."""

    series: str
    sequence: int

    @property
    def text(self) -> str:
        """As documents show it."""
        return f"{self.series}-{self.sequence:06d}"


def next_number(session: Session, kind: str, now: datetime) -> Number:
    """The next number of a kind's series of this year (UTC).

    The series' row stays locked until the transaction ends: who rolls back gives the number back, so there is no gap.
    """
    series = f"{kind}-{now.year}"
    made = insert(NumberSeries).values(series=series, last_number=1)
    sequence = session.scalar(
        made.on_conflict_do_update(
            index_elements=["series"], set_={"last_number": NumberSeries.last_number + 1}
        ).returning(NumberSeries.last_number)
    )
    if sequence is None:
        raise RuntimeError("the series gave no number")
    return Number(series, sequence)
