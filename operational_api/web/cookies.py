"""Cookies of the shell: one way to set them, host-only, HttpOnly, Lax, Secure wherever people come by https."""

from fastapi import Request, Response

from operational_api.settings import ApiSettings


def _settings(request: Request) -> ApiSettings:
    settings: ApiSettings = request.app.state.settings
    return settings


def cookie_name(settings: ApiSettings, name: str) -> str:
    """`plyo_session` by http, `__Host-plyo_session` by https: browsers then refuse it from a sibling domain."""
    return f"__Host-plyo_{name}" if settings.has_tls else f"plyo_{name}"


def read_cookie(request: Request, name: str) -> str | None:
    """Value of one of our cookies, by its short name (`session`, `csrf`, `flash`, …)."""
    return request.cookies.get(cookie_name(_settings(request), name))


def set_cookie(request: Request, response: Response, name: str, value: str, *, max_age: int | None = None) -> None:
    """Set one of our cookies.

    Args:
        max_age: Seconds; None lasts until the browser closes, 0 deletes.
    """
    settings = _settings(request)
    response.set_cookie(
        cookie_name(settings, name), value, max_age=max_age, path="/", httponly=True, samesite="lax",
        secure=settings.has_tls,
    )  # fmt: skip
