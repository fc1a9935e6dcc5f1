"""The life of a subscription as pure functions: which states may follow which, and what each step does to MRR.

No tables, no provider, no clock. `service.subscriptions` stores what comes out of here.

incomplete -> trialing | active | past_due | cancelled
trialing   -> active | past_due | paused | cancelled
active     -> past_due | paused | cancelled
past_due   -> active | paused | cancelled
paused     -> active | past_due | cancelled
cancelled  -> (nothing)
"""

from dataclasses import dataclass
from uuid import UUID

from operational_api.commerce.errors import InvalidTransition

INCOMPLETE, TRIALING, ACTIVE, PAUSED, PAST_DUE, CANCELLED = (
    "incomplete", "trialing", "active", "paused", "past_due", "cancelled"
)  # fmt: skip
FOLLOWERS: dict[str, frozenset[str]] = {
    INCOMPLETE: frozenset({TRIALING, ACTIVE, PAST_DUE, CANCELLED}),
    TRIALING: frozenset({ACTIVE, PAST_DUE, PAUSED, CANCELLED}),
    ACTIVE: frozenset({PAST_DUE, PAUSED, CANCELLED}),
    PAST_DUE: frozenset({ACTIVE, PAUSED, CANCELLED}),
    PAUSED: frozenset({ACTIVE, PAST_DUE, CANCELLED}),
    CANCELLED: frozenset(),
}
EARNING = frozenset({ACTIVE, PAST_DUE})
"""States whose price counts as recurring revenue; an overdue member counts until collection is given up."""
USABLE = (TRIALING, ACTIVE, PAST_DUE)
"""States in which a member may book."""
LIVE = (TRIALING, ACTIVE, PAST_DUE, PAUSED)
"""States of which a customer can have one subscription."""


@dataclass(frozen=True, slots=True)
class Life:
    """A subscription at one moment.

    Attributes:
        status: One of the states above.
        plan_id: What is subscribed to.
        mrr_minor: What the contract is worth a month without tax, whether or not it earns now.
        has_started: Whether it ever became active: the first paid period began.
        has_trialed: Whether a trial began.
    """

    status: str
    plan_id: UUID
    mrr_minor: int
    has_started: bool = False
    has_trialed: bool = False

    @property
    def earns_minor(self) -> int:
        """Monthly recurring revenue now."""
        return self.mrr_minor if self.status in EARNING else 0


@dataclass(frozen=True, slots=True)
class Step:
    """One row of a subscription's history."""

    kind: str
    before_minor: int
    after_minor: int


def check(before: str, after: str) -> None:
    """Refuse a state that cannot follow.

    Raises:
        InvalidTransition: as the module docstring draws it.
    """
    if before != after and after not in FOLLOWERS[before]:
        raise InvalidTransition(f"A subscription that is {before} cannot become {after}.")


def move(before: Life, after: Life) -> list[Step]:
    """The steps that lead from one moment to a later one, also when messages between them were missed.

    The steps' amounts join up: the first begins at what `before` earned, the last ends at what `after` earns.

    Raises:
        InvalidTransition: `after` cannot follow `before`.
    """
    check(before.status, after.status)
    if (before.has_started and not after.has_started) or (before.has_trialed and not after.has_trialed):
        raise InvalidTransition("A subscription that has started stays started.")
    if before.status == CANCELLED:
        return []
    steps: list[Step] = []
    earning = before.earns_minor
    is_live_before, is_live_after = before.status in LIVE, after.status in LIVE
    if after.has_trialed and not before.has_trialed and not before.has_started:
        steps.append(Step("trial_started", 0, 0))
    if after.has_started and not before.has_started:
        steps.append(Step("started", earning, after.mrr_minor))
        earning = after.mrr_minor
    elif before.status in EARNING and after.status in EARNING and after.mrr_minor != earning:
        steps.append(Step(_change(before, after), earning, after.mrr_minor))
    elif after.status in EARNING and before.status == PAUSED:
        steps.append(Step("resumed", 0, after.mrr_minor))
    elif is_live_before and is_live_after and before.plan_id != after.plan_id:
        steps.append(Step("plan_changed", earning, after.earns_minor))
        earning = after.earns_minor
    if after.status == PAUSED and before.status != PAUSED:
        steps.append(Step("paused", earning, 0))
    elif after.status == CANCELLED and (after.has_started or after.has_trialed):
        steps.append(Step("ended", earning, 0))
    return steps


def _change(before: Life, after: Life) -> str:
    return "plan_changed" if before.plan_id != after.plan_id else "price_changed"
