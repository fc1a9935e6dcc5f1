"""Accounts: signing up, confirming the address, a new password, the profile.

Nothing here tells a stranger whether an address has an account: asking answers the same, the e-mail says the rest.
"""

import re
from datetime import datetime
from urllib.parse import quote
from uuid import UUID
from zoneinfo import available_timezones

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from contracts.events.identity import AccountRegistered, EmailVerified, PasswordChanged
from contracts.ids import new_id
from operational_api.core import audit
from operational_api.core.outbox import publish
from operational_api.engagement.public import mail_arrives, queue_email
from operational_api.identity import passwords
from operational_api.identity.errors import BadProfile
from operational_api.identity.models import Account
from operational_api.identity.service import links, sessions

_EMAIL = re.compile(r"[^@\s\"<>(),;:\\]{1,64}@([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}", re.IGNORECASE)


def clean_email(value: str) -> str:
    """The address in the form we keep.

    Raises:
        BadProfile: it cannot be an address.
    """
    value = value.strip().lower()
    if len(value) > 254 or not _EMAIL.fullmatch(value):
        raise BadProfile("That does not look like an e-mail address.", field="email")
    return value


def clean_name(value: str) -> str:
    """A name to show and to write into e-mails.

    Raises:
        BadProfile: empty, longer than 80, or with signs that names do not have (a link, a tag, a line break).
    """
    value = " ".join(value.split())
    if not 1 <= len(value) <= 80 or re.search(r"[<>\x00-\x1f]|://|www\.", value):
        raise BadProfile("Tell us a name of up to 80 letters, without links.", field="display_name")
    return value


def clean_time_zone(value: str) -> str:
    """A name out of the IANA database; UTC for what is not in it, since browsers differ and sign-up must not fail."""
    return value if value in available_timezones() else "UTC"


def by_email(session: Session, email: str) -> Account | None:
    """The account of an address, however it is written."""
    return session.scalar(select(Account).where(func.lower(Account.email) == email.strip().lower()))


def register(
    session: Session,
    *,
    email: str,
    password: str,
    display_name: str,
    time_zone: str,
    locale: str,
    now: datetime,
    then: str | None = None,
) -> None:
    """Sign somebody up as a customer and send them a link; the account works once the link was followed.

    For an address that has a confirmed account nothing changes and its owner is told. An unconfirmed one takes the
    new name and password, and links sent before stop working: whoever reads the mailbox decides.

    Args:
        locale: The language in which the form was read; they are written to in it.
        then: Path to go on to after signing in.

    Raises:
        BadProfile, BadPassword: the same for known and unknown addresses.
    """
    email, display_name = clean_email(email), clean_name(display_name)
    passwords.check(password, email=email)
    password_hash = passwords.hashed(password)
    account, is_new = open_for(
        session, email=email, password_hash=password_hash, display_name=display_name, time_zone=time_zone,
        locale=locale, now=now,
    )  # fmt: skip
    if is_new:
        publish(
            session,
            AccountRegistered(
                occurred_at=now,
                account_id=account.id,
                role="customer",
                display_name=display_name,
                time_zone=account.time_zone,
            ),
        )
    elif account.email_verified_at is not None:
        queue_email(
            session, dedupe_key=f"account_exists:{account.id}:{now:%Y%m%d%H}", recipient=account.email,
            template="account_exists", context={"name": account.display_name, "path": "/login"}, now=now,
        )  # fmt: skip
        return
    else:
        account.password_hash, account.display_name, account.locale = password_hash, display_name, locale
        session.flush()  # the link is written in the language of now
    _send_link(session, account, "verify", now, then)


def open_for(
    session: Session,
    *,
    email: str,
    display_name: str,
    time_zone: str,
    locale: str,
    now: datetime,
    password_hash: str | None = None,
) -> tuple[Account, bool]:
    """The account of an address, locked, and whether it was made by this: a customer's, its address not confirmed."""
    account_id = new_id()
    inserted = session.scalar(
        insert(Account)
        .values(
            id=account_id, email=email, password_hash=password_hash, display_name=display_name, role="customer",
            time_zone=clean_time_zone(time_zone), locale=locale, created_at=now,
        )
        .on_conflict_do_nothing()
        .returning(Account.id)
    )  # fmt: skip
    account = session.scalars(
        select(Account)
        .where(func.lower(Account.email) == email)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one()
    return account, inserted is not None


def _send_link(session: Session, account: Account, purpose: str, now: datetime, then: str | None = None) -> None:
    token = links.issue(session, account_id=account.id, purpose=purpose, now=now)
    if token is None:
        return
    template, page = {
        "verify": ("verify_email", "/verify-email"),
        "reset": ("reset_password", "/reset-password"),
    }[purpose]
    path = f"{page}?token={token}" + (f"&next={quote(then, safe='')}" if then else "")
    queue_email(
        session, dedupe_key=f"{template}:{links.digest(token)}", recipient=account.email, template=template,
        context={"name": account.display_name, "path": path}, now=now,
    )  # fmt: skip


def verify_email(session: Session, *, token: str, now: datetime) -> Account:
    """Confirm the address of the link's owner and announce it.

    Raises:
        LinkUnknown, LinkUsed, LinkExpired.
    """
    link = links.find(session, token=token, purpose="verify", now=now)
    account = session.get_one(Account, link.account_id)
    link.used_at = now
    if account.email_verified_at is None:
        account.email_verified_at = now
        publish(session, EmailVerified(occurred_at=now, account_id=account.id))
    mail_arrives(session, account.email)
    return account


def resend_verification(session: Session, *, email: str, now: datetime) -> None:
    """Send a new link where an unconfirmed account has this address; say nothing either way."""
    account = by_email(session, email)
    if account is not None and account.disabled_at is None and account.email_verified_at is None:
        _send_link(session, account, "verify", now)


def resend_link(session: Session, *, token: str, purpose: str, now: datetime) -> None:
    """Send the owner of an old link a new one of the same purpose."""
    account_id = links.owner(session, token=token, purpose=purpose)
    account = session.get(Account, account_id) if account_id else None
    if account is None or account.disabled_at is not None:
        return
    if not (purpose == "verify" and account.email_verified_at):
        _send_link(session, account, purpose, now)


def request_reset(session: Session, *, email: str, now: datetime) -> None:
    """Send a link to choose a new password where somebody has this address; say nothing either way."""
    account = by_email(session, email)
    if account is not None and account.disabled_at is None:
        _send_link(session, account, "reset", now)


def reset_password(session: Session, *, token: str, password: str, now: datetime) -> Account:
    """Set a new password by link. All sessions end, second factors stay. Following the link also proves the address.

    Raises:
        LinkUnknown, LinkUsed, LinkExpired, BadPassword.
    """
    link = links.find(session, token=token, purpose="reset", now=now)
    account = session.get_one(Account, link.account_id)
    passwords.check(password, email=account.email)
    link.used_at = now
    account.password_hash = passwords.hashed(password)
    if account.email_verified_at is None:
        account.email_verified_at = now
        publish(session, EmailVerified(occurred_at=now, account_id=account.id))
    mail_arrives(session, account.email)
    links.end_all(session, account_id=account.id, now=now)
    sessions.revoke_all(session, account_id=account.id, now=now)
    publish(session, PasswordChanged(occurred_at=now, account_id=account.id))
    audit.record(
        session, "identity.change_password", "Account", account.id, actor_id=account.id, subject_id=account.id,
        purpose="security", details={"factors": ["email_link"]}, now=now,
    )  # fmt: skip
    queue_email(
        session, dedupe_key=f"password_changed:{link.token_hash}", recipient=account.email,
        template="password_changed", context={"name": account.display_name}, now=now,
    )  # fmt: skip
    return account


def update_profile(session: Session, *, account_id: UUID, display_name: str, time_zone: str) -> Account:
    """Change the name shown and the zone in which times are shown.

    Raises:
        BadProfile: the name does not pass, or the zone is not in the IANA database.
    """
    if time_zone not in available_timezones():
        raise BadProfile("We do not know that time zone.", field="time_zone")
    account = session.get_one(Account, account_id)
    account.display_name, account.time_zone = clean_name(display_name), time_zone
    return account
