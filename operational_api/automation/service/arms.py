"""Which arm a customer falls into: drawn by a hash, so that anybody can draw it again and nobody can choose it.

Why by hash and not by a random number, see docs/adr/0013.
"""

import hashlib
from typing import Literal
from uuid import UUID

Arm = Literal["treatment", "holdout"]


def draw(*, rule_id: UUID, customer_id: UUID, cycle: int) -> float:
    """A number in [0, 100), uniform over customers and independent between rules and between cycles.

    Args:
        cycle: How often the rule met this customer before: each time is a new draw.
    """
    digest = hashlib.sha256(f"{rule_id}:{customer_id}:{cycle}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64 * 100


def arm_of(*, rule_id: UUID, customer_id: UUID, cycle: int, holdout_percent: int) -> Arm:
    """`holdout` for `holdout_percent` of the draws. Raising the percentage only moves people from treatment over."""
    drawn = draw(rule_id=rule_id, customer_id=customer_id, cycle=cycle)
    return "holdout" if drawn < holdout_percent else "treatment"
