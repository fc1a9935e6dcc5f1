"""OAuth clients: registering them, and finding out which one is asking."""

import hmac
from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from contracts.tokens import API
from operational_api.identity.models import OAuthClient
from operational_api.identity.service.links import digest

LOOPBACK = "http://127.0.0.1/"
"""What addresses of programs begin with: they are registered without a port, and each sign-in chooses one."""


def register(
    session: Session,
    *,
    client_id: str,
    name: str,
    allowed_roles: Sequence[str],
    redirect_uris: Sequence[str] = (),
    post_logout_redirect_uris: Sequence[str] = (),
    secret: str | None = None,
    audiences: Sequence[str] = (API,),
    access_token_seconds: int = 900,
) -> None:
    """Register a client, or bring a registered one to these values.

    Args:
        allowed_roles: Who may sign in to it; `("service",)` makes it a service that gets tokens for itself.
        redirect_uris: Compared exactly, but for the port of those at `LOOPBACK`.
        audiences: The services that its access tokens are for.
        secret: None makes a public client, which must use PKCE. Kept as a hash: give one of high entropy.
    """
    values = {
        "name": name,
        "secret_hash": digest(secret) if secret else None,
        "redirect_uris": list(redirect_uris),
        "post_logout_redirect_uris": list(post_logout_redirect_uris),
        "allowed_roles": list(allowed_roles),
        "audiences": list(audiences),
        "access_token_seconds": access_token_seconds,
    }
    statement = insert(OAuthClient).values(client_id=client_id, created_at=datetime.now(UTC), **values)
    session.execute(statement.on_conflict_do_update(index_elements=[OAuthClient.client_id], set_=values))


def is_service(client: OAuthClient) -> bool:
    """Whether the client acts for itself."""
    return client.allowed_roles == ["service"]


def is_program(client: OAuthClient) -> bool:
    """Whether the client runs on people's own machines, as a terminal does (RFC 8252)."""
    return any(one.startswith(LOOPBACK) for one in client.redirect_uris)


def has_secret(client: OAuthClient, secret: str | None) -> bool:
    """Whether this is the client's secret; a public client has none and needs none."""
    if client.secret_hash is None:
        return not is_service(client)
    return secret is not None and hmac.compare_digest(client.secret_hash, digest(secret))
