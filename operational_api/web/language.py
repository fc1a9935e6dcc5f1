"""The languages that customers read the app in, and the catalogue of each: gettext's format, read by Babel.

A message is English; `wording` finds those of templates, `python -m operational_api.web.messages` writes into
`locale/<language>.po` what is new and drops what is gone, and whoever translates fills it in (tested: nothing of what
customers see is missing). Staff read English.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache, lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any

from babel.core import negotiate_locale
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import NullTranslations, Translations
from fastapi import Request
from markupsafe import Markup, escape

from operational_api.core.principal import Principal

LANGUAGES = {"en": "English", "vi": "Tiếng Việt"}
"""Languages that everything for customers exists in, by their own names. The first is the one of the messages."""
SOURCE = "en"
LOCALE = Path(__file__).parent / "locale"
_spoken: ContextVar[str] = ContextVar("spoken", default=SOURCE)
_PLACE = re.compile(r"\{(\d)\}")


def language_of(locale: str | None) -> str:
    """The language of ours that a locale (`vi-VN`) asks for, English where there is none."""
    found = (locale or "").replace("_", "-").partition("-")[0].lower()
    return found if found in LANGUAGES else SOURCE


def asked_for(accept_language: str | None) -> str:
    """The language of ours that a browser likes best, of its header."""
    return _liked_best((accept_language or "")[:500])


@lru_cache(maxsize=512)
def _liked_best(accept_language: str) -> str:
    """Browsers say few different things, each with every request."""
    likes: list[tuple[float, str]] = []
    for one in accept_language.split(","):
        name, _, quality = one.partition(";q=")
        try:
            likes.append((-float(quality or 1), name.strip()))
        except ValueError:
            continue
    wanted = [name for weight, name in sorted(likes, key=lambda like: like[0]) if weight < 0]
    return negotiate_locale(wanted, list(LANGUAGES), sep="-") or SOURCE


def language_for(request: Request, principal: Principal | None) -> str:
    """The language of a page: a customer's own, else what the browser likes; English for staff."""
    if principal is not None and principal.role != "customer":
        return SOURCE
    known: str | None = getattr(request.state, "language", None)
    return known or asked_for(request.headers.get("accept-language"))


def spoken() -> str:
    """The language in which something is said now."""
    return _spoken.get()


@contextmanager
def speaking(language: str) -> Iterator[None]:
    """Say everything in this language meanwhile."""
    token = _spoken.set(language)
    try:
        yield
    finally:
        _spoken.reset(token)


def speak(language: str) -> None:
    """Say everything in this language from now on, in this request."""
    _spoken.set(language)


@cache
def catalogue(language: str) -> NullTranslations:
    """What the messages are in a language."""
    if language == SOURCE:
        return NullTranslations()
    compiled = BytesIO()
    write_mo(compiled, told(language))
    compiled.seek(0)
    return Translations(compiled)


def told(language: str) -> Catalog:
    """A language's file as it stands."""
    with (LOCALE / f"{language}.po").open("rb") as file:
        return read_po(file, locale=language)


def say(message: str, *values: Any) -> str:
    """A message in the language spoken now, with its values in their places; markup where one of them is."""
    text = catalogue(_spoken.get()).gettext(message)
    if not values:
        return text
    if any(hasattr(one, "__html__") for one in values):
        return _filled(str(escape(text)), values)
    return _PLACE.sub(lambda found: str(values[int(found[1]) - 1]), text)


def say_markup(message: str, *values: Any) -> Markup:
    """The same of a page's own text, which is markup; values are escaped."""
    text = catalogue(_spoken.get()).gettext(message)
    return _filled(text, values) if values else Markup(text)  # noqa: S704 - a text of ours


def _filled(text: str, values: tuple[Any, ...]) -> Markup:
    return Markup(_PLACE.sub(lambda found: str(escape(values[int(found[1]) - 1])), text))  # noqa: S704 - a text of ours


@cache
def script_words(language: str) -> dict[str, str]:
    """What scripts say, by its English."""
    return {str(one.id): str(one.string) for one in told(language) if one.id and "script" in one.auto_comments}


def word(text: str) -> str:
    """A label of Python that a page shows (by the filter `retold`): as it is, and gathered for the catalogue."""
    return text


def retold(text: str) -> str:
    """What was said in English by a part of Plyo that knows no reader, in the language spoken now.

    A whole message first; else each sentence of it, also one with values in it. What is in no catalogue stays.
    """
    if _spoken.get() == SOURCE or not text:
        return text
    text = " ".join(text.split())
    if (found := _retold(_spoken.get(), text)) is not None:
        return found
    sentences = re.split(r"(?<=[.!?])\s+", text)
    return " ".join(_retold(_spoken.get(), one) or one for one in sentences)


def _retold(language: str, text: str) -> str | None:
    if (found := catalogue(language).gettext(text)) != text:
        return found
    for pattern, message in _patterns(language):
        if (match := pattern.fullmatch(text)) is not None:
            with speaking(language):
                return say(message, *match.groups())
    return None


@cache
def _patterns(language: str) -> list[tuple[re.Pattern[str], str]]:
    """Messages of Python with values in them, the longest first."""
    found = [str(one.id) for one in told(language) if one.id and "python" in one.auto_comments and "{1}" in one.id]
    return [(re.compile(_pattern(one)), one) for one in sorted(found, key=len, reverse=True)]


def _pattern(message: str) -> str:
    return "".join("(.*?)" if _PLACE.fullmatch(one) else re.escape(one) for one in re.split(r"(\{\d\})", message))
