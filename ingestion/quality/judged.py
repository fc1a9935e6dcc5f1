"""What is told of a raw table after it was judged, to a check and to the page. Imports no Great Expectations."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ingestion.quality.judge import Verdict


@dataclass(frozen=True)
class Judged:
    """How the newest rows of a table did.

    Args:
        rows: Looked at.
        refused: Of them, with something against them.
        reasons: What is wrong, with how many rows.
        newest: When the newest of them was committed or landed, ISO 8601; None where there is none.
        document: What Great Expectations says of it; None where there was nothing to judge.
    """

    rows: int
    refused: int
    reasons: Mapping[str, int]
    newest: str | None
    document: Any = field(default=None, compare=False, repr=False)

    @classmethod
    def of(cls, rows: int, verdict: "Verdict", newest: datetime | None) -> "Judged":
        """What a verdict on so many rows comes to."""
        reasons = {one.expectation.reason: len(one.unexpected) for one in verdict.findings if not one.is_met}
        return cls(rows, len(verdict.reasons), reasons, newest.isoformat() if newest else None, verdict.document)
