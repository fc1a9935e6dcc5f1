"""Kinds of failure, and what is done about each: trying again helps, or it does not.

Belongs here: which exception is of which kind, with the reason. Does not: handling in an asset.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
import httpx
from pydantic import ValidationError

from contracts.warehouse import LakeMissing

TRY_AGAIN = dg.RetryPolicy(max_retries=3, delay=5, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS)
"""For work that talks to a network or races for a lake commit: 5, 10, 20 seconds, then it is somebody's business."""


@contextmanager
def judged(*permanent: type[Exception]) -> Iterator[None]:
    """Turn failures that come back however often we try into failures that are not retried.

    Settings that are missing, a lake that was never set up and a request that is refused as wrong (4xx except 408 and
    429) stay as they are until a person acts; retrying would only delay the alarm. All else is left to the policy.

    Args:
        permanent: Exceptions of the caller's own that no retry mends.
    """
    hopeless: tuple[type[Exception], ...] = (ValidationError, LakeMissing, *permanent)
    try:
        yield
    except hopeless as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    except httpx.HTTPStatusError as error:
        status = error.response.status_code
        if 400 <= status < 500 and status not in (408, 429):
            message = f"{error.request.url} answered {status}: {error.response.text[:500]}"
            raise dg.Failure(message, allow_retries=False) from error
        raise
