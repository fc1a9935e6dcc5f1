"""Rotating, withdrawing and tidying signing keys. Times are passed in; which key does what is `ring`'s."""

from datetime import datetime, timedelta

from joserfc.jwk import RSAKey
from sqlalchemy import delete, func, select, text, update
from sqlalchemy.orm import Session

from contracts.sealing import Sealer
from contracts.telemetry import get_logger
from operational_api.core import audit
from operational_api.identity.keys import ring
from operational_api.identity.keys.errors import KeyNotFound, LastKey, RotationUnderWay
from operational_api.identity.models import SigningKey

log = get_logger(__name__)
PUBLISHED_BEFORE = timedelta(hours=1)
"""How long a new key is published before it signs: everybody who keeps keys has asked for them anew by then."""
BITS = 2048


def rotate(
    session: Session, *, seed: RSAKey, sealer: Sealer, now: datetime, at_once: bool = False, reason: str = ""
) -> SigningKey:
    """Make the next key. It is published from this commit on and signs an hour later, or at once.

    Args:
        at_once: For a key that somebody may have got hold of: whoever keeps keys must ask for them out of turn.

    Raises:
        RotationUnderWay: there is a next key already, which has not begun to sign, and it need not be at once.
    """
    session.execute(text("lock table identity.signing_keys in share row exclusive mode"))
    note_seed(session, seed=seed, now=now)
    waiting = session.scalar(select(SigningKey).where(SigningKey.active_from > now, SigningKey.withdrawn_at.is_(None)))
    if waiting is not None and not at_once:
        raise RotationUnderWay
    row = waiting or _make(sealer, now)
    row.active_from = now if at_once else now + PUBLISHED_BEFORE
    session.add(row)
    session.flush()
    log.info("signing_key_made", kid=row.kid, active_from=row.active_from.isoformat())
    details = {"at_once": at_once, "reason": reason}
    audit.record(session, "identity.rotate_key", "SigningKey", row.kid, purpose="security", details=details, now=now)
    return row


def _make(sealer: Sealer, now: datetime) -> SigningKey:
    key = ring.with_kid(RSAKey.generate_key(BITS))
    return SigningKey(
        kid=key.kid, public=ring.public_half(key).as_dict(private=False),
        sealed_private=sealer.seal(key.as_pem(private=True)), created_at=now,
    )  # fmt: skip


def withdraw(session: Session, *, kid: str, seed: RSAKey, now: datetime, reason: str = "") -> SigningKey:
    """Believe nothing more that a key signed: it is not published from now on, and never signs again.

    Raises:
        KeyNotFound.
        LastKey: there would be none left that can sign; rotate at once, first.
    """
    session.execute(text("lock table identity.signing_keys in share row exclusive mode"))
    note_seed(session, seed=seed, now=now)
    row = session.get(SigningKey, kid)
    if row is None or row.withdrawn_at is not None:
        raise KeyNotFound
    able = select(SigningKey.kid).where(
        SigningKey.kid != kid, SigningKey.withdrawn_at.is_(None), SigningKey.active_from <= now,
        SigningKey.sealed_private.is_not(None) | (SigningKey.kid == seed.kid),
    )  # fmt: skip
    if session.scalar(able.limit(1)) is None:
        raise LastKey
    row.withdrawn_at, row.sealed_private = now, None
    log.warning("signing_key_withdrawn", kid=kid)
    audit.record(
        session, "identity.withdraw_key", "SigningKey", kid, purpose="security", details={"reason": reason}, now=now
    )
    return row


def note_seed(session: Session, *, seed: RSAKey, now: datetime) -> None:
    """Write down the settings file's key when it is seen for the first time: from then on its age counts, and it stays
    published when the file is replaced. Beside keys that can sign it comes as an old one, and signs nothing."""
    if session.get(SigningKey, seed.kid) is not None:
        return
    oldest = session.scalar(select(func.min(SigningKey.active_from)).where(SigningKey.sealed_private.is_not(None)))
    public = ring.public_half(seed).as_dict(private=False)
    active_from = (oldest or now) - timedelta(microseconds=1)
    session.add(SigningKey(kid=seed.kid, public=public, created_at=now, active_from=active_from))
    session.flush()


def tend(session: Session, *, seed: RSAKey, sealer: Sealer, oldest: timedelta, now: datetime) -> None:
    """Rotate by age; forget private halves that sign no more, and keys that nobody asks for any more.

    Args:
        oldest: How old the youngest key may become; zero never rotates.
    """
    session.execute(text("lock table identity.signing_keys in share row exclusive mode"))
    note_seed(session, seed=seed, now=now)
    snapshot = ring.read(session, seed=seed, sealer=sealer)
    able = [one for one in snapshot.keys if one.private and not one.withdrawn_at]
    if oldest and now - able[-1].active_from > oldest:
        rotate(session, seed=seed, sealer=sealer, now=now, reason="age")
        snapshot = ring.read(session, seed=seed, sealer=sealer)
    published = {one.kid for one in snapshot.published(now)}
    kept = {one.kid for one in snapshot.remembered(now)} | {snapshot.active(now).kid, seed.kid}
    signs_no_more = [one.kid for one in snapshot.keys if one.kid not in published]
    session.execute(update(SigningKey).where(SigningKey.kid.in_(signs_no_more)).values(sealed_private=None))
    gone = SigningKey.kid.not_in(kept), SigningKey.withdrawn_at.is_(None)
    session.execute(delete(SigningKey).where(*gone))
