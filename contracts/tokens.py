"""How a service knows who calls it: names of audiences, and checking access tokens. Identity issues them.

Every hop inside Plyo carries such a token, and each service accepts only those made for it: what one of them is given
cannot be used at another. docs/operations.md lists the hops.
"""

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Any

import httpx
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet

API, ANALYTICS, DAGSTER = "plyo-api", "plyo-analytics", "plyo-dagster"
AUDIENCES = (API, ANALYTICS, DAGSTER)
ALGORITHMS = ["RS256"]
TYPE = "at+jwt"
KeySource = Callable[[bool], KeySet]
"""The issuer's public keys; called with True when a token names a key that was not among them."""
KeysAtHand = Callable[[], KeySet | None]
"""The keys that a `KeySource` tells without asking anybody; None where it would ask."""


class InvalidToken(Exception):
    """The token is not to be believed; the message is for whoever sent it."""


class KeysUnavailable(httpx.HTTPError):
    """The issuer's keys cannot be had right now, and none from before are young enough to be believed."""


class RemoteKeys:
    """A `KeySource` of a JWKS address: kept for `ttl_seconds`, fetched anew when a token names an unknown key.

    Whoever sends tokens with made-up key ids makes this ask no oftener than every `cooldown_seconds`, successful or
    not. While the issuer does not answer, keys already had are believed for `stale_seconds`; a caller waits only when
    nothing else could answer it, and one caller at a time asks.

    Args:
        url: Of the key set.
    """

    def __init__(
        self, url: str, *, ttl_seconds: float = 300, cooldown_seconds: float = 5, stale_seconds: float = 3600
    ) -> None:
        self.url, self._ttl, self._cooldown, self._stale = url, ttl_seconds, cooldown_seconds, stale_seconds
        self._lock = Lock()
        self._keys: KeySet | None = None
        self._fetched_at = self._tried_at = float("-inf")

    def __call__(self, refresh: bool) -> KeySet:
        """The keys.

        Raises:
            KeysUnavailable.
        """
        known, fetched_at = self._keys, self._fetched_at
        if known is not None and not refresh and time.monotonic() - fetched_at <= self._ttl:
            return known
        is_usable = known is not None and time.monotonic() - fetched_at <= self._stale
        # Seconds: two for who holds a token of a key we do not know, none for who has a key that is merely old.
        patience = (2.0 if refresh else 0.0) if is_usable else 6.0
        if self._lock.acquire(timeout=patience):
            try:
                if self._fetched_at == fetched_at:
                    self._fetch(is_usable)
            finally:
                self._lock.release()
        if self._keys is None or time.monotonic() - self._fetched_at > self._stale:
            raise KeysUnavailable(f"No keys to be had from {self.url}")
        return self._keys

    def at_hand(self) -> KeySet | None:
        """The keys, unless they are to be fetched."""
        return self._keys if time.monotonic() - self._fetched_at <= self._ttl else None

    def _fetch(self, is_usable: bool) -> None:
        if time.monotonic() - self._tried_at < (self._cooldown if is_usable else min(1.0, self._cooldown)):
            return
        self._tried_at = time.monotonic()
        try:
            answer = httpx.get(self.url, timeout=5)
            answer.raise_for_status()
            self._keys = KeySet.import_key_set(answer.json())
            self._fetched_at = time.monotonic()
        except (httpx.HTTPError, JoseError, ValueError, KeyError, TypeError):  # told to the caller by what is left
            return


def decode(token: str, keys: KeySource, *, algorithms: list[str] | None = None, needs_kid: bool = True) -> jwt.Token:
    """A token that one of the keys signed, asking once more for keys when it names another. Nothing else is checked.

    Args:
        needs_kid: False believes a token without `kid` where the issuer has one key (OpenID Connect Core, 10.1).

    Raises:
        InvalidToken: no signature of theirs, or a token that does not say by which key it is.
    """
    for refresh in (False, True):
        try:
            decoded = jwt.decode(token, keys(refresh), algorithms=algorithms or ALGORITHMS)
        except InvalidKeyIdError as error:
            if refresh:
                raise InvalidToken("This token was signed by a key we do not know.") from error
            continue
        except (JoseError, ValueError, TypeError) as error:
            raise InvalidToken("This token is expired or not valid here. Sign in again.") from error
        if needs_kid and not decoded.header.get("kid"):
            raise InvalidToken("This token does not say which key signed it.")
        return decoded
    raise AssertionError("unreachable")


class Verifier:
    """Turns an access token into its claims, or refuses it.

    A token that was believed is known again by its hash until it runs out, as long as the keys are the very ones by
    which it was believed: a key that is withdrawn takes its tokens with it. What ended is not asked here.

    Args:
        keys: Where the issuer's public keys come from.
        issuer: The one accepted `iss`.
        audience: Whom a token must be for. A token may name others beside it.
        at_hand: The same keys where they are to be had without waiting.
    """

    _MOST_BELIEVED = 4096

    def __init__(self, keys: KeySource, *, issuer: str, audience: str, at_hand: KeysAtHand = lambda: None) -> None:
        self._keys, self._at_hand = keys, at_hand
        self._believed: OrderedDict[bytes, tuple[KeySet, dict[str, Any]]] = OrderedDict()
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
            KeysUnavailable: nobody can be believed until the issuer answers.
        """
        name, keys = _name_of(token), self._keys(False)
        known = self._known(name, keys)
        return self._believe(name, keys, self._checked(token, self._keys)) if known is None else known

    def at_once(self, token: str) -> dict[str, Any] | None:
        """The claims of a token for who cannot wait: checking it takes less than a turn of a thread. None where it is
        to be refused, or keys are to be asked for."""
        keys = self._at_hand()
        if keys is None:
            return None
        name = _name_of(token)
        known = self._known(name, keys)
        if known is not None:
            return known
        try:
            return self._believe(name, keys, self._checked(token, lambda _: keys))
        except InvalidToken:
            return None

    def _believe(self, name: bytes, keys: KeySet, claims: dict[str, Any]) -> dict[str, Any]:
        self._believed[name] = (keys, claims)
        while len(self._believed) > self._MOST_BELIEVED:
            self._believed.popitem(last=False)
        return dict(claims)

    def _known(self, name: bytes, keys: KeySet) -> dict[str, Any] | None:
        known = self._believed.get(name)
        if known is None or known[0] is not keys or time.time() >= float(known[1]["exp"]):
            return None
        return dict(known[1])

    def _checked(self, token: str, keys: KeySource) -> dict[str, Any]:
        decoded = decode(token, keys)
        try:
            self._claims.validate(decoded.claims)
        except (JoseError, ValueError, TypeError) as error:
            raise InvalidToken("This token is expired or not valid here. Sign in again.") from error
        if decoded.header.get("typ") != TYPE:
            raise InvalidToken("This is not an access token.")
        claims: dict[str, Any] = decoded.claims
        return claims


def _name_of(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
