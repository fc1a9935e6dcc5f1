"""What other contexts may ask identity: who an account is. Ids and plain values only."""

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from operational_api.identity.models import Account


@dataclass(frozen=True, slots=True)
class Person:
    """An account as other contexts see it."""

    account_id: UUID
    email: str
    display_name: str
    role: str
    time_zone: str
    locale: str


def person(session: Session, account_id: UUID) -> Person | None:
    """The person behind an account id, or None."""
    return people(session, [account_id]).get(account_id)


def people(session: Session, account_ids: Collection[UUID]) -> dict[UUID, Person]:
    """Several people at once, in one query; unknown ids are absent."""
    columns = (
        Account.id, Account.email, Account.display_name, Account.role, Account.time_zone, Account.locale,
    )  # fmt: skip
    rows = session.execute(select(*columns).where(Account.id.in_(account_ids)))
    return {row.id: Person(*row) for row in rows}
