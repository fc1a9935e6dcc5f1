"""What may be kept by whom, and for how long: the whole policy, one line a kind of path, applied by a middleware.

Private answers are never kept: `no-store` for whatever says something about a person, and for every answer that is not
a plain success. Kept by everybody is only what is the same for everybody and asked for without a credential. Kept by
the reader's own browser, to be asked about again (`no-cache` with an ETag), is what is theirs and large.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

NEVER = "no-store"
REVALIDATED = "private, no-cache"
LARGEST_TAGGED_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of answer.

    Args:
        paths: Regular expressions that match from the start.
        guest: Cache-Control for who asks without cookie and token.
        known: For everybody else.
        tagged: Whether GETs get an ETag, and 304 when the reader has it already.
    """

    paths: Sequence[str]
    guest: str
    known: str = NEVER
    tagged: bool = False


SHOWN = "public, max-age=60, stale-while-revalidate=60"
"""For pages: within the second minute the kept one is shown while a newer one is fetched, so that an edit is seen by
everybody after two."""

POLICY = (
    # Answers that say themselves how long they live: files by their hash, the service worker, keys, discovery.
    Rule((r"/static/", r"/sw\.js$", r"/manifest\.webmanifest$", r"/favicon\.ico$"), "", ""),
    Rule((r"/oidc/jwks$", r"/\.well-known/"), "public, max-age=300", "public, max-age=300", tagged=True),
    # What every guest sees first.
    Rule((r"/$", r"/plans$"), SHOWN, tagged=True),
    # What is for sale and who works here: the same for everybody, so kept by everybody for a minute.
    Rule((r"/api/commerce/plans$", r"/api/scheduling/coaches$"), "public, max-age=60", REVALIDATED, tagged=True),
    Rule((r"/api/openapi\.json$", r"/api/graphql/queries$"), "public, max-age=300", REVALIDATED, tagged=True),
    # The catalogue of movements: of no person, but only for who is signed in.
    Rule((r"/api/training/exercises$",), NEVER, REVALIDATED, tagged=True),
    # Files of videos: theirs for as long as their signature, told by each answer.
    Rule((r"/api/training/media-files/",), "", ""),
    # Whoever has the secret address of a feed asks again and again whether anything changed.
    Rule((r"/api/scheduling/calendar-feeds/",), REVALIDATED, REVALIDATED),
    # Made for one person: what the graph answers and does, and first screens.
    Rule((r"/api/graphql$", r"/api/bff/"), NEVER),
    Rule(("",), NEVER),
)
VARY = "Cookie, Authorization, Accept, Accept-Language"
"""By what answers differ that a cache may keep: it must never give one person's to another, nor a page for JSON."""
CLEARED_AT = (r"/auth/logout$", r"/oidc/logout$")
"""Paths after which a browser forgets what it kept for the person."""


@lru_cache(maxsize=2048)
def rule_of(path: str) -> Rule:
    """The rule of a path."""
    return next(rule for rule in POLICY if any(re.match(pattern, path) for pattern in rule.paths))


def cache_control(path: str, *, method: str, status: int, is_guest: bool, sets_cookie: bool) -> str:
    """The header of an answer; empty leaves what the answer says of itself."""
    rule = rule_of(path)
    told = rule.guest if is_guest else rule.known
    if not told:
        return ""
    is_plain = method in ("GET", "HEAD") and status in (200, 304) and not sets_cookie
    return told if is_plain else NEVER


class CachingMiddleware:
    """Puts the policy on every answer, answers 304 to who has it already, and clears a browser at sign-out."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        answer = _Answer(scope, send)
        await self.app(scope, receive, answer)


class _Answer:
    """Holds back the start of an answer that may get a tag until its body is known."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self.send, self.method, self.path = send, scope["method"], scope["path"]
        self.asked = Headers(scope=scope)
        self.start: Message | None = None
        self.body: list[bytes] = []

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._decide(message)
            if self.start is None:
                await self.send(message)
        elif self.start is None or message["type"] != "http.response.body":
            await self.send(message)
        else:
            await self._collect(message)

    def _decide(self, message: Message) -> None:
        headers = MutableHeaders(scope=message)
        told = cache_control(
            self.path, method=self.method, status=message["status"], sets_cookie="set-cookie" in headers,
            is_guest="cookie" not in self.asked and "authorization" not in self.asked,
        )  # fmt: skip
        if told:
            headers["Cache-Control"] = told
            if told != NEVER:
                headers.add_vary_header(VARY)
            if told.startswith("public"):  # how much one asker has left is not for the next
                for name in ("ratelimit", "ratelimit-policy"):
                    del headers[name]
        if message["status"] == 303 and any(re.match(pattern, self.path) for pattern in CLEARED_AT):
            headers["Clear-Site-Data"] = '"cache"'
        is_tagged = rule_of(self.path).tagged and told not in ("", NEVER) and message["status"] == 200
        if is_tagged and "etag" not in headers and int(headers.get("content-length", "0")) <= LARGEST_TAGGED_BYTES:
            self.start = message

    async def _collect(self, message: Message) -> None:
        assert self.start is not None  # noqa: S101 - the caller looked
        self.body.append(message.get("body", b""))
        if message.get("more_body", False):
            return
        body = b"".join(self.body)
        # Weak: the gateway may compress it, which changes its bytes and not what it says.
        tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
        headers = MutableHeaders(scope=self.start)
        headers["ETag"] = f"W/{tag}"
        has_already = {one.strip().removeprefix("W/") for one in self.asked.get("if-none-match", "").split(",")}
        if tag in has_already or "*" in has_already:
            self.start["status"], body = 304, b""
            for name in ("content-length", "content-type"):
                del headers[name]
        await self.send(self.start)
        await self.send({"type": "http.response.body", "body": body})
