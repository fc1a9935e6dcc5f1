"""Round trips to a provider that are under way in a browser: each in a cookie of its own, found by its `state`.

So tabs that sign in side by side do not replace each other's. The cookie is signed and names what the trip is about; a
trip that has come back is over, and its cookie goes with the answer.
"""

import hashlib
import re
import secrets
from typing import Any

from authlib.oauth2.rfc7636 import create_s256_code_challenge
from fastapi import Request, Response
from itsdangerous import BadSignature, URLSafeTimedSerializer

from operational_api.web.cookies import cookie_name, read_cookie, set_cookie

FLOW_SECONDS = 1800
MOST = 6
"""Trips kept in one browser; a seventh ends the one begun first: headers have a size."""


def new(**facts: str) -> dict[str, str]:
    """A trip about these facts, with a `state`, a `nonce` and a PKCE `verifier` of its own."""
    return facts | {
        "state": secrets.token_urlsafe(16), "nonce": secrets.token_urlsafe(16), "verifier": secrets.token_urlsafe(48),
    }  # fmt: skip


def challenge_of(flow: dict[str, str]) -> str:
    """The PKCE S256 challenge of a trip's verifier."""
    return str(create_s256_code_challenge(flow["verifier"]))


def keep(request: Request, response: Response, kind: str, flow: dict[str, str]) -> None:
    """Set the cookie of a trip, and drop the oldest where there are too many.

    Args:
        kind: Keeps trips of one purpose from passing for another's.
    """
    value = _signer(request, kind).dumps(flow)
    set_cookie(request, response, _name(flow["state"]), value, max_age=FLOW_SECONDS)
    prefix = cookie_name(request.app.state.settings, "flow_")
    others = [name.removeprefix(prefix) for name in request.cookies if name.startswith(prefix)]
    for name in others[: max(0, len(others) + 1 - MOST)]:  # browsers send the oldest first
        if re.fullmatch(r"[0-9a-f]{12}", name):
            set_cookie(request, response, f"flow_{name}", "", max_age=0)


def find(request: Request, kind: str, state: str) -> dict[str, str] | None:
    """The trip that this answer belongs to; None where this browser began none, or too long ago."""
    try:
        found: dict[str, Any] = _signer(request, kind).loads(
            read_cookie(request, _name(state)) or "", max_age=FLOW_SECONDS
        )
    except BadSignature:
        return None
    return found if secrets.compare_digest(str(found.get("state", "")).encode(), state.encode()) else None


def end(request: Request, response: Response, state: str) -> None:
    """The trip has come back: its answer does not count a second time."""
    set_cookie(request, response, _name(state), "", max_age=0)


def _name(state: str) -> str:
    return f"flow_{hashlib.sha256(state.encode()).hexdigest()[:12]}"


def _signer(request: Request, kind: str) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(request.app.state.settings.session_secret.get_secret_value(), salt=f"flow {kind}")
