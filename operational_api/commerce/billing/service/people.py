"""Whom a document is addressed to and in whose calendar a membership runs: a read-only view of identity's accounts.

Nothing is copied, so a changed or erased name is changed or erased on documents made from then on.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import Boolean, ColumnElement, String, Uuid, column, select, table
from sqlalchemy.orm import Session

_people = table(
    "people", column("account_id", Uuid), column("display_name", String), column("time_zone", String),
    column("is_open", Boolean), schema="commerce",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Addressee:
    """A person as a document needs them."""

    name: str
    time_zone: str


def addressees(session: Session, account_ids: Iterable[UUID], *, gone: str = "Customer") -> dict[UUID, Addressee]:
    """People by account id in one query; of somebody who is gone a word and a number stand for the name."""
    wanted = set(account_ids)
    rows = session.execute(select(_people).where(_people.c.account_id.in_(wanted)))
    found = {row.account_id: Addressee(row.display_name, _known(row.time_zone)) for row in rows}
    return {id_: found.get(id_) or Addressee(f"{gone} {str(id_)[-12:]}", "UTC") for id_ in wanted}


def names(session: Session, account_ids: Iterable[UUID]) -> dict[UUID, str]:
    """What people are called, by account id."""
    return {id_: one.name for id_, one in addressees(session, account_ids).items()}


def is_known(session: Session, account_id: UUID) -> bool:
    """Whether there is an account of that id."""
    return session.scalar(select(_people.c.account_id).where(_people.c.account_id == account_id)) is not None


def has_closed(account_id: Any) -> ColumnElement[bool]:
    """Of a column of accounts: that nobody signs in to it any more. Looked up for each: as `exists` it is a join, for
    which PostgreSQL reads every account."""
    return select(_people.c.is_open).where(_people.c.account_id == account_id).scalar_subquery().is_(False)


def is_open(session: Session, account_id: UUID) -> bool:
    """Whether somebody signs in to an account of that id."""
    return bool(session.scalar(select(_people.c.is_open).where(_people.c.account_id == account_id)))


def is_closed(session: Session, account_id: UUID) -> bool:
    """Whether there is such an account and nobody signs in to it any more."""
    return session.scalar(select(_people.c.is_open).where(_people.c.account_id == account_id)) is False


def addressee(session: Session, account_id: UUID) -> Addressee:
    """One person."""
    return addressees(session, [account_id])[account_id]


def _known(zone: str) -> str:
    try:
        return ZoneInfo(zone).key
    except (ZoneInfoNotFoundError, ValueError):
        return "UTC"
