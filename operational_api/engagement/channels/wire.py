"""Whether anything can have been taken: the one question that providers' libraries leave open, of a wire that broke and
of an answer that is none.

What follows from it is each channel's.
"""

import ssl

import requests
from urllib3.exceptions import ConnectTimeoutError, MaxRetryError, NewConnectionError, SSLError


def may_have_taken(status: int) -> bool:
    """Whether an answer of this status leaves open what became of a request: a server that failed may have done so
    behind it. One that is not to be had now (503) took nothing."""
    return status >= 500 and status != 503


def never_left(error: requests.RequestException) -> bool:
    """Whether no connection was made to whom we trust, so that nothing can have been taken."""
    if isinstance(error, requests.ConnectTimeout):
        return True
    cause = error.args[0] if error.args else None
    reason = cause.reason if isinstance(cause, MaxRetryError) else None
    if isinstance(reason, SSLError):  # a certificate is looked at before anything is said
        return bool(reason.args) and isinstance(reason.args[0], ssl.SSLCertVerificationError)
    return isinstance(reason, NewConnectionError | ConnectTimeoutError)
