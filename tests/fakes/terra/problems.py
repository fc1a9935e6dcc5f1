"""Terra's refusals: an exception that becomes `application/problem+json` (RFC 9457)."""

from typing import Any


class Problem(Exception):
    """An answer with a status of 400 or above."""

    def __init__(self, status: int, title: str, detail: str, headers: dict[str, str] | None = None) -> None:
        """Refuse a request the way Terra does: `title` is the status in lower-case words."""
        super().__init__(detail)
        self.status = status
        self.title = title
        self.detail = detail
        self.headers = headers or {}

    def body(self, instance: str) -> dict[str, Any]:
        """The body of the answer.

        Args:
            instance: Path and query that were asked for.
        """
        return {"type": "about:blank", "title": self.title, "instance": instance, "detail": self.detail}


def bad_request(detail: str) -> Problem:
    """400."""
    return Problem(400, "bad request", detail)


def unauthorized(detail: str) -> Problem:
    """401."""
    return Problem(401, "unauthorized", detail)


def user_not_found() -> Problem:
    """404."""
    return Problem(404, "not found", "user not found")


def too_many_requests(retry_after: float) -> Problem:
    """429, with the pause that Terra asks for."""
    headers = {"Retry-After": str(int(retry_after)), "X-Terra-RateLimit-Rule": "cumulative_days"}
    return Problem(429, "too many requests", "rate limit exceeded for this user", headers)
