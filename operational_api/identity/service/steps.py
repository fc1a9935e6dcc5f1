"""What is asked of somebody whose password was right, before there is a session."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from sqlalchemy.orm import Session

from operational_api.identity.errors import SignInRefused
from operational_api.identity.models import Account
from operational_api.identity.service import factors
from operational_api.identity.service.login import Browser


class Assessment(Protocol):
    """How unusual a sign-in is. `decision` is allow, step_up or refuse; `reasons` are words for the person."""

    @property
    def decision(self) -> str: ...
    @property
    def reasons(self) -> Sequence[str]: ...


class Assess(Protocol):
    """Judges a sign-in whose password was right; may write down what it saw."""

    def __call__(self, session: Session, *, account: Account, browser: Browser, now: datetime) -> Assessment: ...


@dataclass(frozen=True, slots=True)
class Usual:
    """Nothing is unusual."""

    decision: str = "allow"
    reasons: Sequence[str] = ()


def usual(session: Session, *, account: Account, browser: Browser, now: datetime) -> Assessment:  # noqa: ARG001
    """Finds every sign-in usual."""
    return Usual()


assess: Assess = usual
"""Who is asked about a sign-in: the one place where adaptive risk is plugged in."""


@dataclass(frozen=True, slots=True)
class Due:
    """What is due, in order (see `models.PendingSignIn`), and why where it is more than usual."""

    steps: Sequence[str]
    reasons: Sequence[str] = ()


def due(
    session: Session, *, account: Account, browser: Browser, must_have_factor: bool, assess: Assess, now: datetime
) -> Due:
    """What this sign-in must still prove; nothing, for a usual one to an account without a second factor.

    Args:
        must_have_factor: Whether an account without a second factor must set one up now.

    Raises:
        SignInRefused: too unlike the owner, whatever they could prove.
    """
    assessment = assess(session, account=account, browser=browser, now=now)
    if assessment.decision == "refuse":
        raise SignInRefused
    if factors.has_one(session, account.id):
        return Due(("factor",), assessment.reasons)
    steps = ["email_code"] if assessment.decision == "step_up" else []
    if must_have_factor:
        steps.append("set_up")
    return Due(steps, assessment.reasons if steps else ())
