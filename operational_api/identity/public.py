"""What other contexts may ask identity: who an account is. Ids and plain values only."""

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from operational_api.core.errors import Forbidden
from operational_api.core.principal import Principal
from operational_api.identity.models import Account
from operational_api.identity.schemas import AccountRead as AccountRead
from operational_api.identity.schemas import ProfileUpdate as ProfileUpdate
from operational_api.identity.service import accounts
from operational_api.web import sessions as web_sessions


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


def update_profile(session: Session, principal: Principal, body: ProfileUpdate) -> AccountRead:
    """Change the name and time zone of whoever asks, in their open sessions too."""
    if principal.account_id is None:
        raise Forbidden
    account = accounts.update_profile(session, account_id=principal.account_id, **body.model_dump())
    web_sessions.rename(session, account_id=account.id, display_name=account.display_name, time_zone=account.time_zone)
    return AccountRead.model_validate(account)
