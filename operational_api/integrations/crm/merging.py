"""Who wins, per field, between what we say of a person and what a CRM says: pure, and the only place that decides it.

Each side's change is told from what that side said when both last agreed; so a value of ours that comes back is no
change, in whatever order and however often it is heard, and causes no write either way. What we were about to write
when we died (`pending`) is ours as well.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import Enum

Values = Mapping[str, str | None]


class Rule(Enum):
    """OURS: they hold a copy; what is changed there is put back. THEIRS: we hold a copy. BOTH_…: either side may change
    it, and where both did, that side wins. FORWARD: ours, but where theirs is further on, it stays."""

    OURS = "ours"
    THEIRS = "theirs"
    BOTH_OURS = "both_ours"
    BOTH_THEIRS = "both_theirs"
    FORWARD = "forward"


LEAD: Mapping[str, Rule] = {
    "email": Rule.OURS,
    "name": Rule.BOTH_THEIRS,  # whoever sells talks to them
    "phone": Rule.BOTH_THEIRS,
    "source": Rule.BOTH_OURS,  # we saw where they came from
    "owner": Rule.THEIRS,
    "stage": Rule.OURS,
    "lifecycle": Rule.FORWARD,
}
"""Of somebody who has no account yet."""
CUSTOMER: Mapping[str, Rule] = {
    "email": Rule.OURS,
    "name": Rule.OURS,  # the account is the person's own
    "phone": Rule.BOTH_THEIRS,
    "source": Rule.BOTH_OURS,
    "owner": Rule.THEIRS,
    "stage": Rule.OURS,
    "lifecycle": Rule.FORWARD,
}
"""Of a customer. What only a lead has (phone, source, owner) is asked for where they left one."""
LIFECYCLES = (
    "subscriber", "lead", "marketingqualifiedlead", "salesqualifiedlead", "opportunity", "customer", "evangelist",
)  # fmt: skip
"""HubSpot's, in its order. It ignores a step back, so none is asked for; `stage` says more."""
LIFECYCLE_OF: Mapping[str, str] = {
    "lead": "lead", "trial": "opportunity", "active": "customer", "paused": "customer", "at_risk": "customer",
    "churned": "customer", "won_back": "customer",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Merged:
    """What is to be written where. A field in neither is as it should be."""

    to_us: dict[str, str | None]
    to_them: dict[str, str | None]


def merge(
    ours: Values,
    theirs: Values,
    *,
    rules: Mapping[str, Rule],
    known_ours: Values | None = None,
    known_theirs: Values | None = None,
    pending: Mapping[str, Collection[str | None]] | None = None,
) -> Merged:
    """Bring both sides together.

    Args:
        ours: What we say; a field that is not in it is not ours to say, and is left alone.
        known_ours, known_theirs: What each side said when they last agreed; None: they never have.
        pending: What we were about to write there since, each time; it may have arrived.
    """
    to_us: dict[str, str | None] = {}
    to_them: dict[str, str | None] = {}
    pending = pending or {}
    for field, rule in rules.items():
        if field not in ours:
            continue
        mine, yours = ours[field], theirs.get(field)
        has_met = known_ours is not None and known_theirs is not None and field in known_ours
        i_changed = not has_met or mine != (known_ours or {}).get(field)
        you_changed = not has_met or yours != (known_theirs or {}).get(field)
        if field in pending and yours in pending[field]:
            i_changed, you_changed = mine != yours, False  # it was us
        if mine == yours or not (i_changed or you_changed):
            continue
        if _goes_out(rule, mine, yours, i_changed=i_changed, you_changed=you_changed, has_met=has_met):
            to_them[field] = mine
        elif rule not in (Rule.OURS, Rule.FORWARD):
            to_us[field] = yours
    return Merged(to_us, to_them)


def _goes_out(
    rule: Rule, mine: str | None, yours: str | None, *, i_changed: bool, you_changed: bool, has_met: bool
) -> bool:
    match rule:
        case Rule.OURS:
            return True
        case Rule.THEIRS:
            return False
        case Rule.FORWARD:
            return _rank(mine) > _rank(yours)
        case _ if i_changed and you_changed:
            if not has_met and None in (mine, yours):  # whoever knows something tells the other
                return yours is None
            return rule is Rule.BOTH_OURS
        case _:
            return i_changed


def _rank(lifecycle: str | None) -> int:
    # One of their own making is further on than anything of ours.
    return LIFECYCLES.index(lifecycle) if lifecycle in LIFECYCLES else (-1 if lifecycle is None else len(LIFECYCLES))
