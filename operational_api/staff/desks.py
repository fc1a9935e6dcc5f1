"""All kinds of requests together: who sees which, how many wait for somebody, and a page of them in one order."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from operational_api.commerce.public import REFUND_DESK
from operational_api.compliance.public import EXPORT_DESK
from operational_api.core.desks import Desk, Facts, Words
from operational_api.core.paging import cut
from operational_api.core.policy import may, may_principal, roles_that_may
from operational_api.core.principal import Principal
from operational_api.identity import public as identity

DESKS: tuple[Desk, ...] = (REFUND_DESK, identity.RESET_DESK, identity.ROLE_DESK, EXPORT_DESK)


@dataclass(frozen=True, slots=True)
class Line:
    """One request, and what this reader may do with it. `facts`: what to know before deciding. `deciders`: the roles
    that may, for who may not."""

    desk: Desk
    row: Any
    words: Words
    facts: Facts
    can_decide: bool
    is_mine: bool
    deciders: Sequence[str]


def seen_by(principal: Principal) -> list[Desk]:
    """The kinds of requests that this person may see."""
    return [desk for desk in DESKS if may_principal(principal, desk.read)]


def waiting(session: Session, *, role: str, account_id: UUID, now: datetime) -> int:
    """How many requests wait for somebody like this person to decide."""
    return sum(
        desk.approvals.waiting(session, account_id=account_id, now=now)
        for desk in DESKS
        if may(role, desk.approvals.decide)
    )


def lines(
    session: Session, principal: Principal, *, is_closed: bool, limit: int, cursor: str | None, now: datetime
) -> tuple[list[Line], str | None]:
    """A page of requests of every kind that the person may see, the newest first."""
    found: list[tuple[Desk, Any]] = []
    for desk in seen_by(principal):
        # One more than a page of each: ids grow with time, so one cursor serves all kinds.
        rows, _ = desk.approvals.page(
            session, status=None if is_closed else "requested", is_closed=is_closed, limit=limit + 1, cursor=cursor
        )
        found += [(desk, row) for row in rows]
    found.sort(key=lambda one: one[1].id, reverse=True)
    page, following = cut(found, limit, lambda one: (one[1].id,))
    more = dict[UUID, Facts]()
    for desk in {desk.name: desk for desk, _ in page}.values():
        more |= desk.looked_up(session, [row for one, row in page if one is desk])
    return [_line(desk, row, more.get(row.id, ()), principal, now) for desk, row in page], following


def _line(desk: Desk, row: Any, more: Facts, principal: Principal, now: datetime) -> Line:
    words = desk.words(row)
    return Line(
        desk, row, words, [*more, *words.facts], can_decide=desk.approvals.is_decidable_by(row, principal, now),
        is_mine=row.requested_by == principal.account_id, deciders=roles_that_may(desk.approvals.decide),
    )  # fmt: skip
