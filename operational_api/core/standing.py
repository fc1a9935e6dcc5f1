"""Whether what a credential says still holds: its session and its grant have not ended, its person has the same role.

Asked at the start of every transaction that serves the person (`core.viewer`). What ends is written in the transaction
that ends it (`core.revocations`): its commit is seen by the next question of every process, and while PostgreSQL is
down nobody is believed. Why not a cache beside it: ADR 0027.
"""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from operational_api.core.errors import Unauthenticated
from operational_api.core.principal import Principal

HOLDS = "platform.must_hold(:account, :said_role, :said_at, :named)"
_WHY = {
    "PL401": "You have signed out. Sign in again.",
    "PL402": "What you may do has changed. Sign in again.",
}


def parameters(principal: Principal) -> dict[str, Any]:
    """For `HOLDS`, of a principal with a credential."""
    assert principal.credential is not None  # noqa: S101 - asked by the caller
    return {
        "account": principal.account_id,
        "said_role": principal.role,
        "said_at": datetime.fromtimestamp(principal.credential.issued_at, UTC),
        "named": list(principal.credential.names),
    }


def refusal(error: DBAPIError) -> Unauthenticated | None:
    """What the person is told when `HOLDS` failed; None for every other failure."""
    why = _WHY.get(str(getattr(error.orig, "sqlstate", "")))
    return Unauthenticated(why) if why else None


def holds(session: Session, principal: Principal) -> bool:
    """Whether a credential still holds, for those who ask about somebody else's."""
    if principal.credential is None:
        return True
    try:
        with session.begin_nested():
            session.execute(text(f"select {HOLDS}"), parameters(principal))
    except DBAPIError as error:
        if refusal(error) is None:
            raise
        return False
    return True
