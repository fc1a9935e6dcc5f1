"""Changing what one signs in with: password and e-mail address. Whoever asks has just proved who they are."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from contracts.events.identity import EmailChanged, PasswordChanged
from operational_api.core.outbox import publish
from operational_api.engagement.public import mail_arrives, mail_comes_back, queue_email
from operational_api.identity import passwords
from operational_api.identity.errors import AddressTaken, BadProfile, WrongPassword
from operational_api.identity.models import Account
from operational_api.identity.service import accounts, factors, links, sessions, throttle
from operational_api.identity.service.login import Browser


def change_password(
    session: Session, *, account: Account, current: str, new: str, browser: Browser, keep: UUID | None, now: datetime
) -> None:
    """Set a new password and sign every other browser out.

    A wrong current one is counted like a wrong sign-in: the caller must commit also when this raises. Who has none,
    and signs in by another provider, gives none.

    Args:
        keep: The session that asks.

    Raises:
        TooManyTries, WrongPassword: of the current password.
        BadPassword: of the new one.
    """
    names = throttle.buckets(email=account.email, device=browser.device, address=browser.address)
    throttle.refuse_if_full(session, names, now=now)
    if account.password_hash is not None and not passwords.verify(current, account.password_hash)[0]:
        throttle.count(session, names, now=now)
        raise WrongPassword
    passwords.check(new, email=account.email)
    account.password_hash = passwords.hashed(new)
    links.end_all(session, account_id=account.id, now=now)
    sessions.revoke_all(session, account_id=account.id, now=now, keep=keep)
    publish(session, PasswordChanged(occurred_at=now, account_id=account.id))
    queue_email(
        session, dedupe_key=f"password_changed:{account.id}:{now.timestamp()}", recipient=account.email,
        template="password_changed", context={"name": account.display_name}, now=now,
    )  # fmt: skip


def request_email(session: Session, *, account: Account, email: str, now: datetime) -> None:
    """Send a link to a new address, which becomes the account's when the link is followed; tell the old one.

    For an address that somebody has nothing but an e-mail to its owner happens, and the answer is the same. The one in
    use may be given where mails to it came back: a link that arrives there shows that it works again.

    Raises:
        BadProfile: it cannot be an address, or is the one in use.
    """
    email = accounts.clean_email(email)
    if email == account.email.lower():
        if not mail_comes_back(session, email):
            raise BadProfile("That is your address already.", field="email")
        _ask_whether_theirs(session, account, email, now)
        return
    owner = accounts.by_email(session, email)
    if owner is None:
        if not _ask_whether_theirs(session, account, email, now):
            return
    elif links.issue(session, account_id=account.id, purpose="email", address=email, now=now) is None:
        return
    elif owner.email_verified_at is not None:
        queue_email(
            session, dedupe_key=f"account_exists:{owner.id}:{now:%Y%m%d%H}", recipient=owner.email,
            template="account_exists", context={"name": owner.display_name, "path": "/login"}, now=now,
        )  # fmt: skip
    factors.notify(
        session, account, what="Somebody asked to change your e-mail address", now=now,
        detail="It changes when the link sent to the new address is followed. Not you? Change your password at once: "
        "that ends every session, and the link.",
    )  # fmt: skip


def _ask_whether_theirs(session: Session, account: Account, email: str, now: datetime) -> bool:
    """Send a link that shows who reads an address; False where too many were sent."""
    token = links.issue(session, account_id=account.id, purpose="email", address=email, now=now)
    if token is None:
        return False
    queue_email(
        session, dedupe_key=f"confirm_email:{account.id}:{links.digest(token)}", recipient=email,
        template="confirm_email", now=now,
        context={"name": account.display_name, "path": f"/confirm-email?token={token}"},
    )  # fmt: skip
    return True


def confirm_email(session: Session, *, token: str, now: datetime) -> Account:
    """Give the account of the link its new address. Every session ends, and links sent to the old address do too.

    Where it is the address in use, mails arrive there again, and nothing else changes.

    Raises:
        LinkUnknown, LinkUsed, LinkExpired.
        AddressTaken: somebody signed up with it meanwhile.
    """
    link = links.find(session, token=token, purpose="email", now=now)
    account = session.get_one(Account, link.account_id)
    owner = accounts.by_email(session, link.address) if link.address else None
    if link.address is None or (owner is not None and owner.id != account.id):
        raise AddressTaken
    link.used_at = now
    mail_arrives(session, link.address)
    if owner is not None:
        return account
    before, account.email, account.email_verified_at = account.email, link.address, now
    links.end_all(session, account_id=account.id, now=now)
    sessions.revoke_all(session, account_id=account.id, now=now)
    publish(session, EmailChanged(occurred_at=now, account_id=account.id))
    factors.notify(
        session, account, what="Your e-mail address was changed", to=before, now=now,
        detail="From now on Plyo writes to the new address, and every device was signed out. Not you? Answer this "
        "e-mail at once.",
    )  # fmt: skip
    return account
