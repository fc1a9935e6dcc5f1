"""Second factors as a whole: whether somebody has one, checking one, and what happens when one comes or goes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, exists, select
from sqlalchemy.orm import Session

from contracts.events.identity import FactorRemoved
from contracts.sealing import Sealer
from operational_api.core.outbox import publish
from operational_api.engagement.public import queue_email
from operational_api.identity.errors import FactorNotFound, FactorRequired, WrongCode
from operational_api.identity.models import Account, LoginSession, Passkey, RecoveryCode, TotpDevice
from operational_api.identity.service import passkeys, recovery, throttle, totp
from operational_api.identity.service.login import Browser


@dataclass(frozen=True, slots=True)
class Factors:
    """What somebody has besides a password."""

    totp: TotpDevice | None
    passkeys: Sequence[Passkey]
    codes_left: int

    @property
    def count(self) -> int:
        """Second factors; recovery codes only stand in for one."""
        return len(self.passkeys) + (self.totp is not None)


def of(session: Session, account_id: UUID) -> Factors:
    """All of somebody's factors."""
    return Factors(totp.of(session, account_id), passkeys.of(session, account_id), recovery.left(session, account_id))


def is_demanded(account: Account, *, staff_mfa: str) -> bool:
    """Whether the account's role may not be used without a second factor, under the setting `PLYO_STAFF_MFA`."""
    return staff_mfa == "required" and account.role != "customer"


def has_one(session: Session, account_id: UUID) -> bool:
    """Whether a password is not enough for this account."""
    app = exists().where(TotpDevice.account_id == account_id, TotpDevice.confirmed_at.is_not(None))
    return bool(session.scalar(select(app | exists().where(Passkey.account_id == account_id))))


def check_code(
    session: Session, *, account: Account, code: str, is_recovery: bool, sealer: Sealer,
    browser: Browser, now: datetime,
) -> Sequence[str]:  # fmt: skip
    """How the person proved it (`amr`), by a code of their app or one of their recovery codes.

    Wrong ones are counted like wrong passwords: the caller must commit also when this raises.

    Raises:
        TooManyTries: before looking at the code.
        WrongCode.
    """
    names = throttle.buckets(email=f"second:{account.id}", device=browser.device, address=browser.address)
    throttle.refuse_if_full(session, names, now=now)
    if is_recovery:
        is_right = recovery.use(session, account_id=account.id, code=code, now=now)
    else:
        is_right = totp.verify(session, account_id=account.id, code=code, sealer=sealer, now=now)
    if not is_right:
        throttle.count(session, names, now=now)
        raise WrongCode
    throttle.forget(session, names, now=now)
    if is_recovery:
        left = recovery.left(session, account.id)
        notify(
            session, account, what="A recovery code was used to sign in", now=now,
            detail=f"{left} of your codes still work. Make new ones under Account when you run out.",
        )  # fmt: skip
    return ("otp", "mfa")


def amr_of(passkey: Passkey) -> Sequence[str]:
    """How holding this passkey is told to clients: in hardware, or in a software store that syncs it."""
    return ("swk" if passkey.is_synced else "hwk", "user", "mfa")


def added(session: Session, *, account: Account, what: str, login: LoginSession | None, amr: Sequence[str],
          now: datetime) -> None:  # fmt: skip
    """Tell the owner; the session that added it has proved it."""
    if login is not None:
        login.amr = list(dict.fromkeys([*login.amr, *amr]))
    notify(session, account, what=f"{what} was added to your account", now=now)


def remove(
    session: Session, *, account: Account, kind: str, passkey_id: UUID | None = None, is_required: bool, now: datetime
) -> None:
    """Take a factor away. With the last one its recovery codes go too.

    Args:
        kind: totp or passkey.
        is_required: Whether the account must keep one.

    Raises:
        FactorNotFound.
        FactorRequired: it is the last one of somebody who must have one.
    """
    before = of(session, account.id)
    if before.count == 1 and is_required:
        raise FactorRequired
    if kind == "totp":
        if before.totp is None:
            raise FactorNotFound
        session.delete(before.totp)
    else:
        passkeys.remove(session, account_id=account.id, passkey_id=passkey_id or account.id)
    session.flush()
    if before.count == 1:
        session.execute(delete(RecoveryCode).where(RecoveryCode.account_id == account.id))
    publish(session, FactorRemoved(occurred_at=now, account_id=account.id, factor=kind))
    what = "An authenticator app" if kind == "totp" else "A passkey"
    notify(session, account, what=f"{what} was removed from your account", now=now)


def notify(session: Session, account: Account, *, what: str, now: datetime, detail: str = "", to: str = "") -> None:
    """Tell the owner by e-mail what was changed about how they sign in.

    Args:
        to: Another address than the account's, such as the one it had before.
    """
    queue_email(
        session, dedupe_key=f"security:{account.id}:{what}:{to}:{now.timestamp()}", recipient=to or account.email,
        template="security_notice", context={"name": account.display_name, "what": what, "detail": detail}, now=now,
    )  # fmt: skip
