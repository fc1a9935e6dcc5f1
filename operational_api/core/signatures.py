"""Signatures of webhooks over the raw body, as Stripe and Terra make them.

A header `t=<time>,v1=<HMAC-SHA256 of "<time>.<body>">`.
"""

import hmac
from collections.abc import Iterable
from datetime import datetime
from hashlib import sha256

from operational_api.core.errors import Unauthenticated

TOLERANCE_SECONDS = 300


class ForgedWebhook(Unauthenticated):
    """The signature of this webhook is missing, wrong or too old."""


def verify(body: bytes, header: str | None, *, secrets: Iterable[str], now: datetime) -> None:
    """Pass when one of the signatures was made with one of the secrets, within five minutes of `now`.

    Raises:
        ForgedWebhook: there is no usable header, no signature fits, or its time is too far away.
    """
    times, signatures = _parts(header or "")
    if len(times) != 1 or not signatures or not times[0].isdecimal() or len(times[0]) > 12:
        raise ForgedWebhook
    signed = times[0].encode() + b"." + body
    expected = [hmac.new(secret.encode(), signed, sha256).hexdigest().encode() for secret in secrets]
    # No early exit: how long this takes says nothing about which secret or signature came close.
    matches = [hmac.compare_digest(one, given) for one in expected for given in signatures]
    if not any(matches):
        raise ForgedWebhook
    if abs(now.timestamp() - int(times[0])) > TOLERANCE_SECONDS:
        raise ForgedWebhook("The signature of this webhook is too old.")


def _parts(header: str) -> tuple[list[str], list[bytes]]:
    pairs = [part.strip().partition("=") for part in header.split(",")]
    times = [value for name, _, value in pairs if name == "t"]
    return times, [value.encode() for name, _, value in pairs if name == "v1"]
