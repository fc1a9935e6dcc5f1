"""Who asks: the signed-in person or service.

What they may do is `core.policy`; how they proved who they are is `core.tokens` or the web shell.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request
from sqlalchemy.orm import Session

from operational_api.core.errors import Forbidden, Unauthenticated
from operational_api.core.tokens import TokenVerifier

STAFF_ROLES = ("coach", "lead_coach", "front_desk", "finance", "support", "admin", "data")
ROLES = ("customer", *STAFF_ROLES, "service")
"""A person has one of these; `service` is a program's. What each may do is `core/policies/`."""


@dataclass(frozen=True, slots=True)
class Principal:
    """The person or service behind a request. `account_id` of a service is None; `client_id` is the OAuth client."""

    role: str
    client_id: str
    account_id: UUID | None = None
    session_id: UUID | None = None
    display_name: str = ""

    @property
    def key(self) -> str:
        """A stable name for rate limits, idempotency and logs."""
        return str(self.account_id or self.client_id)


Authenticator = Callable[[Request], Principal | None]
"""Reads one kind of credential: None when the request carries none, raises Unauthenticated when it is bad."""


HasEnded = Callable[[Session, UUID, datetime], bool]
"""Whether a session (`sid`) was ended before its tokens expire."""
RoleNow = Callable[[Session, UUID, str, int], str]
"""The role of a person now: given their account, what their token says, and when it was issued."""


def bearer(
    verifier: TokenVerifier, *, has_ended: HasEnded | None = None, role_now: RoleNow | None = None
) -> Authenticator:
    """Reads `Authorization: Bearer`.

    Args:
        has_ended: Asked with every request of a person, so that signing out counts at once; None where the process
            does not see sessions, and tokens live until they expire.
        role_now: Asked about each person's token; without it a changed role holds from their next token on.
    """

    def authenticate(request: Request) -> Principal | None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        claims = verifier.verify(token.strip())
        if claims.get("role") not in ROLES:
            raise Unauthenticated("This token carries no role.")
        try:
            role, account = claims["role"], None if claims["role"] == "service" else UUID(claims["sub"])
            session_id = UUID(claims["sid"]) if claims.get("sid") else None
            client_id, issued_at = str(claims["client_id"]), int(claims.get("iat", 0))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise Unauthenticated("This token does not say whose it is.") from error
        if account is not None and (has_ended or role_now):
            with request.app.state.sessions() as session:
                if has_ended and session_id and has_ended(session, session_id, datetime.now(UTC)):
                    raise Unauthenticated("You have signed out. Sign in again.")
                if role_now:
                    role = role_now(session, account, role, issued_at)
        return Principal(
            role=role,
            client_id=client_id,
            account_id=account,
            session_id=session_id,
            display_name=claims.get("name", ""),
        )

    return authenticate


def maybe_principal(request: Request) -> Principal | None:
    """The principal, or None for a guest. Asks the app's authenticators in turn, once per request."""
    if not hasattr(request.state, "principal"):
        request.state.is_authenticating = True
        try:
            request.state.principal = next(
                (found for one in request.app.state.authenticators if (found := one(request)) is not None), None
            )
        finally:
            request.state.is_authenticating = False
    principal: Principal | None = request.state.principal
    return principal


def principal(request: Request) -> Principal:
    """The principal.

    Raises:
        Unauthenticated: nobody is signed in.
    """
    found = maybe_principal(request)
    if found is None:
        raise Unauthenticated
    return found


def account_id(request: Request) -> UUID:
    """The account of the person who asks.

    Raises:
        Unauthenticated: nobody is signed in.
        Forbidden: a service asks.
    """
    found = principal(request)
    if found.account_id is None:
        raise Forbidden
    return found.account_id


MaybePrincipal = Annotated[Principal | None, Depends(maybe_principal)]
CurrentPrincipal = Annotated[Principal, Depends(principal)]
CurrentAccount = Annotated[UUID, Depends(account_id)]
