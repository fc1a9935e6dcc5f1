"""What `requests` tells of a wire that broke, for the providers' libraries that speak over it.

Here is the one question that they leave open: whether anything can have been taken. What follows from it is each
channel's.
"""

import ssl

import requests
from urllib3.exceptions import ConnectTimeoutError, MaxRetryError, NewConnectionError, SSLError


def never_left(error: requests.RequestException) -> bool:
    """Whether no connection was made to whom we trust, so that nothing can have been taken."""
    if isinstance(error, requests.ConnectTimeout):
        return True
    cause = error.args[0] if error.args else None
    reason = cause.reason if isinstance(cause, MaxRetryError) else None
    if isinstance(reason, SSLError):  # a certificate is looked at before anything is said
        return bool(reason.args) and isinstance(reason.args[0], ssl.SSLCertVerificationError)
    return isinstance(reason, NewConnectionError | ConnectTimeoutError)
