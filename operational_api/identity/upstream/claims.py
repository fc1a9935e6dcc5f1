"""What an upstream's id_token says, once every reason to disbelieve it is gone."""

import time
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from authlib.oidc.core import CodeIDToken
from joserfc.errors import JoseError

from contracts.tokens import InvalidToken, KeySource, decode
from operational_api.identity.upstream.errors import NotConfirmed

ALGORITHMS = ["RS256", "ES256", "PS256"]
LEEWAY_SECONDS = 30
OLDEST_SECONDS = 600
"""Age at which an id_token was not made for the sign-in that has just come back."""
TENANT = "{tenantid}"
_PERSONAL = "9188040d-6c67-4c5b-b112-36a304b66dad"
"""Microsoft's tenant of personal accounts, whose addresses Microsoft has checked itself."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody as an upstream knows them. (`issuer`, `subject`) is who they are; all else is what they say.

    `is_email_theirs`: the upstream vouches that this person reads that mailbox.
    """

    provider: str
    issuer: str
    subject: str
    email: str
    is_email_theirs: bool
    name: str


def read(
    token: str, *, provider: str, issuer: str, client_id: str, nonce: str, access_token: str, keys: KeySource
) -> Person:
    """The person of an id_token.

    Args:
        issuer: The one accepted `iss`; with `{tenantid}` in it, that of the tenant that the token names.
        access_token: The one that came with it, which `at_hash` must fit.

    Raises:
        NotConfirmed: signature, issuer, audience, authorized party, nonce, time or hash is wrong.
        KeysUnavailable.
    """
    try:
        decoded = decode(token, keys, algorithms=ALGORITHMS, needs_kid=False)
        told: dict[str, Any] = decoded.claims
        expected = issuer_of(issuer, told)
        claims = CodeIDToken(
            told, decoded.header,
            options={"iss": {"essential": True, "value": expected}, "aud": {"essential": True, "value": client_id}},
            params={"client_id": client_id, "nonce": nonce, "access_token": access_token},
        )  # fmt: skip
        claims.validate(now=int(time.time()), leeway=LEEWAY_SECONDS)
        if time.time() - float(told["iat"]) > OLDEST_SECONDS or not isinstance(told["sub"], str) or not told["sub"]:
            raise NotConfirmed
    except (InvalidToken, JoseError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise NotConfirmed from error
    email = told.get("email")
    return Person(
        provider=provider, issuer=expected, subject=told["sub"], email=email if isinstance(email, str) else "",
        is_email_theirs=_vouches(provider, told), name=str(told.get("name") or ""),
    )  # fmt: skip


def issuer_of(template: str, told: dict[str, Any]) -> str:
    """The `iss` that a token must have.

    Raises:
        ValueError: it must name its tenant and does not.
    """
    return template.replace(TENANT, str(UUID(str(told.get("tid"))))) if TENANT in template else template


def _vouches(provider: str, told: dict[str, Any]) -> bool:
    # Whoever runs a Microsoft tenant may write any address into it: only what Microsoft has checked counts.
    if provider == "microsoft":
        return told.get("xms_edov") in (True, 1, "1", "true") or told.get("tid") == _PERSONAL
    return told.get("email_verified") is True
