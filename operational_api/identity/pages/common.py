"""What several pages of identity need: whose sign-in is under way, who may change factors, sealing, what forms say."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Form, Request
from sqlalchemy.orm import Session

from contracts.sealing import Sealer
from operational_api.core.errors import DomainError, Unauthenticated
from operational_api.identity.errors import BadPassword, SignInExpired
from operational_api.identity.models import Account, LoginSession, PendingSignIn
from operational_api.identity.service import factors, pending, step_up
from operational_api.identity.service.passkeys import RelyingParty
from operational_api.settings import ApiSettings
from operational_api.web.cookies import read_cookie
from operational_api.web.rendering import person

SIGN_IN = "/auth/login"
Text = Annotated[str, Form()]


@dataclass(frozen=True, slots=True)
class Actor:
    """Who sets up a factor: somebody whose sign-in waits for one, or a session that has just proved itself.

    `holder_id` names whichever it is, for challenges that must not serve another.
    """

    account: Account
    row: PendingSignIn | None
    login: LoginSession | None

    @property
    def holder_id(self) -> UUID:
        found = self.row or self.login
        assert found is not None  # noqa: S101 - one of the two is how an actor is made
        return found.id


def settings_of(request: Request) -> ApiSettings:
    """The process's settings."""
    settings: ApiSettings = request.app.state.settings
    return settings


def sealer_of(request: Request) -> Sealer:
    """What seals the seeds of authenticator apps."""
    settings = settings_of(request)
    return Sealer.of(settings.factor_keys.get_secret_value() or settings.session_secret.get_secret_value())


def party_of(request: Request) -> RelyingParty:
    """Where our passkeys work."""
    return RelyingParty(settings_of(request).public_url)


def must_have_factor(request: Request, account: Account) -> bool:
    """Whether this account's role needs a second factor here."""
    return factors.is_demanded(account, staff_mfa=settings_of(request).staff_mfa)


def waiting(request: Request, session: Session, *, now: datetime) -> tuple[PendingSignIn, Account]:
    """The sign-in of this browser that waits for more, and whose it is.

    Raises:
        SignInExpired.
    """
    return pending.find(session, secret=read_cookie(request, "pending"), now=now)


def actor(request: Request, session: Session, *, now: datetime) -> Actor:
    """Who may set up a factor in this request.

    Raises:
        Unauthenticated: nobody is signed in, and no sign-in waits for a factor to be set up.
        StepUpRequired: signed in, and must prove it anew.
    """
    try:
        row, account = waiting(request, session, now=now)
    except SignInExpired:
        pass
    else:
        if row.kind == "sign_in" and row.steps in ([], ["set_up"]):
            return Actor(account, row, None)
    found = person(request)
    if found is None or found.account_id is None:
        raise Unauthenticated
    login = step_up.demand(session, session_id=found.session_id, now=now)
    return Actor(session.get_one(Account, found.account_id), None, login)


def field_errors(error: DomainError) -> dict[str, str]:
    """The refusal beside the field that it is about."""
    field = "password" if isinstance(error, BadPassword) else str(error.extra.get("field", "form"))
    return {field: error.detail}
