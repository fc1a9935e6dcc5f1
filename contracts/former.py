"""What a number meant before its definition was changed: kept, so that the past is told by its own words."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Former:
    """What a metric meant until its definition was changed.

    Attributes:
        until: When the change was published, an ISO instant: what was told before was told by this.
        expression: As it was.
        where: As it was.
        reason: Why it was changed, for who wonders why an old number differs.
        is_withdrawn: It told what nobody should have been told: the past is told by the words after it.
    """

    until: str
    expression: str
    where: str
    reason: str
    is_withdrawn: bool = False
