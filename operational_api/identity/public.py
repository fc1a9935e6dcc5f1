"""What other contexts may ask identity: who an account is, and what of it takes two people. Ids and plain values."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Text, bindparam, case, func, select
from sqlalchemy import text as sql
from sqlalchemy.orm import Session

from operational_api.core.principal import Principal, account_id_of
from operational_api.identity.desks import CHECKS, RESET_DESK, ROLE_DESK
from operational_api.identity.factor_resets import service as _resets
from operational_api.identity.models import Account
from operational_api.identity.roles import service as _roles
from operational_api.identity.schemas import AccountRead, ProfileUpdate
from operational_api.identity.service import accounts
from operational_api.identity.service import factors as _factors
from operational_api.identity.service.copies import ask_for as request_copy
from operational_api.identity.service.sign_outs import sign_out
from operational_api.web import sessions as web_sessions

__all__ = [
    "CHECKS", "RESET_DESK", "ROLE_DESK", "AccountRead", "Person", "ProfileUpdate", "find_people", "people", "person",
    "request_copy", "request_factor_reset", "request_role", "second_steps", "sign_out", "update_profile",
]  # fmt: skip

SIMILAR = 0.45
"""How much of what was typed has to be like a name, of 1, to find whoever is spelt a little otherwise."""


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
    account = accounts.update_profile(session, account_id=account_id_of(principal), **body.model_dump())
    web_sessions.rename(session, account_id=account.id, display_name=account.display_name, time_zone=account.time_zone)
    return AccountRead.model_validate(account)


def find_people(session: Session, text: str, *, customers_only: bool, limit: int) -> list[Person]:
    """People by part of their name, by what it is like where it was spelt otherwise, or by their whole e-mail address:
    those who have just what was typed first, by name, then the likest. Closed accounts are not found.

    The caller decides who may ask.
    """
    wanted = " ".join(text.split()).lower()
    name, typed = func.lower(Account.display_name), bindparam("typed", wanted, type_=Text)
    session.execute(sql(f"select set_config('pg_trgm.word_similarity_threshold', '{SIMILAR}', true)"))
    query = select(
        Account.id, Account.email, Account.display_name, Account.role, Account.time_zone, Account.locale
    ).where(
        Account.disabled_at.is_(None),
        name.contains(wanted, autoescape=True) | (func.lower(Account.email) == wanted) | typed.op("<%")(name),
    )  # fmt: skip
    if customers_only:
        query = query.where(Account.role == "customer")
    is_typed = name.contains(wanted, autoescape=True) | (func.lower(Account.email) == wanted)
    likeness = case((is_typed, 2.0), else_=func.word_similarity(typed, name))
    rows = session.execute(query.order_by(likeness.desc(), Account.display_name, Account.id).limit(limit))
    return [Person(*row) for row in rows]


def customers_by_email(session: Session, emails: Collection[str]) -> dict[str, Person]:
    """Customers whose accounts are open, by their addresses in lower letters; who is none is absent.

    The caller decides who may ask.
    """
    query = select(
        Account.id, Account.email, Account.display_name, Account.role, Account.time_zone, Account.locale
    ).where(
        func.lower(Account.email).in_([one.lower() for one in emails]), Account.role == "customer",
        Account.disabled_at.is_(None),
    )  # fmt: skip
    return {row.email.lower(): Person(*row) for row in session.execute(query)}


def second_steps(session: Session, account_id: UUID) -> int:
    """How many second factors somebody has."""
    return _factors.of(session, account_id).count


def request_role(
    session: Session, *, account_id: UUID, role: str, reason: str, principal: Principal, now: datetime
) -> None:
    """Ask for somebody to have a role; somebody else decides.

    Raises:
        AccountNotFound, OwnRoleGrant, RoleUnchanged, RoleAskedAlready.
    """
    _roles.request_role(session, account_id=account_id, role=role, reason=reason, principal=principal, now=now)


def request_factor_reset(
    session: Session, *, account_id: UUID, identity_check: str, reason: str, principal: Principal, now: datetime
) -> None:
    """Ask for somebody's lost second factors to be taken away; somebody else decides, and the person is told.

    Args:
        identity_check: One of `CHECKS`.

    Raises:
        AccountNotFound, OwnReset, NothingToReset, ResetAskedAlready.
    """
    _resets.request_reset(
        session, account_id=account_id, identity_check=identity_check, reason=reason, principal=principal, now=now
    )
