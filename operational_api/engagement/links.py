"""Links in messages that outlive a session: to unsubscribe from one purpose by one channel, without signing in.

A link says whom and what, and is signed; it opens nothing but that. It knows no table.
"""

import base64
import hashlib
import hmac
from dataclasses import dataclass
from uuid import UUID

from operational_api.engagement.errors import BadUnsubscribeLink
from operational_api.engagement.sending import Channel, Purpose


@dataclass(frozen=True, slots=True)
class Subscription:
    """What a link speaks of."""

    customer_id: UUID
    channel: Channel
    purpose: Purpose


def unsubscribe_path(key: bytes, about: Subscription) -> str:
    """The page that asks, and the address that a mailbox posts to (RFC 8058): one and the same."""
    said = f"{about.customer_id.hex}.{about.channel}.{about.purpose}"
    return f"/unsubscribe/{said}.{_signature(key, said)}"


def read(key: bytes, token: str) -> Subscription:
    """What a link speaks of.

    Raises:
        BadUnsubscribeLink: it is not whole, or was never ours.
    """
    said, _, signature = token.rpartition(".")
    if not hmac.compare_digest(_signature(key, said).encode(), signature.encode()):
        raise BadUnsubscribeLink
    customer, channel, purpose = said.split(".")
    return Subscription(UUID(customer), channel, purpose)  # type: ignore[arg-type]


def _signature(key: bytes, said: str) -> str:
    digest = hmac.new(key, b"unsubscribe\0" + said.encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest[:18]).decode()
