"""Who asks: the signed-in person or service.

What they may do is `core.policy`; how they proved who they are is `core.tokens` or the web shell.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, TypeVar
from uuid import UUID

from fastapi import Depends, Request

from operational_api.core.errors import Forbidden, Unauthenticated, Unavailable
from operational_api.core.threads import in_a_turn
from operational_api.core.tokens import TokenVerifier

STAFF_ROLES = ("coach", "lead_coach", "front_desk", "finance", "support", "admin", "data")
ROLES = ("customer", *STAFF_ROLES, "service")
"""A person has one of these; `service` is a program's. What each may do is `core/policies/`."""


@dataclass(frozen=True, slots=True)
class Credential:
    """By what somebody is believed to be who they say, as far as it can stop to hold (`core.standing`).

    Args:
        names: The session it came from and, of a token, the grant.
        issued_at: Seconds since 1970; a role that changed later is another than it says.
    """

    names: tuple[UUID, ...]
    issued_at: int


@dataclass(frozen=True, slots=True)
class Principal:
    """The person or service behind a request. `account_id` of a service is None; `client_id` is the OAuth client.

    `locations` are the studios that a person is kept to, known where it matters (`scheduling.access`); None: all.
    """

    role: str
    client_id: str
    account_id: UUID | None = None
    session_id: UUID | None = None
    display_name: str = ""
    credential: Credential | None = None
    locations: frozenset[UUID] | None = None

    @property
    def key(self) -> str:
        """A stable name for rate limits, idempotency and logs."""
        return str(self.account_id or self.client_id)


Call = TypeVar("Call", bound=Callable[..., Any])
Authenticator = Callable[[Request], Principal | None]
"""Reads one kind of credential: None when the request carries none, raises Unauthenticated when it is bad."""


class Bearer:
    """Reads `Authorization: Bearer`. A person's token is asked about again by every transaction that serves it."""

    def __init__(self, verifier: TokenVerifier) -> None:
        self._verifier = verifier

    def __call__(self, request: Request) -> Principal | None:
        """As an authenticator."""
        token = self._token(request)
        return None if token is None else bearer_of(self._verifier.verify(token))

    def at_once(self, request: Request) -> Principal | None:
        """Who brings a token that can be believed without asking; None where somebody is to be asked, or refused."""
        token = self._token(request)
        claims = None if token is None else self._verifier.at_once(token)
        try:
            return None if claims is None else bearer_of(claims)
        except Unauthenticated:
            return None

    @staticmethod
    def _token(request: Request) -> str | None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        return token.strip() if scheme.lower() == "bearer" else None


def bearer_of(claims: dict[str, Any]) -> Principal:
    """The person or service that the claims of a verified access token speak of.

    Raises:
        Unauthenticated: they speak of nobody.
    """
    role = claims.get("role")
    if role not in ROLES:
        raise Unauthenticated("This token carries no role.")
    try:
        if role == "service":
            return Principal(role=role, client_id=claims["client_id"], display_name=claims.get("name", ""))
        return person_of(claims)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise Unauthenticated("This token does not say whose it is.") from error


def person_of(claims: dict[str, Any]) -> Principal:
    """The person that the claims of a verified access token speak of.

    Raises:
        ValueError, TypeError, KeyError, AttributeError: they do not say whose it is, which no token of ours does.
    """
    named = (claims.get("sid") or "", claims.get("gid") or "")
    return _person(
        claims["role"], claims["client_id"], claims["sub"], *named, claims.get("name", ""), int(claims.get("iat", 0))
    )  # fmt: skip


@lru_cache(maxsize=4096)
def _person(role: str, client_id: str, subject: str, session: str, grant: str, name: str, issued_at: int) -> Principal:
    """The same token is brought again and again, and four ids are read out of it."""
    return Principal(
        role=role,
        client_id=client_id,
        account_id=UUID(subject),
        session_id=UUID(session) if session else None,
        display_name=name,
        credential=Credential(names=tuple(UUID(one) for one in (session, grant) if one), issued_at=issued_at),
    )


def maybe_principal(request: Request) -> Principal | None:
    """The principal, or None for a guest. Asks the app's authenticators in turn, once per request.

    Whether their credential still holds is asked by the transaction that the endpoint works in, or else here.
    """
    state = request.state
    if not hasattr(state, "principal"):
        state.is_authenticating = True
        try:
            found = next(
                (found for one in request.app.state.authenticators if (found := one(request)) is not None), None
            )
        finally:
            state.is_authenticating = False
        state.principal = found
        if not _has_transaction(request):
            try:
                demand_standing(request)
            except Exception:
                del state.principal  # whoever asks again is refused again
                raise
    principal: Principal | None = state.principal
    return principal


def in_transaction(dependency: Call) -> Call:
    """Marks the dependency that opens the request's transaction."""
    vars(dependency)["opens_transaction"] = True
    return dependency


def _has_transaction(request: Request) -> bool:
    route = request.scope.get("route")
    dependant = getattr(route, "dependant", None)
    if dependant is None:
        return False
    known: bool | None = vars(route).get("has_transaction")
    if known is None:
        known = vars(route)["has_transaction"] = opens_transaction(dependant)
    return known


def opens_transaction(dependant: Any) -> bool:
    """Whether FastAPI opens the request's transaction for what it calls."""
    return getattr(dependant.call, "opens_transaction", False) or any(map(opens_transaction, dependant.dependencies))


def demand_standing(request: Request) -> None:
    """Ask whether the credential of who asks still holds, in a transaction of its own.

    Raises:
        Unauthenticated: it does not.
        Unavailable: this process has nobody to ask.
    """
    found: Principal | None = request.state.principal
    if found is None or found.credential is None:
        return
    sessions = getattr(request.app.state, "sessions", None)
    if sessions is None:  # what cannot be asked is not believed
        raise Unavailable("Nobody can be let in right now. Try again in a minute.")
    with sessions.begin() as session:
        session.connection()  # its first statement says who looks, and asks (core.viewer)


async def known_principal(request: Request) -> Principal | None:
    """`maybe_principal` for the event loop: finding them out may ask a database, so that is done in a thread.

    Dependencies that only look at what is known are coroutines like this one: each that is not costs a thread's turn.
    """
    if is_known(request):
        found: Principal | None = request.state.principal
        return found
    return await in_a_turn(maybe_principal, request)


def is_known(request: Request) -> bool:
    """Whether `maybe_principal` has nobody to ask: they were found before, or bring a token that the keys at hand tell
    to a route whose transaction asks whether it still holds.
    """
    state = request.state
    if hasattr(state, "principal"):
        return True
    first = request.app.state.authenticators[0]
    if not isinstance(first, Bearer) or not _has_transaction(request):
        return False
    found = first.at_once(request)
    if found is not None:
        state.principal = found
    return found is not None


async def principal(request: Request) -> Principal:
    """The principal.

    Raises:
        Unauthenticated: nobody is signed in.
    """
    found = await known_principal(request)
    if found is None:
        raise Unauthenticated
    return found


async def account_id(request: Request) -> UUID:
    """The account of the person who asks.

    Raises:
        Unauthenticated: nobody is signed in.
        Forbidden: a service asks.
    """
    return account_id_of(await principal(request))


def account_id_of(found: Principal) -> UUID:
    """The account behind a principal.

    Raises:
        Forbidden: it is a service, which has none.
    """
    if found.account_id is None:
        raise Forbidden
    return found.account_id


MaybePrincipal = Annotated[Principal | None, Depends(known_principal)]
CurrentPrincipal = Annotated[Principal, Depends(principal)]
CurrentAccount = Annotated[UUID, Depends(account_id)]
