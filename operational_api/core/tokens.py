"""Access tokens in the API: believing those made for it, and making short ones to ask another service in a name.

Identity issues tokens to clients; what is made here never leaves the inside. How a token is checked: contracts.tokens.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Any

from joserfc import jwt
from joserfc.jwk import RSAKey

from contracts.ids import new_id
from contracts.tokens import (
    ALGORITHMS,
    API,
    TYPE,
    InvalidToken,
    KeysAtHand,
    KeySource,
    KeysUnavailable,
    RemoteKeys,
    Verifier,
)
from operational_api.core.errors import Unauthenticated, Unavailable

if TYPE_CHECKING:
    from operational_api.core.principal import Principal

__all__ = ["AUDIENCE", "Delegation", "KeySource", "RemoteKeys", "TokenVerifier", "no_signer"]
AUDIENCE = API
DELEGATED_SECONDS = 60
_REMADE_AFTER_SECONDS = 30


class TokenVerifier:
    """`contracts.tokens.Verifier` with the house's refusal.

    Args:
        keys: Where the issuer's public keys come from.
        issuer: The one accepted `iss`.
        audience: Whom a token must be for.
        at_hand: The same keys where they are to be had without waiting.
    """

    def __init__(
        self, keys: KeySource, *, issuer: str, audience: str = AUDIENCE, at_hand: KeysAtHand = lambda: None
    ) -> None:
        self._verifier = Verifier(keys, issuer=issuer, audience=audience, at_hand=at_hand)

    def verify(self, token: str) -> dict[str, Any]:
        """The claims of a valid access token.

        Raises:
            Unauthenticated: signature, algorithm, type, issuer, audience or expiry is wrong.
            Unavailable: the issuer's keys cannot be had.
        """
        try:
            return self._verifier.claims(token)
        except InvalidToken as error:
            raise Unauthenticated(str(error)) from error
        except KeysUnavailable as error:
            raise Unavailable from error

    def at_once(self, token: str) -> dict[str, Any] | None:
        """The claims of a token, for an event loop; None where it is to be refused, or keys are to be asked for."""
        return self._verifier.at_once(token)


def no_signer() -> RSAKey:
    """The signer of a process without identity: it has no key.

    Raises:
        Unavailable: always.
    """
    raise Unavailable("This process cannot ask other services in your name.")


@dataclass
class Delegation:
    """Makes tokens by which the API asks another service for somebody: of one audience, a minute long, with `act`
    (RFC 8693) telling that it is the API that asks.

    Args:
        issuer: `iss`, the public origin.
        signer: Tells the key that signs now, an RSA private key with a `kid`.
    """

    issuer: str
    signer: Callable[[], RSAKey]
    _made: dict[tuple[str, str, str, str], tuple[float, str]] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def token(self, principal: "Principal", audience: str) -> str:
        """A token that lives for at least half a minute more; a page's many requests share one."""
        known = (principal.key, principal.role, str(principal.session_id), audience)
        with self._lock:
            at, token = self._made.get(known, (0.0, ""))
            if time.monotonic() - at < _REMADE_AFTER_SECONDS and token:
                return token
            if len(self._made) > 10_000:
                self._made.clear()
            token = self._sign(principal, audience)
            self._made[known] = (time.monotonic(), token)
            return token

    def _sign(self, principal: "Principal", audience: str) -> str:
        at = int(time.time())
        claims: dict[str, Any] = {
            "iss": self.issuer, "aud": audience, "sub": principal.key, "client_id": principal.client_id,
            "role": principal.role, "act": {"sub": API}, "iat": at, "exp": at + DELEGATED_SECONDS, "jti": str(new_id()),
        }  # fmt: skip
        if principal.session_id:
            claims["sid"] = str(principal.session_id)
        if principal.credential is not None:  # what ends theirs ends ours
            for grant in set(principal.credential.names) - {principal.session_id}:
                claims["gid"] = str(grant)
        key = self.signer()
        header = {"alg": ALGORITHMS[0], "typ": TYPE, "kid": key.kid}
        return jwt.encode(header, claims, key, algorithms=ALGORITHMS)
