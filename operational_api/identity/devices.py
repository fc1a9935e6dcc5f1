"""What a browser tells about itself: who it signed in before (for the throttle), and a name for the list of devices."""

import hashlib
import secrets
from collections.abc import Collection

from fastapi import Request, Response
from itsdangerous import BadSignature, URLSafeSerializer

from operational_api.identity import places
from operational_api.identity.service.login import Browser
from operational_api.identity.settings import risk_settings
from operational_api.web.cookies import read_cookie, set_cookie

_MOST_ACCOUNTS = 5
_SYSTEMS = (
    ("iPhone", "iPhone"), ("iPad", "iPad"), ("Android", "Android"), ("Mac OS X", "Mac"), ("Windows", "Windows"),
    ("CrOS", "Chromebook"), ("Linux", "Linux"),
)  # fmt: skip
_PROGRAMS = (
    ("plyo-terminal", "Plyo in a terminal"),
    ("Edg/", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("SamsungBrowser/", "Samsung Internet"),
    ("Chrome/", "Chrome"), ("CriOS/", "Chrome"), ("Safari/", "Safari"),
)  # fmt: skip


def _signer(request: Request) -> URLSafeSerializer:
    return URLSafeSerializer(request.app.state.settings.session_secret.get_secret_value(), salt="device")


def _account_key(email: str) -> str:
    return hashlib.sha256(email.strip().lower().encode()).hexdigest()[:20]


def _known(request: Request) -> tuple[str, list[str]]:
    if not hasattr(request.state, "device"):  # a new browser keeps the id under which this very request was judged
        try:
            request.state.device = tuple(_signer(request).loads(read_cookie(request, "device") or ""))
        except (BadSignature, ValueError):
            request.state.device = secrets.token_urlsafe(12), []
    device, accounts = request.state.device
    return device, accounts


def _place(request: Request, address: str) -> str:
    told = risk_settings()
    header = request.headers.get(told.place_header, "") if told.place_header else ""
    return places.clean_place(header) or places.table(told.places_file).place(address)


def browser_of(request: Request, email: str) -> Browser:
    """The browser that tries to sign in to `email`."""
    device, accounts = _known(request)
    address = request.client.host if request.client else ""
    return Browser(
        address=address,
        user_agent=request.headers.get("user-agent", ""),
        device=device if _account_key(email) in accounts else None,
        device_id=device,
        place=_place(request, address),
    )


def remember(request: Request, response: Response, email: str) -> None:
    """Note in the browser that this account signed in with it."""
    device, accounts = _known(request)
    kept = [_account_key(email), *(one for one in accounts if one != _account_key(email))][:_MOST_ACCOUNTS]
    set_cookie(request, response, "device", _signer(request).dumps([device, kept]), max_age=400 * 86400)


def device_name(user_agent: str | None) -> str:
    """'Chrome on Android', as far as the user agent can be believed."""
    text = user_agent or ""
    program = next((name for mark, name in _PROGRAMS if mark in text), "A browser")
    system = next((name for mark, name in _SYSTEMS if mark in text), None)
    return f"{program} on {system}" if system else program


def method(amr: Collection[str]) -> str:
    """How somebody signed in, in words."""
    first = "a connected account" if "fed" in amr else "password" if "pwd" in amr else ""
    seconds = (("hwk", "passkey"), ("swk", "passkey"), ("otp", "code"), ("email", "e-mail code"))
    more = next((word for mark, word in seconds if mark in amr), "")
    return " and ".join(part for part in (first, more) if part) or "password"
