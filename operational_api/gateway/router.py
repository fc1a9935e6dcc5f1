"""Answers the gateway's question before it lets a browser into a tool that has no sign-in of its own (forwardAuth)."""

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Query, Request, Response

from contracts.tokens import DAGSTER
from operational_api.core.errors import Forbidden
from operational_api.core.principal import MaybePrincipal
from operational_api.gateway import reports
from operational_api.gateway.bff import router as bff
from operational_api.gateway.graphql import router as graphql
from operational_api.web.rendering import redirect, safe_return_path

router = APIRouter()
router.include_router(graphql.router)
router.include_router(bff.router)
router.include_router(reports.router)


@router.get("/gateway/authorize", tags=["gateway"], include_in_schema=False)
def authorize(request: Request, principal: MaybePrincipal, roles: Annotated[str, Query(max_length=100)]) -> Response:
    """204 lets the request pass; a guest is sent to sign in and then back; another role gets a page that says no.

    Args:
        roles: Who may pass, comma separated.
    """
    if principal is None:
        wanted = safe_return_path(request.headers.get("x-forwarded-uri"), "/")
        # In full: Traefik reads a path as one of the address it asked, which is not where people are.
        root = request.app.state.settings.public_url
        return redirect(request, f"{root}/auth/login?return_to={quote(wanted, safe='')}")
    if principal.role not in roles.split(","):
        allowed = " and ".join(f"{role}s" for role in roles.split(","))
        raise Forbidden(f"This part of Plyo is for {allowed}. You are signed in as a {principal.role}.")
    # Traefik hands the token on: the tool behind it believes the token, not the address it was asked from.
    token = request.app.state.delegation.token(principal, DAGSTER)
    headers = {"X-Plyo-Principal": principal.key, "X-Plyo-Role": principal.role, "Authorization": f"Bearer {token}"}
    return Response(status_code=204, headers=headers)
