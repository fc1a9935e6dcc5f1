"""Google's own client library, for every context that speaks to an API of Google's.

It is imported where the first account is, not with the process: it costs 90 ms of CPU and 20 MB. Methods are read from
a file of the library, without network or cache. A service follows no redirect and renews no token by itself. It asks
once, and once more where a kept connection ended without an answer: what is asked must bear that. It is not for two
threads at once (httplib2).
"""

import logging
from http.client import HTTPException
from ssl import SSLCertVerificationError
from typing import Any

from google.auth.credentials import Credentials
from google.auth.exceptions import GoogleAuthError, TransportError
from google.auth.transport import Response
from google_auth_httplib2 import AuthorizedHttp, Request
from googleapiclient.discovery import build
from googleapiclient.errors import Error
from httplib2 import Http, HttpLib2Error, ServerNotFoundError

SECONDS = 15
FAILURES = (
    Error, GoogleAuthError, HttpLib2Error, HTTPException, OSError,
    ValueError, TypeError, LookupError, AttributeError, RecursionError,  # of reading answers that are not Google's
)  # fmt: skip

_NO_CONNECTION = (ServerNotFoundError, ConnectionRefusedError, SSLCertVerificationError)

# Its DEBUG writes down which person's address is asked, its WARNING what a server that refused has said.
logging.getLogger("googleapiclient").setLevel(logging.ERROR)


def service(name: str, version: str, *, base_url: str, credentials: Credentials) -> Any:
    """An API by its name at Google, its methods by theirs; `close` lets the connections go.

    Args:
        base_url: What the addresses of its methods are below. What the credentials hold goes nowhere else.
    """
    return build(
        name, version, http=AuthorizedHttp(credentials, connection(), refresh_status_codes=()),
        client_options={"api_endpoint": f"{base_url.rstrip('/')}/"}, static_discovery=True, cache_discovery=False,
    )  # fmt: skip


def never_left(error: BaseException) -> bool:
    """Whether nothing can have been taken: there was no token, or no connection to whom we trust.

    One that failed as it was made anew says nothing of what had gone over that before, which ended unanswered.
    """
    if isinstance(error, GoogleAuthError):
        return True
    return isinstance(error, _NO_CONNECTION) and not isinstance(error.__context__, HTTPException)


def connection() -> Http:
    """One that waits no longer than we do, and goes where it was sent."""
    found = Http(timeout=SECONDS)
    found.follow_redirects = False
    return found


class AskedOnce(Request):  # type: ignore[misc]
    """How credentials ask for a token: once. By itself the library tries again for seconds, and so do our callers."""

    def __call__(self, *args: Any, **kwargs: Any) -> Response:
        answer: Response = super().__call__(*args, **kwargs)
        if answer.status != 200:
            raise TransportError(f"The token endpoint answered {answer.status}.")  # type: ignore[no-untyped-call]
        return answer
