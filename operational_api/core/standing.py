"""Whether what a credential says still holds: its session and its grant have not ended, its person has the same role.

Asked at the start of every transaction that serves the person (`core.viewer`). What ends is written in the transaction
that ends it (`core.revocations`): its commit is seen by the next question of every process, and while PostgreSQL is
down nobody is believed. Why not a cache beside it: ADR 0027.
"""

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

import orjson
import psycopg
from sqlalchemy import BigInteger, column, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from operational_api.core.errors import Unauthenticated
from operational_api.core.lines import Line
from operational_api.core.principal import Principal
from operational_api.core.statements import Statement

HOLDS = "platform.must_hold(:account, :said_role, :said_at, :named)"
_ALL_HOLD: Statement[tuple[int, int]] = Statement(
    text(
        """
        select platform.consents_mark() as mark, (
            select count(*) filter (where platform.must_hold(account, said_role, said_at, named) is not null)
            from jsonb_to_recordset(cast(:asked as jsonb))
                as asked (account uuid, said_role text, said_at timestamptz, named uuid[])
        ) as failed
        """
    ).columns(column("mark", BigInteger), column("failed", BigInteger))
)
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


async def still_hold(line: Line, principals: Collection[Principal]) -> tuple[set[Principal], int]:
    """Those whose credential still holds, of many who ask at once, and the mark of all consents: one question for all.

    A refusal is one person's and fails nobody else's question.
    """
    asked = [one for one in principals if one.credential is not None]
    if (mark := await _mark_if_all_hold(line, asked)) is not None:
        return set(principals), mark
    ended = {one for one in asked if await _mark_if_all_hold(line, [one]) is None}
    [(mark, _)] = await line.ask(_ALL_HOLD, {"asked": "[]"})
    return set(principals) - ended, mark


async def _mark_if_all_hold(line: Line, principals: Collection[Principal]) -> int | None:
    told = orjson.dumps([parameters(one) for one in principals]).decode()
    try:
        [(mark, _)] = await line.ask(_ALL_HOLD, {"asked": told})
    except psycopg.Error as error:
        if error.sqlstate not in _WHY:
            raise
        return None
    return mark


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
