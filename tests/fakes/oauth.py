"""Google's and Microsoft's authorization servers as far as calendars need them: code and PKCE, refresh, revocation."""

import base64
import hashlib
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlencode

from fastapi import FastAPI, Form, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response


@dataclass
class Grants:
    """Who was let in. `rotates`: each refresh makes the token before it worthless, as Microsoft's may."""

    client_id: str = "plyo-calendars"
    client_secret: str = "calendars-secret"
    rotates: bool = False
    expires_in: int = 3600
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    refresh_tokens: set[str] = field(default_factory=set)
    access_tokens: set[str] = field(default_factory=set)
    asked: list[dict[str, str]] = field(default_factory=list)
    refreshes: int = 0
    revoked: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    before_refresh: Callable[[], None] = lambda: None

    def issue(self, refresh_token: str | None = None) -> dict[str, object]:
        """A pair of tokens; the refresh token is told only where it is new."""
        access = secrets.token_urlsafe(12)
        self.access_tokens.add(access)
        told: dict[str, object] = {"access_token": access, "expires_in": self.expires_in, "token_type": "Bearer"}
        if refresh_token is None or self.rotates:
            self.refresh_tokens.discard(refresh_token or "")
            told["refresh_token"] = secrets.token_urlsafe(12)
            self.refresh_tokens.add(str(told["refresh_token"]))
        return told

    def forget(self) -> None:
        """Nobody was ever let in."""
        for known in (self.codes, self.refresh_tokens, self.access_tokens, self.asked, self.revoked):
            known.clear()
        self.refreshes = 0

    def lets_in(self, request: Request) -> bool:
        """Whether a request has a token that counts."""
        return request.headers.get("authorization", "").removeprefix("Bearer ") in self.access_tokens


def add_routes(app: FastAPI, grants: Grants) -> None:
    """Give an application the endpoints /authorize, /token and /revoke."""

    @app.get("/authorize")
    def authorize(request: Request) -> Response:
        asked = dict(request.query_params)
        grants.asked.append(asked)
        if asked["client_id"] != grants.client_id or asked.get("code_challenge_method") != "S256":
            return JSONResponse({"error": "invalid_request"}, 400)
        code = secrets.token_urlsafe(8)
        grants.codes[code] = asked
        back = urlencode({"code": code, "state": asked["state"]})
        return RedirectResponse(f"{asked['redirect_uri']}?{back}", 302)

    @app.post("/token")
    def token(
        grant_type: str = Form(),
        client_id: str = Form(),
        client_secret: str = Form(),
        code: str = Form(""),
        code_verifier: str = Form(""),
        redirect_uri: str = Form(""),
        refresh_token: str = Form(""),
    ) -> Response:
        if (client_id, client_secret) != (grants.client_id, grants.client_secret):
            return JSONResponse({"error": "invalid_client"}, 401)
        if grant_type == "refresh_token":
            grants.before_refresh()
            with grants.lock:
                if refresh_token not in grants.refresh_tokens:
                    return JSONResponse({"error": "invalid_grant"}, 400)
                grants.refreshes += 1
                return JSONResponse(grants.issue(refresh_token))
        asked = grants.codes.pop(code, None)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(code_verifier.encode()).digest()).rstrip(b"=").decode()
        if asked is None or asked["code_challenge"] != challenge or asked["redirect_uri"] != redirect_uri:
            return JSONResponse({"error": "invalid_grant"}, 400)
        return JSONResponse(grants.issue())

    @app.post("/revoke")
    def revoke(token: str = Form()) -> Response:
        grants.revoked.append(token)
        known = token in grants.refresh_tokens
        grants.refresh_tokens.discard(token)
        return JSONResponse({}, 200 if known else 400)
