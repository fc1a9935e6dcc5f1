"""Whether what a credential says still holds: its session and its grant have not ended, its person has the same role.

Asked at the start of every transaction that serves the person (`core.viewer`). What ends is written in the transaction
that ends it (`core.revocations`): its commit is seen by the next question of every process, and while PostgreSQL is
down nobody is believed. Why not a cache beside it: ADR 0027.
"""

from collections.abc import Collection
from datetime import UTC, datetime
from functools import cache
from typing import Any

import orjson
from sqlalchemy import Connection, TextClause, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from operational_api.core.errors import Unauthenticated
from operational_api.core.principal import Principal

HOLDS = "platform.must_hold(:account, :said_role, :said_at, :named)"
_ALL_HOLD = """
    select {beside}, (
        select count(*) filter (where platform.must_hold(account, said_role, said_at, named) is not null)
        from jsonb_to_recordset(cast(:asked as jsonb))
            as asked (account uuid, said_role text, said_at timestamptz, named uuid[])
    )
"""
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


def still_hold(
    connection: Connection, principals: Collection[Principal], *, beside: str = "null"
) -> tuple[set[Principal], Any]:
    """Those whose credential still holds, of many who ask at once: one question for them all.

    Args:
        connection: Without a transaction (autocommit): a refusal is one person's and fails nobody else's question.
        beside: An expression that is asked in the same statement; what it came to is the second that is returned.
    """
    asked = [one for one in principals if one.credential is not None]
    if (told := _hold(connection, asked, beside)) is not None:
        return set(principals), told[0]
    ended = {one for one in asked if _hold(connection, [one], "null") is None}
    rest = _hold(connection, [], beside)
    return set(principals) - ended, rest[0] if rest is not None else None


def _hold(connection: Connection, principals: Collection[Principal], beside: str) -> tuple[Any, ...] | None:
    told = orjson.dumps([parameters(one) for one in principals]).decode()
    try:
        found = connection.execute(_all_hold(beside), {"asked": told}).one()
    except DBAPIError as error:
        if refusal(error) is None:
            raise
        return None
    return tuple(found)


@cache
def _all_hold(beside: str) -> TextClause:
    return text(_ALL_HOLD.format(beside=beside))


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
