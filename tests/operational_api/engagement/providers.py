"""Local servers in the place of the providers' clouds: SendGrid, Twilio, a browser's push service, FCM.

One HTTP server answers for all of them, by path, in the shapes and with the codes that theirs answer in. It keeps what
it took. `mishap` makes the next requests go wrong: `refuse`, `busy`, `moved` (SendGrid, FCM), `unsigned` (Google gives
no token), or `silent` (it takes the message and hangs up).
"""

import base64
import json
import os
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import http_ece
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

SID = "AC" + "0" * 32


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@dataclass
class Browser:
    """A subscription's own half: only with it can a push be read."""

    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    secret: bytes = field(default_factory=lambda: os.urandom(16))

    @property
    def p256dh(self) -> str:
        return b64(
            self.key.public_key().public_bytes(
                serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
            )
        )

    @property
    def auth(self) -> str:
        return b64(self.secret)

    def read(self, body: bytes) -> dict[str, str]:
        """What a push says (RFC 8291)."""
        told = http_ece.decrypt(body, private_key=self.key, auth_secret=self.secret, version="aes128gcm")
        found: dict[str, str] = json.loads(told)
        return found


@dataclass
class Cloud:
    """What was taken: e-mails, Twilio's messages, pushes as (path, headers, body), FCM's messages."""

    url: str = ""
    mishap: str = ""
    vapid_public: bytes = b""
    fcm_public: RSAKey | None = None
    emails: list[dict[str, Any]] = field(default_factory=list)
    texts: list[dict[str, Any]] = field(default_factory=list)
    pushes: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    apps: list[dict[str, Any]] = field(default_factory=list)
    tokens: int = 0
    asked: list[tuple[str, int, str]] = field(default_factory=list)
    """Of each request its path, the port that it came from, and who says to be asking."""


class Handler(BaseHTTPRequestHandler):
    """Answers as `cloud` says."""

    cloud: Cloud
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_: object) -> None:
        pass

    def _answer(self, status: int, body: object = None, **headers: str) -> None:
        data = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(data)

    def _note(self) -> None:
        by = self.headers["X-Goog-Api-Client"] or self.headers["User-Agent"]
        self.cloud.asked.append((urlsplit(self.path).path, self.client_address[1], by))

    def do_GET(self) -> None:
        self._note()
        parts = urlsplit(self.path)
        assert parts.path == f"/2010-04-01/Accounts/{SID}/Messages.json"
        to = parse_qs(parts.query)["To"][0]
        found = [one for one in self.cloud.texts if one["to"] == to]
        self._answer(200, {"messages": found, "page": 0, "next_page_uri": None, "uri": self.path})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self._note()
        if self.path == "/v3/mail/send":
            self._sendgrid(json.loads(body))
        elif self.path == f"/2010-04-01/Accounts/{SID}/Messages.json":
            self._twilio({key: value[0] for key, value in parse_qs(body.decode()).items()})
        elif self.path.startswith("/push/"):
            self._push(body)
        elif self.path == "/token":
            self._token({key: value[0] for key, value in parse_qs(body.decode()).items()})
        elif urlsplit(self.path).path == "/v1/projects/plyo-app/messages:send":
            self._fcm(json.loads(body)["message"])
        else:
            self._answer(404)

    def _hang_up(self) -> None:
        self.close_connection = True
        self.connection.close()

    def _sendgrid(self, document: dict[str, Any]) -> None:
        if self.headers["Authorization"] != "Bearer SG.test":
            return self._answer(401, {"errors": [{"message": "The provided authorization grant is invalid"}]})
        if self.cloud.mishap == "refuse":
            return self._answer(400, {"errors": [{"message": "Does not contain a valid address.", "field": "to"}]})
        if self.cloud.mishap == "busy":
            return self._answer(429, {"errors": [{"message": "too many requests"}]})
        if self.cloud.mishap == "moved":
            return self._answer(302, Location=f"{self.cloud.url}/elsewhere")
        assert {"personalizations", "from", "subject", "content"} <= document.keys()
        assert [one["type"] for one in document["content"]] == ["text/plain", "text/html"]
        self.cloud.emails.append(document)
        if self.cloud.mishap == "silent":
            return self._hang_up()
        return self._answer(202, X_Message_Id=f"sg-{len(self.cloud.emails)}")

    def _twilio(self, form: dict[str, str]) -> None:
        given = base64.b64decode(self.headers["Authorization"].removeprefix("Basic ")).decode()
        if given != f"{SID}:twilio-token":
            return self._answer(401, {"code": 20003, "message": "Authenticate", "status": 401})
        if self.cloud.mishap == "stopped":
            told = {"code": 21610, "message": "Attempt to send to unsubscribed recipient", "status": 400}
            return self._answer(400, told)
        if self.cloud.mishap == "refuse":
            return self._answer(400, {"code": 21211, "message": "Invalid 'To' Phone Number", "status": 400})
        if self.cloud.mishap == "busy":
            return self._answer(429, {"code": 20429, "message": "Too Many Requests", "status": 429})
        if len(form.get("Body", "")) > 1600:
            told = {"code": 21617, "message": "The concatenated message body exceeds the limit", "status": 400}
            return self._answer(400, told)
        now = format_datetime(datetime.now(UTC))
        body = form.get("Body") or "Hello " + " ".join(json.loads(form["ContentVariables"]).values())
        kept = {
            "sid": f"SM{len(self.cloud.texts):032}", "to": form["To"], "from": form.get("From"), "body": body,
            "status": "queued", "date_created": now, "date_sent": None, "date_updated": now, "account_sid": SID,
            "form": form,
        }  # fmt: skip
        self.cloud.texts.append(kept)
        if self.cloud.mishap == "silent":
            return self._hang_up()
        return self._answer(201, kept)

    def _push(self, body: bytes) -> None:
        scheme, _, rest = self.headers["Authorization"].partition(" ")
        given = dict(part.strip().split("=", 1) for part in rest.split(","))
        assert scheme == "vapid"
        assert base64.urlsafe_b64decode(given["k"] + "==") == self.cloud.vapid_public
        x, y = self.cloud.vapid_public[1:33], self.cloud.vapid_public[33:]
        key = ECKey.import_key({"kty": "EC", "crv": "P-256", "x": b64(x), "y": b64(y)})
        claims = jwt.decode(given["t"], key).claims
        assert claims["aud"] == self.cloud.url
        assert claims["sub"].startswith("mailto:")
        if self.path == "/push/gone" or self.cloud.mishap == "refuse":
            return self._answer(410)
        if self.cloud.mishap == "busy":
            return self._answer(503)
        assert self.headers["Content-Encoding"] == "aes128gcm"
        assert len(self.headers["Topic"]) <= 32
        if len(body) > 4096:
            return self._answer(413)
        self.cloud.pushes.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
        if self.cloud.mishap == "silent":
            return self._hang_up()
        return self._answer(201, Location="/message/1")

    def _token(self, form: dict[str, str]) -> None:
        assert form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
        assert self.cloud.fcm_public is not None
        claims = jwt.decode(form["assertion"], self.cloud.fcm_public).claims
        assert claims["iss"] == "push@plyo-app.test"
        assert claims["aud"] == "https://oauth2.googleapis.com/token"  # "always", by Google's own words
        assert claims["exp"] - claims["iat"] <= 3600
        self.cloud.tokens += 1
        if self.cloud.mishap == "unsigned":
            return self._answer(503, {"error": "temporarily_unavailable"})
        self._answer(200, {"access_token": "ya29.test", "expires_in": 3599, "token_type": "Bearer"})

    def _fcm(self, message: dict[str, Any]) -> None:
        if self.headers["Authorization"] != "Bearer ya29.test":
            return self._answer(401, {"error": {"status": "UNAUTHENTICATED"}})
        if self.cloud.mishap == "moved":
            return self._answer(307, Location=f"{self.cloud.url}/elsewhere")
        if self.cloud.mishap == "lost":
            return self._answer(404, {"error": {"code": 404, "status": "NOT_FOUND", "message": "Project not found."}})
        if self.cloud.mishap == "refuse":
            details = [{"errorCode": "UNREGISTERED"}]
            return self._answer(404, {"error": {"code": 404, "status": "NOT_FOUND", "details": details}})
        if self.cloud.mishap == "busy":
            return self._answer(503, {"error": {"code": 503, "status": "UNAVAILABLE"}})
        assert all(isinstance(value, str) for value in message["data"].values())
        if len(json.dumps([message["notification"], message["data"]], ensure_ascii=False).encode()) > 4096:
            return self._answer(400, {"error": {"code": 400, "status": "INVALID_ARGUMENT"}})
        self.cloud.apps.append(message)
        if self.cloud.mishap == "silent":
            return self._hang_up()
        return self._answer(200, {"name": f"projects/plyo-app/messages/{len(self.cloud.apps)}"})


def served() -> tuple[ThreadingHTTPServer, Cloud]:
    """A server that is not yet serving, and what it takes."""
    cloud = Cloud()
    handler = type("CloudHandler", (Handler,), {"cloud": cloud})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    cloud.url = f"http://127.0.0.1:{server.server_address[1]}"
    return server, cloud
