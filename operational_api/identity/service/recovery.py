"""Recovery codes: ten at a time, each works once, for who has lost their second factor. Shown when made, never again.

120 random bits each, so that a plain hash keeps them (ASVS 6.5.2 asks for 112); written without I, L, O and U, which
are read as other signs.
"""

import secrets
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from contracts.events.identity import FactorAdded, RecoveryCodeUsed
from operational_api.core.outbox import publish
from operational_api.identity.models import RecoveryCode
from operational_api.identity.service.links import digest

COUNT = 10
_SIGNS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_LENGTH, _GROUP = 24, 4


def make(session: Session, *, account_id: UUID, now: datetime) -> list[str]:
    """Ten new codes in clear, for the person to keep; all codes made before stop working."""
    session.execute(delete(RecoveryCode).where(RecoveryCode.account_id == account_id))
    codes = ["".join(secrets.choice(_SIGNS) for _ in range(_LENGTH)) for _ in range(COUNT)]
    session.add_all(RecoveryCode(code_hash=digest(code), account_id=account_id, created_at=now) for code in codes)
    publish(session, FactorAdded(occurred_at=now, account_id=account_id, factor="recovery_codes"))
    return ["-".join(code[at : at + _GROUP] for at in range(0, _LENGTH, _GROUP)) for code in codes]


def use(session: Session, *, account_id: UUID, code: str, now: datetime) -> bool:
    """Whether this is one of the person's codes that was not used; it is used up by that."""
    plain = "".join(code.upper().replace("-", " ").split()).translate(str.maketrans("OIL", "011"))
    used = session.scalar(
        update(RecoveryCode)
        .where(
            RecoveryCode.code_hash == digest(plain),
            RecoveryCode.account_id == account_id,
            RecoveryCode.used_at.is_(None),
        )
        .values(used_at=now)
        .returning(RecoveryCode.code_hash)
    )
    if used is None:
        return False
    codes_left = left(session, account_id)
    publish(session, RecoveryCodeUsed(occurred_at=now, account_id=account_id, codes_left=codes_left))
    return True


def left(session: Session, account_id: UUID) -> int:
    """How many codes still work."""
    unused = select(func.count()).where(RecoveryCode.account_id == account_id, RecoveryCode.used_at.is_(None))
    return session.scalar(unused) or 0
