"""Rendering pages: one Jinja environment over the templates of all contexts, and what every template may use.

In every template: `principal` (None for guests), `nav`, `tz` (reader's time zone), `now` (UTC), `csrf_token`,
`csp_nonce`, `flashes`, `static(name)`, `path`, `person_key` (tells a browser its people apart, and nothing else),
`language` (the reader's). Texts are said in that language by themselves (`wording`); one that Python made is, by the
filter `retold`.
Components: `{% import "web/components.html" as ui with context %}`.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse
from itsdangerous import BadSignature, URLSafeTimedSerializer
from jinja2 import ChoiceLoader, Environment, FileSystemLoader, StrictUndefined, select_autoescape

from contracts.telemetry import get_logger
from operational_api.core.errors import DomainError
from operational_api.core.principal import Principal, maybe_principal
from operational_api.web import csrf, filters
from operational_api.web.cookies import read_cookie, set_cookie
from operational_api.web.headers import nonce_of
from operational_api.web.language import language_for, retold, say, say_markup, script_words, speak, speaking
from operational_api.web.navigation import NavItem
from operational_api.web.wording import Speaking

log = get_logger(__name__)
STATIC = Path(__file__).parent / "static"


@dataclass(frozen=True, slots=True)
class NavLink:
    """A menu entry as one person sees it now."""

    item: NavItem
    is_current: bool
    count: int


def make_environment(packages: list[str]) -> Environment:
    """The templates of the shell and of `packages` (those that have a folder `templates`)."""
    folders = []
    for package in ["operational_api.web", *packages]:
        spec = find_spec(package)
        if spec is not None and spec.origin is not None and (folder := Path(spec.origin).parent / "templates").is_dir():
            folders.append(FileSystemLoader(folder))
    environment = Speaking(
        loader=ChoiceLoader(folders),
        autoescape=select_autoescape(("html", "svg"), default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.say, environment.say_markup = say, say_markup
    filters.install(environment)
    environment.globals |= {"static": static, "script_words": script_words}
    return environment


@cache
def static(name: str) -> str:
    """Address of a file in `static/`, with its content's hash: it may be cached for ever."""
    digest = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:10]
    return f"/static/{name}?v={digest}"


def person(request: Request) -> Principal | None:
    """The principal for a page. A bad credential makes a guest: a page is not the place to refuse it."""
    try:
        return maybe_principal(request)
    except DomainError:
        return None


def time_zone(request: Request) -> str:
    """The reader's time zone: of their profile; of a guest, what their browser said; else UTC."""
    known: str | None = getattr(request.state, "time_zone", None)
    return known or str(filters.zone(unquote(request.cookies.get("plyo_tz", "UTC"))))


def _nav(request: Request, principal: Principal | None, *, counts: bool) -> list[NavLink]:
    path = request.url.path
    items: list[NavItem] = [item for item in request.app.state.nav if item.is_for(principal)]
    here = max((item for item in items if item.depth(path)), key=lambda item: item.depth(path), default=None)
    return [NavLink(item, item == here, _count(request, item, principal) if counts else 0) for item in items]


def _count(request: Request, item: NavItem, principal: Principal | None) -> int:
    if item.badge is None or principal is None or principal.account_id is None:
        return 0
    try:
        with request.app.state.sessions() as session:
            return item.badge(session, principal.account_id)
    except Exception:  # a menu without its number is better than no page
        log.exception("badge_failed", href=item.href)
        return 0


def render(
    request: Request,
    template: str,
    *,
    status_code: int = 200,
    is_offline_ready: bool = False,
    is_shared: bool = False,
    language: str | None = None,
    **context: Any,
) -> HTMLResponse:
    """A page.

    Args:
        template: Name below any context's `templates/`, e.g. `commerce/plans.html`.
        is_offline_ready: The service worker may keep this page to show it without a network; a signed-in person's
            page is kept for that person only and deleted at sign-out.
        is_shared: The same for every guest, without a form: who comes without a cookie gets none and no token, so that
            caches may keep it (`gateway.caching`).
        language: Of the page; None is the reader's.
        context: For the template, besides what the module docstring lists.
    """
    principal = person(request)
    is_bare = is_shared and principal is None and not request.cookies
    language = language or language_for(request, principal)
    context = {
        "language": language,
        "request": request,
        "path": request.url.path,
        "principal": principal,
        "nav": _nav(request, principal, counts=status_code < 500),
        "tz": time_zone(request),
        "now": datetime.now(UTC),
        "csrf_token": "" if is_bare else csrf.token(request),
        "csp_nonce": nonce_of(request.scope),
        "flashes": _flashes(request),
        "person_key": _short_hash(principal.key) if principal is not None else "",
    } | context
    environment: Environment = request.app.state.templates
    with speaking(language):
        response = HTMLResponse(environment.get_template(template).render(context), status_code)
    response.headers["Content-Language"] = language
    if not is_bare:
        csrf.keep(request, response)
    if read_cookie(request, "flash"):
        set_cookie(request, response, "flash", "", max_age=0)
    if principal is not None:
        response.headers["X-Plyo-Person"] = _short_hash(f"{principal.key}{principal.session_id}")
    if is_offline_ready and not context["flashes"]:  # what is told once is not told again without a network
        response.headers["X-Plyo-Offline"] = "keep"
    return response


async def speak_to_reader(request: Request) -> None:
    """For pages whose Python makes texts by `say` before they are drawn: it says them in the reader's language."""
    speak(language_for(request, person(request)))


def _short_hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class WayBack:
    """What undoes something that was just done: a button beside the words that say so.

    Args:
        label: On the button, e.g. "Book it again".
        path: On this site, where the button posts to.
        fields: What it sends.
    """

    label: str
    path: str
    fields: Mapping[str, str] = field(default_factory=dict)


def redirect(
    request: Request, to: str, *, flash: str | None = None, tone: str = "good", way_back: WayBack | None = None
) -> RedirectResponse:
    """Answer a post with 303, and say what happened on the page that follows.

    Args:
        to: Path on this site, or the address of a payment page.
        flash: Shown once, at the top of the next page.
        tone: good, info, warn or bad.
        way_back: Undoes it, beside the flash.
    """
    response = RedirectResponse(to, status_code=303)
    if flash:
        with speaking(language_for(request, person(request))):
            told: list[object] = [tone, retold(flash)]
            if way_back:
                told += [retold(way_back.label), way_back.path, dict(way_back.fields)]
        set_cookie(request, response, "flash", _signer(request).dumps(told), max_age=120)
    return response


def _signer(request: Request) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(request.app.state.settings.session_secret.get_secret_value(), salt="flash")


def _flashes(request: Request) -> list[tuple[str, str, WayBack | None]]:
    value = read_cookie(request, "flash")
    if not value:
        return []
    try:
        tone, text, *way_back = _signer(request).loads(value, max_age=120)
    except (BadSignature, ValueError):
        return []
    return [(tone, text, WayBack(*way_back) if way_back else None)]


def safe_return_path(value: str | None, default: str) -> str:
    """`value` where it is a path on this site, else `default`: never an address elsewhere (open redirect).

    Paths only: no scheme, no host, no backslash, no control character, and not `//host`.
    """
    if not value or not value.startswith("/") or value.startswith(("//", "/\\")):
        return default
    if "\\" in value or any(ord(character) < 32 for character in value):
        return default
    return value
