"""What is asked of somebody whose password was right, or whom another provider sent, before there is a session."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from sqlalchemy.orm import Session

from operational_api.identity.errors import SignInRefused
from operational_api.identity.models import Account
from operational_api.identity.service import attempts, factors
from operational_api.identity.service.login import Browser
from operational_api.identity.service.risk import Assessment


class Assess(Protocol):
    """Judges a sign-in whose password was right (`service.risk.assess`)."""

    def __call__(self, session: Session, *, account: Account, browser: Browser, now: datetime) -> Assessment: ...


@dataclass(frozen=True, slots=True)
class Due:
    """What is due, in order (see `models.PendingSignIn`), and how the sign-in was judged."""

    steps: Sequence[str]
    assessment: Assessment

    @property
    def reasons(self) -> Sequence[str]:
        """Why more is asked for than usual, in words for the person; nothing where it is not."""
        unusual = self.assessment.decision != "allow"
        return [reason.text for reason in self.assessment.reasons] if self.steps and unusual else []


def due(
    session: Session,
    *,
    account: Account,
    browser: Browser,
    must_have_factor: bool,
    assess: Assess,
    now: datetime,
    proved: Sequence[str] = ("pwd",),
) -> Due:
    """What this sign-in must still prove; nothing, for a usual one to an account without a second factor.

    A refused one, and one that must prove more, are noted. The caller must commit also when this raises.

    Args:
        must_have_factor: Whether an account without a second factor must set one up now.
        proved: How they came this far (`amr`). Nothing that they may have shown another provider is a factor of ours.

    Raises:
        SignInRefused: too unlike the owner, whatever they could prove.
    """
    assessment = assess(session, account=account, browser=browser, now=now)
    if assessment.decision == "refuse":
        attempts.note(
            session, account=account, browser=browser, assessment=assessment, outcome="refused", now=now,
            factors=proved,
        )  # fmt: skip
        raise SignInRefused
    if factors.has_one(session, account.id):
        steps = ["factor"]
    else:
        steps = ["email_code"] if assessment.decision == "step_up" else []
        if must_have_factor:
            steps.append("set_up")
    if steps:
        attempts.note(
            session, account=account, browser=browser, assessment=assessment, outcome="step_up", now=now,
            factors=proved,
        )  # fmt: skip
    return Due(steps, assessment)
