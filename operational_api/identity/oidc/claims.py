"""What tokens say, and signing them: access tokens (RFC 9068) for our APIs, id_tokens for clients."""

import base64
import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from contracts.ids import new_id
from operational_api.identity.models import Account, LoginSession, OAuthClient

ALGORITHM = "RS256"
SCOPES = ("openid", "profile", "email", "offline_access")
ID_TOKEN_SECONDS = 600


ACR = ("urn:plyo:acr:1", "urn:plyo:acr:2", "phr")
"""How well a person proved who they are, weakest first: a password; a second factor; one that phishing cannot get
(`phr` of OpenID's EAP ACR values: a passkey)."""


@dataclass(frozen=True, slots=True)
class Issuer:
    """Who signs.

    Args:
        url: `iss`, the public origin.
        key: RSA private key with a `kid`.
    """

    url: str
    key: RSAKey

    def sign(self, claims: dict[str, Any], *, type_: str) -> str:
        """A JWT of these claims; `type_` is its header `typ`, which keeps one kind from passing for another."""
        header = {"alg": ALGORITHM, "typ": type_, "kid": self.key.kid}
        return jwt.encode(header, claims, self.key, algorithms=[ALGORITHM])


def acr_of(amr: Collection[str]) -> str:
    """The level of `ACR` that these methods (RFC 8176) reach."""
    if "mfa" not in amr:
        return ACR[0]
    return ACR[2] if {"hwk", "swk"} & set(amr) else ACR[1]


def proof(login: LoginSession) -> dict[str, Any]:
    """When and how the holder of a session proved who they are, as tokens say it."""
    at = int(login.authenticated_at.timestamp())
    return {"auth_time": at, "acr": acr_of(login.amr), "amr": login.amr}


def access_token(
    issuer: Issuer,
    client: OAuthClient,
    *,
    scope: str,
    now: datetime,
    account: Account | None = None,
    login: LoginSession | None = None,
    grant_id: UUID | None = None,
) -> str:
    """An access token of a person, or without account and login of a service client itself.

    Args:
        grant_id: What all tokens that came from one code have in common, so that they can be ended together.
    """
    at = int(now.timestamp())
    end = at + client.access_token_seconds
    audiences = client.audiences
    claims: dict[str, Any] = {
        "iss": issuer.url,
        "aud": audiences[0] if len(audiences) == 1 else audiences,
        "sub": str(account.id) if account else client.client_id,
        "client_id": client.client_id,
        "role": account.role if account else "service",
        "scope": scope,
        "iat": at,
        "exp": min(end, int(login.expires_at.timestamp())) if login else end,
        "jti": str(new_id()),
    }
    if account is not None and login is not None:
        claims |= {"name": account.display_name, "sid": str(login.id), "gid": str(grant_id)} | proof(login)
    return issuer.sign(claims, type_="at+jwt")


def read_access_token(issuer: Issuer, token: str) -> dict[str, Any] | None:
    """The claims of an access token of ours that has not expired, whomever it is for; None for anything else."""
    try:
        decoded = jwt.decode(token, issuer.key, algorithms=[ALGORITHM])
        jwt.JWTClaimsRegistry(iss={"essential": True, "value": issuer.url}, exp={"essential": True}).validate(
            decoded.claims
        )
    except (JoseError, ValueError):
        return None
    return decoded.claims if decoded.header.get("typ") == "at+jwt" else None


def person_claims(account: Account, scope: str) -> dict[str, Any]:
    """What the scopes granted tell about a person. Name and role go to every client: all are surfaces of ours, and
    the role decides what they may show."""
    granted = scope.split()
    claims: dict[str, Any] = {"sub": str(account.id), "name": account.display_name}
    claims |= {"role": account.role, "roles": [account.role]}
    if "email" in granted:
        claims |= {"email": account.email, "email_verified": account.email_verified_at is not None}
    if "profile" in granted:
        claims |= {"zoneinfo": account.time_zone, "locale": account.locale}
    return claims


def id_token(
    issuer: Issuer,
    client: OAuthClient,
    account: Account,
    login: LoginSession,
    *,
    scope: str,
    nonce: str | None,
    access: str,
    now: datetime,
) -> str:
    """An id_token with `at_hash` over the access token issued beside it."""
    at = int(now.timestamp())
    left_half = hashlib.sha256(access.encode()).digest()[:16]
    claims = person_claims(account, scope) | {
        "iss": issuer.url,
        "aud": client.client_id,
        "iat": at,
        "exp": at + ID_TOKEN_SECONDS,
        "sid": str(login.id),
        "at_hash": base64.urlsafe_b64encode(left_half).rstrip(b"=").decode(),
    }
    claims |= proof(login)
    if nonce is not None:
        claims["nonce"] = nonce
    return issuer.sign(claims, type_="JWT")
