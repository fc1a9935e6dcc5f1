"""Columns of marts that tell of a person, and what stands in their place for who analyses without knowing people.

Kept by name over all marts, and closed: a text that is not on the list of plain words is masked, so a mart that gains
a column of free text shows it to nobody by accident. Ids stay: they join, and tell nothing by themselves.
"""

from contracts.relations import Relation

_PLAIN = frozenset(
    """
    currency kind status provider source stage arm city time_zone country language channel purpose plan_code
    plan_name location_name rule_code rule_name outcome cancel_kind failure_code account device device_type
    algorithm metrics exercise_name pattern activity_type decision unit cohort variant template_code event_type
    movement category data_kind dunning
    """.split()  # noqa: SIM905 - a list of words
)
_PERSONAL = frozenset(
    """
    has_open_injury home_distance_km adherence adherence_30d adherence_28d adherence_drop load acute_load_7d
    chronic_load_28d acwr acwr_uncoupled best_e1rm_kg top_weight_kg volume_kg volume_28d_kg volume_trend
    session_rpe session_rpe_28d session_load sleep_minutes hrv_rmssd_ms hrv_baseline_ms hrv_trend sleep_trend
    resting_heart_rate_bpm average_heart_rate_bpm max_heart_rate_bpm steps readiness trimp active_energy_kcal
    monotony strain is_record average_power_w weight_kg body_fat_percent sleep_efficiency
    """.split()  # noqa: SIM905 - a list of words
)


def is_masked(column: str, kind: str) -> bool:
    """Whether a column of this name and DuckDB type is left out (null) for who may not know people."""
    if column.endswith("_id"):
        return False
    return column in _PERSONAL or (kind in ("varchar", "json") and column not in _PLAIN)


def masked(relation: Relation) -> tuple[str, ...]:
    """The masked columns of a relation, in its order; never one of its key."""
    return tuple(
        column for column, kind in relation.columns.items() if column not in relation.key and is_masked(column, kind)
    )
