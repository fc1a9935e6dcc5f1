"""When to try again, and when to give up: one policy for event handlers, webhooks and e-mails."""

import random
from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Exponential backoff with jitter.

    Args:
        attempts: Tries in all; after the last one the work is parked for a person to look at.
        first_seconds: Wait after the first failure; doubles with each further one.
        longest_seconds: No wait is longer.
    """

    attempts: int = 8
    first_seconds: float = 1
    longest_seconds: float = 900

    def is_last(self, attempt: int) -> bool:
        """Whether a failure of this attempt (1-based) was the last one allowed."""
        return attempt >= self.attempts

    def delay(self, attempt: int) -> timedelta:
        """How long to wait after a failed attempt (1-based): within 10 % of the nominal time, so that many don't
        come back at the same instant."""
        nominal = min(self.first_seconds * 2 ** (attempt - 1), self.longest_seconds)
        return timedelta(seconds=nominal * random.uniform(0.9, 1.1))  # noqa: S311 - no secret


def told(error: BaseException) -> str:
    """The error as it is kept beside the work that failed: its class and first 500 characters."""
    return f"{type(error).__name__}: {error}"[:500]
