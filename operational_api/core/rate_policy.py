"""How often anybody may ask for what: the whole table of rate limits. How it is counted is `core.rate_limit`.

The first class whose methods and path fit is the one that counts; paths are route templates, matched from the start.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

SERVICE = "service"
WRITES = ("POST", "PUT", "PATCH", "DELETE")


@dataclass(frozen=True, slots=True)
class Limit:
    """One class of routes.

    Args:
        name: Stable; told in the RateLimit headers.
        amount: Requests of one person (or client, or guest's address) in `seconds`; 0 is never counted.
        methods: Empty for any.
        paths: Regular expressions of which one must match from the start; empty for any path.
        is_sensitive: Guessing, buying and taking places: counted for the class as a whole, so that a page and its API
            are one budget, in a window that moves; and counted even when the store of the counts is down.
        by_address: Counted by the network address also of who is signed in.
    """

    name: str
    amount: int
    seconds: int = 60
    methods: Sequence[str] = ()
    paths: Sequence[str] = ()
    is_sensitive: bool = False
    by_address: bool = False


POLICY = (
    # Health, keys and files: answers that cost nothing and that machines ask for all day.
    Limit("free", 0, paths=(r"/live$", r"/ready$", r"/api/analytics/(live|ready)$", r"/oidc/jwks$", r"/\.well-known/",
                            r"/sw\.js$", r"/manifest\.webmanifest$", r"/favicon\.ico$", r"/offline$")),
    # Every file of an internal tool asks at the gate first.
    Limit("gate", 6000, paths=(r"/gateway/authorize",)),
    Limit("csp_report", 60, methods=("POST",), paths=(r"/gateway/csp-reports",), by_address=True),
    Limit("webhook", 6000, methods=("POST",), paths=(r"/webhooks/",), by_address=True),
    # The address is our own: the web app trades everybody's codes. Secrets are long, so guessing is no danger here.
    Limit("token", 3000, methods=("POST",), paths=(r"/oidc/(token|revoke|userinfo|introspect)",)),
    # A studio's reception signs people in from one address all day; wrong guesses have limits of their own (identity).
    Limit("sign_in", 60, methods=("POST",), paths=(r"/login",), is_sensitive=True, by_address=True),
    Limit("sign_up", 20, methods=("POST",), paths=(r"/signup", r"/api/identity/accounts"), is_sensitive=True,
          by_address=True),
    Limit("recovery", 20, methods=("POST",), is_sensitive=True, by_address=True,
          paths=(r"/reset-password", r"/verify-email", r"/api/identity/(password-resets|email-verifications)")),
    Limit("checkout", 20, methods=("POST",), paths=(r"/checkout", r"/api/commerce/(checkout-sessions|refunds)"),
          is_sensitive=True),
    Limit("booking", 30, methods=("POST",), is_sensitive=True,
          paths=(r"/book/", r"/api/scheduling/(bookings|slots/.*(waitlist|hold))")),
    Limit("lead", 20, methods=("POST",), paths=(r"/api/engagement/leads",), by_address=True),
    # Seeking asks for many segments, a large upload sends many parts.
    Limit("video", 3000, methods=("GET",), paths=(r"/api/training/media-files/",)),
    Limit("part", 600, methods=("PUT",), paths=(r"/api/training/media/.*/parts/",)),
    Limit("facade", 300, paths=(r"/api/graphql",)),
    Limit("write", 240, methods=WRITES),
    Limit("read", 600),
)  # fmt: skip

SERVICES = Limit(SERVICE, 6000)
"""Ourselves, with a token of our own: enough that only a runaway loop meets it. Counted by client and route."""


@lru_cache(maxsize=1024)
def limit_of(method: str, path: str) -> Limit:
    """The class of a route; `path` is its template."""
    return next(one for one in POLICY if _fits(one, method, path))


def _fits(limit: Limit, method: str, path: str) -> bool:
    if limit.methods and method not in limit.methods:
        return False
    return not limit.paths or any(re.match(pattern, path) for pattern in limit.paths)
