"""What numbers may be told apart by, and by which columns of a mart's rows each is known."""

from collections.abc import Collection

DIMENSIONS: dict[str, tuple[str, ...]] = {
    "currency": ("currency",), "plan": ("plan_code", "plan_id", "customer_id"), "coach": ("coach_id", "customer_id"),
    "location": ("location_id", "coach_id", "customer_id"), "cohort": ("customer_id",),
    "city": ("city", "coach_id", "customer_id"), "stage": ("stage",), "kind": ("kind",), "provider": ("provider",),
    "status": ("status",), "source": ("source",), "cancel_kind": ("cancel_kind",), "failure_code": ("failure_code",),
    "arm": ("arm",), "rule": ("rule_code",), "step": ("step",),
}  # fmt: skip
"""What a metric may be told apart by, and by which column of its rows it is known: the first that they have."""


def known_by(columns: Collection[str]) -> tuple[str, ...]:
    """The dimensions of rows with these columns."""
    return tuple(name for name, ways in DIMENSIONS.items() if set(ways) & set(columns))
