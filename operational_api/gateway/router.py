"""Answers the gateway's question before it lets a browser into a tool that has no sign-in of its own (forwardAuth)."""

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Query, Request, Response

from contracts.tokens import DAGSTER
from operational_api.core.errors import Forbidden
from operational_api.core.policy import Allowed, actions, roles_that_may
from operational_api.core.principal import MaybePrincipal
from operational_api.gateway import reports, screens
from operational_api.gateway.bff import router as bff
from operational_api.gateway.graphql import router as graphql
from operational_api.web.rendering import redirect, safe_return_path

router = APIRouter()
_gate = APIRouter(tags=["gateway"], include_in_schema=False)


@_gate.get("/gateway/authorize", dependencies=[Allowed("platform.read_public")])
def authorize(request: Request, principal: MaybePrincipal, action: Annotated[str, Query(max_length=100)]) -> Response:
    """204 lets the request pass; a guest is sent to sign in and then back; another role gets a page that says no.

    Args:
        action: What those who pass must be allowed to do; one that no policy knows is refused to everybody.
    """
    if principal is None:
        wanted = safe_return_path(request.headers.get("x-forwarded-uri"), "/")
        # In full: Traefik reads a path as one of the address it asked, which is not where people are.
        root = request.app.state.settings.public_url
        return redirect(request, f"{root}/auth/login?return_to={quote(wanted, safe='')}")
    allowed = roles_that_may(action) if action in actions() else ()
    if principal.role not in allowed:
        told = " and ".join(f"{role.replace('_', ' ')} accounts" for role in allowed) or "nobody"
        raise Forbidden(f"This part of Plyo is for {told}. You are signed in as {principal.role.replace('_', ' ')}.")
    # Traefik hands the token on: the tool behind it believes the token, not the address it was asked from.
    token = request.app.state.delegation.token(principal, DAGSTER)
    headers = {"X-Plyo-Principal": principal.key, "X-Plyo-Role": principal.role, "Authorization": f"Bearer {token}"}
    return Response(status_code=204, headers=headers)


for _part in (_gate, screens.router, graphql.router, bff.router, reports.router):
    router.include_router(_part)
