"""Attempts to sign in: what was tried and what came of it, for the judge, the person, the admin and the audit log."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from sqlalchemy import ColumnElement, delete, literal, select, text, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from contracts.ids import new_id
from operational_api.core import audit
from operational_api.core.errors import DomainError
from operational_api.core.paging import after, cut
from operational_api.identity.errors import (
    AccountDisabled,
    EmailNotVerified,
    SignInNotFound,
    TooManyTries,
    WrongCredentials,
)
from operational_api.identity.models import Account, LinkedLogin, SignInAttempt
from operational_api.identity.risk import Decision
from operational_api.identity.service import accounts, links, sessions
from operational_api.identity.service.login import Browser
from operational_api.identity.service.risk import Assessment, Reason
from operational_api.identity.service.traits import device_key, traits_of

Passed = Literal["signed_in", "step_up", "step_up_failed", "refused"]
Failed = Literal["wrong_password", "throttled", "closed", "unverified"]
FAILURES = (WrongCredentials, TooManyTries, AccountDisabled, EmailNotVerified)
_OUTCOMES: dict[type[DomainError], Failed] = {
    WrongCredentials: "wrong_password", TooManyTries: "throttled", AccountDisabled: "closed",
    EmailNotVerified: "unverified",
}  # fmt: skip
KEPT = timedelta(days=400)

_FOLD = """
    with counted as (
        update identity.sign_in_attempts set is_counted = true
        where outcome = 'signed_in' and not is_counted returning *
    )
    insert into identity.sign_in_population as known (feature, value, logins)
    select level.feature, level.value, count(*) from counted cross join lateral (values
        ('all', ''), ('address', address), ('block', block), ('prefix', prefix), ('region', region),
        ('country', country), ('agent', agent), ('program', program), ('kind', kind), ('hour', hour), ('part', part)
    ) as level (feature, value)
    where level.value <> '' or level.feature = 'all'
    group by 1, 2 order by 1, 2
    on conflict (feature, value) do update set logins = known.logins + excluded.logins"""


def note(
    session: Session,
    *,
    account: Account,
    browser: Browser,
    assessment: Assessment,
    outcome: Passed,
    now: datetime,
    session_id: UUID | None = None,
    factors: Sequence[str] = ("pwd",),
) -> None:
    """Write down what came of a judged sign-in; again with the same assessment when more came of it later.

    Args:
        outcome: `step_up` when a second proof is asked for, then `signed_in` or `step_up_failed`.
        session_id: The login session it became.
        factors: What was shown to be right, as `amr` says it.
    """
    traits = traits_of(browser, account, now)
    values = {
        "id": assessment.id, "account_id": account.id, "attempted_at": now, "device_key": device_key(browser),
        "is_known_device": browser.device is not None, "outcome": outcome, "decision": assessment.decision,
        "score": assessment.score, "reasons": [asdict(reason) for reason in assessment.reasons],
        "session_id": session_id, "factors": list(factors),
    }  # fmt: skip
    statement = insert(SignInAttempt).values(**values, **asdict(traits))
    session.execute(
        statement.on_conflict_do_update(
            index_elements=[SignInAttempt.id],
            set_={name: statement.excluded[name] for name in ("outcome", "session_id", "factors")},
        )
    )
    audit.record(
        session, "identity.ask_step_up" if outcome == "step_up" else "identity.sign_in", "Account", account.id,
        actor_id=account.id, actor_role=account.role, subject_id=account.id, purpose="security", now=now,
        outcome={"refused": "refused", "step_up_failed": "failed"}.get(outcome, "done"),  # type: ignore[arg-type]
        details={
            "attempt_id": str(assessment.id), "decision": assessment.decision, "score": assessment.score,
            "reasons": [reason.feature for reason in assessment.reasons], "factors": list(factors),
        },
    )  # fmt: skip


def note_failure(
    session: Session, *, email: str, account: Account | None, browser: Browser, error: DomainError, now: datetime
) -> None:
    """Write down a try that was refused before it was judged, by one of `FAILURES`. Addresses that nobody has are kept
    as a key only."""
    outcome = _OUTCOMES[type(error)]
    traits = traits_of(browser, account, now, email=email)
    attempt = SignInAttempt(
        id=new_id(), account_id=account.id if account else None, attempted_at=now, device_key=device_key(browser),
        is_known_device=browser.device is not None, outcome=outcome, **asdict(traits),
    )  # fmt: skip
    session.add(attempt)
    audit.record(
        session, "identity.sign_in", "Account", account.id if account else traits.account_key,
        actor_id=account.id if account else None, subject_id=account.id if account else None, purpose="security",
        outcome="failed", details={"attempt_id": str(attempt.id), "reason": outcome, "factors": ["pwd"]}, now=now,
    )  # fmt: skip


def recall(session: Session, attempt_id: UUID) -> Assessment:
    """The assessment of a noted sign-in, to note later what came of it.

    Raises:
        SignInNotFound: it was never noted, or never judged.
    """
    row = session.get(SignInAttempt, attempt_id)
    if row is None or row.decision is None or row.score is None:
        raise SignInNotFound
    return Assessment(row.id, row.decision, row.score, tuple(Reason(**one) for one in row.reasons))  # type: ignore[arg-type]


def recent(
    session: Session, *, account_id: UUID, limit: int, cursor: str | None = None
) -> tuple[list[SignInAttempt], str | None]:
    """A person's own attempts, newest first."""
    return _page(session, [SignInAttempt.account_id == account_id], limit, cursor)


def risky(
    session: Session, *, decision: Decision | None, account_id: UUID | None, limit: int, cursor: str | None
) -> tuple[list[SignInAttempt], str | None]:
    """Everybody's judged attempts, newest first; without a decision those that were not simply allowed."""
    where = [SignInAttempt.decision == decision if decision else SignInAttempt.decision != "allow"]
    if account_id is not None:
        where.append(SignInAttempt.account_id == account_id)
    return _page(session, where, limit, cursor)


def _page(
    session: Session, where: Sequence[ColumnElement[bool]], limit: int, cursor: str | None
) -> tuple[list[SignInAttempt], str | None]:
    at, id_ = SignInAttempt.attempted_at, SignInAttempt.id
    statement = select(SignInAttempt).where(*where).order_by(at.desc(), id_.desc()).limit(limit + 1)
    if cursor:
        statement = statement.where(tuple_(at, id_) < tuple_(*map(literal, after(cursor, datetime, UUID))))
    return cut(session.scalars(statement).all(), limit, lambda row: (row.attempted_at, row.id))


def dispute(session: Session, *, account_id: UUID, attempt_id: UUID, now: datetime) -> Account:
    """The owner says that a sign-in was not theirs: it counts as theirs no more, its browser is a stranger again, every
    session ends, the password and every linked login stop working, and a link for a new one is sent.

    Raises:
        SignInNotFound: no attempt of this account.
    """
    row = session.scalar(
        select(SignInAttempt).where(SignInAttempt.id == attempt_id, SignInAttempt.account_id == account_id)
    )
    if row is None:
        raise SignInNotFound
    account = session.get_one(Account, account_id)
    row.disputed_at = row.disputed_at or now
    account.password_hash = None
    session.execute(delete(LinkedLogin).where(LinkedLogin.account_id == account_id))
    links.end_all(session, account_id=account_id, now=now)
    sessions.revoke_all(session, account_id=account_id, now=now)
    accounts.request_reset(session, email=account.email, now=now)
    audit.record(
        session, "identity.dispute_sign_in", "SignInAttempt", row.id, actor_id=account_id, subject_id=account_id,
        purpose="security", now=now,
    )  # fmt: skip
    return account


def fold(session: Session, now: datetime) -> None:  # noqa: ARG001 - jobs are called alike
    """Add sign-ins since the last time to everybody's counts. Once each, whatever runs twice or dies between."""
    session.execute(text(_FOLD))


def forget_old(session: Session, now: datetime) -> None:
    """Delete attempts that are kept no longer; everybody's counts stay, they name nobody."""
    session.execute(delete(SignInAttempt).where(SignInAttempt.attempted_at < now - KEPT))
