"""Dagster's web pages behind a guard: `python -m orchestration.webserver <arguments of dagster-webserver>`.

Dagster has no sign-in. The gateway lets an admin's browser in and says so with a token; this guard believes the token
and nobody else, whoever reaches the port. What the pages show is Dagster's.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import httpx
from pydantic_settings import BaseSettings, SettingsConfigDict

from contracts.tokens import DAGSTER, InvalidToken, RemoteKeys, Verifier

ROLES = frozenset({"admin", "data", "service"})
"""Those whom the policy lets do `gateway.open_pipelines`, and programs."""
_MAKES_APP = "create_app_from_workspace_process_context"
Scope = MutableMapping[str, Any]
App = Callable[[Scope, Any, Any], Awaitable[None]]


class WebserverSettings(BaseSettings):
    """Whose tokens count (PLYO_PUBLIC_URL, PLYO_JWKS_URL)."""

    model_config = SettingsConfigDict(env_prefix="PLYO_", extra="ignore")
    public_url: str = "http://127.0.0.1:8400"
    jwks_url: str = "http://127.0.0.1:8401/oidc/jwks"


class Guard:
    """Lets through what carries an admin's or a service's token for Dagster; answers 401 to everything else.

    Args:
        app: What is guarded.
        verifier: For the audience `plyo-dagster`.
        open_path: Answers without a token: the versions, by which the supervisor sees that it is up.
    """

    def __init__(self, app: App, verifier: Verifier, *, open_path: str) -> None:
        self.app, self.verifier, self.open_path = app, verifier, open_path

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        """Handle one request or socket."""
        if scope["type"] == "lifespan" or scope["path"] == self.open_path or self._is_let_in(scope):
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
        else:
            headers = [(b"content-type", b"text/plain"), (b"www-authenticate", b"Bearer")]
            await send({"type": "http.response.start", "status": 401, "headers": headers})
            await send({"type": "http.response.body", "body": b"Open Dagster through the gateway, as an admin.\n"})

    def _is_let_in(self, scope: Scope) -> bool:
        scheme, _, token = dict(scope["headers"]).get(b"authorization", b"").decode("latin-1").partition(" ")
        if scheme.lower() != "bearer":
            return False
        try:
            return self.verifier.claims(token.strip()).get("role") in ROLES
        except (InvalidToken, httpx.HTTPError):  # nobody can be believed while the issuer's keys cannot be had
            return False


def main() -> None:
    """Run Dagster's own command line around the guarded app."""
    from dagster_webserver import cli

    settings = WebserverSettings()
    verifier = Verifier(RemoteKeys(settings.jwks_url), issuer=settings.public_url, audience=DAGSTER)
    unguarded = vars(cli)[_MAKES_APP]

    def guarded(context: Any, path_prefix: str = "", *more: Any, **options: Any) -> Guard:
        return Guard(
            unguarded(context, path_prefix, *more, **options), verifier, open_path=f"{path_prefix}/server_info"
        )

    # Dagster offers no place for a middleware; the name is looked up when its command runs.
    vars(cli)[_MAKES_APP] = guarded
    cli.cli()


if __name__ == "__main__":
    main()
