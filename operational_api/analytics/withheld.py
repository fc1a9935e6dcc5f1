"""What a customer does not let others see, in numbers: a dataset as a whole, or the cells of a column.

Marts hold what may be kept. Whether it may be shown to whoever asks is decided when they ask, by the policy, with the
consents of now out of the operational database: a withdrawal counts at once, not with the next build.
"""

import re
from collections.abc import Callable, Collection, Mapping
from functools import lru_cache
from uuid import UUID

import pyarrow as pa
import pyarrow.compute as pc

from contracts.classification import is_masked
from operational_api.core.policy import Resource, decide
from operational_api.core.principal import Principal

Shown = Callable[[Collection[UUID]], Mapping[UUID, frozenset[str]]]
"""The kinds of data that each of these customers lets others see."""

COLUMN_KINDS: dict[str, tuple[str, ...]] = {
    "sleep_minutes": ("sleep",), "hrv_rmssd_ms": ("daily",), "hrv_baseline_ms": ("daily",),
    "resting_heart_rate_bpm": ("daily",), "steps": ("daily",), "readiness": ("sleep", "daily"),
    "has_open_injury": ("injuries",), "adherence_30d": ("training",), "last_workout_at": ("training",),
    "workouts_last_30d": ("training",), "reasons": ("training", "injuries"), "sleep_efficiency": ("sleep",),
    "adherence_28d": ("training",), "adherence_drop": ("training",), "workouts_28d": ("training",),
    "days_since_last_workout": ("training",), "volume_28d_kg": ("training",), "volume_trend": ("training",),
    "session_rpe_28d": ("training",), "sleep_trend": ("sleep",), "hrv_trend": ("daily",),
}  # fmt: skip
"""Columns that tell of a kind of data. One that tells of several is shown where all of them are."""
_WORD = re.compile(r"[a-z_][a-z_0-9]*")


@lru_cache(maxsize=1_000)
def kinds_in(words: str) -> tuple[str, ...]:
    """The kinds of data that SQL over marts tells of by the columns it names."""
    named = COLUMN_KINDS.keys() & set(_WORD.findall(words))
    return tuple(sorted({kind for name in named for kind in COLUMN_KINDS[name]}))


@lru_cache(maxsize=50_000)
def person(told: object) -> UUID:
    """Whom a value of `customer_id` names. The same few thousand are asked about all day."""
    return UUID(str(told))


def allowed_kinds(
    principal: Principal, customer_id: UUID, kinds: Collection[str], shown: frozenset[str], coach_id: UUID | None
) -> set[str]:
    """Those of the kinds that the policy lets the principal see of this customer."""
    return {
        kind
        for kind in kinds
        if decide(
            principal.role, principal.account_id, "analytics.read_client",
            Resource("Client", customer_id, customer_id=customer_id, coach_id=coach_id, data_kind=kind, consents=shown),
        ).allowed
    }  # fmt: skip


def blank(table: pa.Table, principal: Principal, shown: Shown) -> pa.Table:
    """The table with cells emptied that their customers withhold from the principal; one question for all rows.

    Rows were narrowed to whom the principal may see already: only consent is decided here.
    """
    columns = [name for name in table.column_names if name in COLUMN_KINDS]
    if not columns or "customer_id" not in table.column_names:
        return table
    owners = table["customer_id"].combine_chunks().dictionary_encode()
    people = [person(one) for one in owners.dictionary.to_pylist()]
    own = principal.account_id.int if principal.account_id is not None else None  # UUIDs are slow to compare
    others = [one for one in people if one.int != own]
    told = shown(others) if others else {}
    kinds = {kind for name in columns for kind in COLUMN_KINDS[name]}
    # Few different answers for many people: the policy is asked once for each. The first is for who is not asked about.
    answers: dict[frozenset[str] | None, int] = {None: 0}
    allowed: list[set[str] | None] = [None]
    places = []
    for one in people:
        known = told[one] if one.int != own else None
        if known not in answers:
            answers[known] = len(allowed)
            allowed.append(allowed_kinds(principal, one, kinds, known or frozenset(), principal.account_id))
        places.append(answers[known])
    answer_of = pa.array(places, pa.int32()).take(owners.indices)
    for name in columns:
        needed = set(COLUMN_KINDS[name])
        is_withheld = pa.array([seen is not None and not needed <= seen for seen in allowed], pa.bool_())
        if not any(is_withheld.to_pylist()):
            continue
        hidden = is_withheld.take(answer_of).fill_null(False)
        place, field = table.column_names.index(name), table.schema.field(name).with_nullable(True)
        table = table.set_column(place, field, _emptied(table[name].combine_chunks(), hidden))
    return table


def _emptied(values: pa.Array, hidden: pa.BooleanArray) -> pa.Array:
    """The values with nothing where they are hidden, made of the others alone: `if_else` marks a cell as empty and
    leaves in the buffer what was in it, which an Arrow stream sends along."""
    is_told = pc.invert(hidden)
    places = pc.subtract(pc.cumulative_sum(is_told.cast(pa.int64())), 1)
    return values.filter(is_told).take(pc.if_else(is_told, places, pa.scalar(None, pa.int64())))


def without(table: pa.Table, principal: Principal, shown: Shown, kinds: Collection[str]) -> pa.Table:
    """The table without rows of those who show the principal none of these kinds; all of it where no kind is named."""
    if not kinds or not table.num_rows:
        return table
    owners = table["customer_id"].combine_chunks().dictionary_encode()
    people = [person(one) for one in owners.dictionary.to_pylist()]
    told = shown(set(people))
    seen = pa.array(
        [bool(allowed_kinds(principal, one, kinds, told[one], principal.account_id)) for one in people], pa.bool_()
    )
    return table.filter(seen.take(owners.indices))


def masked(table: pa.Table) -> pa.Table:
    """The table with every cell empty that tells of a person (by its class), for who works with rows only."""
    for place, field in enumerate(table.schema):
        if is_masked(field.name):
            empty = pa.nulls(table.num_rows, field.type)
            table = table.set_column(place, field.with_nullable(True), pa.chunked_array([empty], field.type))
    return table
