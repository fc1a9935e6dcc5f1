"""Security headers of every answer: a content policy with a nonce per page, no framing, no sniffing, HSTS by https."""

import secrets
from typing import Any
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from operational_api.core.http import say_unless_said
from operational_api.settings import ApiSettings

PAYMENT_PAGES = ("https://checkout.stripe.com", "https://billing.stripe.com")

NOT_A_PAGE = "default-src 'none'; frame-ancestors 'none'"
REPORTS = "/gateway/csp-reports"
"""Where browsers tell what a policy kept from happening: an attack, or a mistake of ours."""


def content_policy(settings: ApiSettings, nonce: str) -> str:
    """The policy of a page: our own files, inline scripts and styles only with the nonce.

    A form may lead to Stripe's pages, MoMo's, Terra's, and those of Google and Microsoft where people sign in or
    connect: Chromium applies `form-action` to the redirect that follows a post.
    """
    payment = [
        "{0.scheme}://{0.netloc}".format(urlsplit(one)) for one in (settings.stripe_api_base, settings.momo_api_base)
    ]
    forms = " ".join(("'self'", *PAYMENT_PAGES, *payment, settings.wearable_pages))
    forms = " ".join((forms, *settings.upstream_pages, settings.calendar_pages))
    return (
        f"default-src 'self'; script-src 'self' 'nonce-{nonce}'; style-src 'self' 'nonce-{nonce}'; "
        f"img-src 'self' data:; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action {forms}; "
        # A browser that knows `report-to` leaves `report-uri` out, and knows endpoints by https alone.
        f"report-uri {REPORTS}{'; report-to csp' if settings.has_tls else ''}"
    )


_NONCE = "csp_nonce"
_ALWAYS = (
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
    (b"cross-origin-opener-policy", b"same-origin"),
)


def nonce_of(scope: Scope) -> str:
    """The nonce of a request's page, drawn when somebody asks for it: most answers are no page."""
    state: dict[str, Any] = scope["state"]
    if _NONCE not in state:
        state[_NONCE] = secrets.token_urlsafe(16)
    nonce: str = state[_NONCE]
    return nonce


class HeadersMiddleware:
    """Gives an answer its headers, and a page the nonce that it was written with (`nonce_of`)."""

    def __init__(self, app: ASGIApp, settings: ApiSettings) -> None:
        self.app = app
        self.settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        scope.setdefault("state", {})  # of all that copy the scope on the way to the page

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                kind = next((value for name, value in message.get("headers", ()) if name == b"content-type"), b"")
                is_page = kind.startswith(b"text/html")
                policy = content_policy(self.settings, nonce_of(scope)) if is_page else NOT_A_PAGE
                headers = [(b"content-security-policy", policy.encode()), *_ALWAYS]
                if is_page:
                    headers.append((b"cache-control", b"no-store"))
                    if self.settings.has_tls:
                        headers.append((b"reporting-endpoints", f'csp="{REPORTS}"'.encode()))
                if self.settings.has_tls:
                    headers.append((b"strict-transport-security", b"max-age=31536000; includeSubDomains"))
                say_unless_said(message, headers)
            await send(message)

        await self.app(scope, receive, with_headers)
