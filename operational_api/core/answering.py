"""The request that is being answered, for what runs on its behalf and is not handed it: who looks, who is audited."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from fastapi import Request

_request: ContextVar[Request | None] = ContextVar("plyo_request", default=None)


@contextmanager
def answering(request: Request | None) -> Iterator[None]:
    """Have `current` know the request while it is answered; None for what is done after it, in nobody's name."""
    token = _request.set(request)
    try:
        yield
    finally:
        _request.reset(token)


def current() -> Request | None:
    """The request under way; None in workers, tools and tests."""
    return _request.get()
