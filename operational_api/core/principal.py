"""Who asks: the signed-in person or service, and the dependencies by which endpoints demand a role.

What they may do to one object is `core.policy`; how they proved who they are is `core.tokens` or the web shell.
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

ROLES = ("customer", "coach", "admin", "service")


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


def bearer(verifier: TokenVerifier, *, has_ended: HasEnded | None = None) -> Authenticator:
    """Reads `Authorization: Bearer`.

    Args:
        has_ended: Asked with every request of a person, so that signing out counts at once; None where the process
            does not see sessions, and tokens live until they expire.
    """

    def authenticate(request: Request) -> Principal | None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        claims = verifier.verify(token.strip())
        if claims.get("role") not in ROLES:
            raise Unauthenticated("This token carries no role.")
        is_service = claims["role"] == "service"
        session_id = UUID(claims["sid"]) if claims.get("sid") else None
        if has_ended is not None and session_id is not None:
            with request.app.state.sessions() as session:
                if has_ended(session, session_id, datetime.now(UTC)):
                    raise Unauthenticated("You have signed out. Sign in again.")
        return Principal(
            role=claims["role"],
            client_id=claims["client_id"],
            account_id=None if is_service else UUID(claims["sub"]),
            session_id=session_id,
            display_name=claims.get("name", ""),
        )

    return authenticate


def maybe_principal(request: Request) -> Principal | None:
    """The principal, or None for a guest. Asks the app's authenticators in turn, once per request."""
    if not hasattr(request.state, "principal"):
        request.state.principal = next(
            (found for one in request.app.state.authenticators if (found := one(request)) is not None), None
        )
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


def _person(*roles: str) -> Callable[[Request], UUID]:
    def account_id(request: Request) -> UUID:
        found = principal(request)
        if found.role not in roles or found.account_id is None:
            raise Forbidden
        return found.account_id

    return account_id


def _service(request: Request) -> Principal:
    found = principal(request)
    if found.role != "service":
        raise Forbidden
    return found


MaybePrincipal = Annotated[Principal | None, Depends(maybe_principal)]
CurrentPrincipal = Annotated[Principal, Depends(principal)]
CurrentCustomer = Annotated[UUID, Depends(_person("customer"))]
CurrentCoach = Annotated[UUID, Depends(_person("coach"))]
CurrentAdmin = Annotated[UUID, Depends(_person("admin"))]
CurrentService = Annotated[Principal, Depends(_service)]
