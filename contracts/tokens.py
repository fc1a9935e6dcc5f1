"""How a service knows who calls it: names of audiences, and checking access tokens. Identity issues them.

Every hop inside Plyo carries such a token, and each service accepts only those made for it: what one of them is given
cannot be used at another. docs/operations.md lists the hops.
"""

import time
from collections.abc import Callable
from threading import Lock
from typing import Any

import httpx
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

API, ANALYTICS, DAGSTER = "plyo-api", "plyo-analytics", "plyo-dagster"
AUDIENCES = (API, ANALYTICS, DAGSTER)
ALGORITHMS = ["RS256"]
TYPE = "at+jwt"
KeySource = Callable[[bool], KeySet]
"""The issuer's public keys; called with True when a token names a key that was not among them."""


class InvalidToken(Exception):
    """The token is not to be believed; the message is for whoever sent it."""


def keys_from_url(url: str, *, ttl_seconds: float = 300) -> KeySource:
    """Keys fetched from a JWKS address, kept for `ttl_seconds`, fetched anew when a token names an unknown key."""
    lock = Lock()
    cached: list[tuple[float, KeySet]] = []

    def keys(refresh: bool) -> KeySet:
        with lock:
            age = time.monotonic() - cached[0][0] if cached else float("inf")
            if age > (5 if refresh else ttl_seconds):
                answer = httpx.get(url, timeout=5)
                answer.raise_for_status()
                cached[:] = [(time.monotonic(), KeySet.import_key_set(answer.json()))]
            return cached[0][1]

    return keys


class Verifier:
    """Turns an access token into its claims, or refuses it.

    Args:
        keys: Where the issuer's public keys come from.
        issuer: The one accepted `iss`.
        audience: Whom a token must be for. A token may name others beside it.
    """

    def __init__(self, keys: KeySource, *, issuer: str, audience: str) -> None:
        self._keys = keys
        self._claims = jwt.JWTClaimsRegistry(
            leeway=5,
            iss={"essential": True, "value": issuer},
            aud={"essential": True, "value": audience},
            exp={"essential": True},
            sub={"essential": True},
        )

    def claims(self, token: str) -> dict[str, Any]:
        """The claims of a valid access token.

        Raises:
            InvalidToken: signature, algorithm, type, issuer, audience or expiry is wrong.
        """
        for refresh in (False, True):
            try:
                decoded = jwt.decode(token, self._keys(refresh), algorithms=ALGORITHMS)
                self._claims.validate(decoded.claims)
            except ValueError as error:  # joserfc: no key of the set has the token's kid
                if refresh:
                    raise InvalidToken("This token was signed by a key we do not know.") from error
                continue
            except JoseError as error:
                raise InvalidToken("This token is expired or not valid here. Sign in again.") from error
            if decoded.header.get("typ") != TYPE:
                raise InvalidToken("This is not an access token.")
            return decoded.claims
        raise AssertionError("unreachable")
