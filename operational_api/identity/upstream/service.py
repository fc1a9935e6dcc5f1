"""Which account somebody comes to by another provider, and linking and unlinking.

A person there is (issuer, subject), for ever. Their e-mail address finds an account only the first time, only where the
provider vouches for it, and never opens one that exists: its owner must sign in once as before.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from contracts.events.identity import AccountRegistered, EmailVerified, LoginLinked, LoginUnlinked
from contracts.ids import new_id
from operational_api.core import audit
from operational_api.core.outbox import publish
from operational_api.identity.errors import BadProfile
from operational_api.identity.models import Account, LinkedLogin
from operational_api.identity.service import accounts, factors, links, login
from operational_api.identity.upstream.claims import Person
from operational_api.identity.upstream.errors import AddressNotTrusted, LastWayIn, LoginNotFound, LoginTaken

LABELS = {"google": "Google", "microsoft": "Microsoft"}


@dataclass(frozen=True, slots=True)
class Arrival:
    """Whose account it is. `must_prove`: they are not in it yet; it is linked when they sign in once as before."""

    account: Account
    must_prove: bool = False


def arrive(session: Session, person: Person, *, time_zone: str, locale: str, now: datetime) -> Arrival:
    """The account of somebody whom a provider sent; a new one where there is none.

    An account whose address was never confirmed is theirs too, empty of what somebody else may have put into it: they
    read that mailbox, and whoever made the account did not show that they do.

    Args:
        time_zone: Of a new account, as is `locale`.

    Raises:
        AddressNotTrusted: they are new here, and the provider does not vouch for their address.
        AccountDisabled.
    """
    _one_at_a_time(session, person)
    row = _linked(session, person)
    if row is not None:
        account = session.get_one(Account, row.account_id)
        login.refuse_closed(session, account, now=now)
        row.last_used_at = now
        return Arrival(account)
    try:
        email = accounts.clean_email(person.email)
    except BadProfile:
        raise AddressNotTrusted from None
    if not person.is_email_theirs:
        raise AddressNotTrusted
    account, is_new = accounts.open_for(
        session, email=email, display_name=_name(person, email), time_zone=time_zone, locale=locale, now=now
    )
    if not is_new:
        login.refuse_closed(session, account, now=now)
        if account.email_verified_at is not None:
            return Arrival(account, must_prove=True)
        account.password_hash, account.display_name = None, _name(person, email)
        links.end_all(session, account_id=account.id, now=now)
    else:
        registered = AccountRegistered(
            occurred_at=now, account_id=account.id, role=account.role, display_name=account.display_name,
            time_zone=account.time_zone,
        )  # fmt: skip
        publish(session, registered)
    account.email_verified_at = now
    publish(session, EmailVerified(occurred_at=now, account_id=account.id))
    _add(session, account, person, now)
    return Arrival(account)


def _name(person: Person, email: str) -> str:
    for name in (person.name, email.split("@", 1)[0]):
        try:
            return accounts.clean_name(name)
        except BadProfile:
            continue
    return "New here"


def link(session: Session, *, account: Account, person: Person, now: datetime) -> bool:
    """Let this person of a provider into the account, whose owner has just proved who they are; they are told.

    Returns whether that is new.

    Raises:
        LoginTaken: linked to another account.
    """
    _one_at_a_time(session, person)
    row = _linked(session, person)
    if row is not None:
        if row.account_id != account.id:
            raise LoginTaken
        return False
    _add(session, account, person, now)
    label = LABELS[person.provider]
    factors.notify(
        session, account, what=f"You can sign in with {label} from now on", now=now,
        detail=f"The {label} account {person.email or 'you chose'} was connected. Not you? Disconnect it under "
        "Account and choose a new password.",
    )  # fmt: skip
    return True


def unlink(session: Session, *, account_id: UUID, login_id: UUID, now: datetime) -> LinkedLogin:
    """Take a way in away.

    Raises:
        LoginNotFound: not one of this account's.
        LastWayIn: there is neither a password nor another one.
    """
    account = session.scalars(select(Account).where(Account.id == account_id).with_for_update()).one()
    row = session.scalar(select(LinkedLogin).where(LinkedLogin.id == login_id, LinkedLogin.account_id == account_id))
    if row is None:
        raise LoginNotFound
    if account.password_hash is None and len(of(session, account_id)) == 1:
        raise LastWayIn
    session.delete(row)
    session.flush()
    publish(session, LoginUnlinked(occurred_at=now, account_id=account_id, provider=row.provider))
    audit.record(
        session, "identity.unlink_login", "Account", account_id, actor_id=account_id, subject_id=account_id,
        purpose="security", details={"provider": row.provider}, now=now,
    )  # fmt: skip
    factors.notify(session, account, what=f"{LABELS[row.provider]} was disconnected from your account", now=now)
    return row


def of(session: Session, account_id: UUID) -> Sequence[LinkedLogin]:
    """What is linked to an account, oldest first."""
    rows = select(LinkedLogin).where(LinkedLogin.account_id == account_id).order_by(LinkedLogin.created_at)
    return session.scalars(rows).all()


def _linked(session: Session, person: Person) -> LinkedLogin | None:
    return session.scalar(
        select(LinkedLogin).where(LinkedLogin.issuer == person.issuer, LinkedLogin.subject == person.subject)
    )


def _add(session: Session, account: Account, person: Person, now: datetime) -> None:
    session.add(
        LinkedLogin(
            id=new_id(), account_id=account.id, provider=person.provider, issuer=person.issuer,
            subject=person.subject, email=person.email[:254], created_at=now, last_used_at=now,
        )
    )  # fmt: skip
    session.flush()
    publish(session, LoginLinked(occurred_at=now, account_id=account.id, provider=person.provider))
    audit.record(
        session, "identity.link_login", "Account", account.id, actor_id=account.id, subject_id=account.id,
        purpose="security", details={"provider": person.provider, "issuer": person.issuer}, now=now,
    )  # fmt: skip


def _one_at_a_time(session: Session, person: Person) -> None:
    key = f"linked login {person.issuer} {person.subject}"
    session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(key, 0))))
