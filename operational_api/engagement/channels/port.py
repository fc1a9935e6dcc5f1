"""What every way out to a person is: a `Gateway` that opens a `Sender`. Deciding, order and retries are `dispatch`.

A sender says one of five things of a message: taken (`Receipt`), `Refused` for good, `TryAgain`, `Undecided` (it may
have left), or `Unavailable` (nobody's messages leave now, and this one certainly has not).
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, Protocol
from uuid import UUID

from operational_api.engagement.channels.rendering import Rendered

Dead = Literal["bounce", "stop"]


@dataclass(frozen=True, slots=True)
class Device:
    """A browser or a phone that takes pushes, as `models.PushSubscription` keeps it."""

    id: UUID
    kind: str
    endpoint: str
    p256dh: str
    auth: str


@dataclass(frozen=True, slots=True)
class Ready:
    """A message as it will leave.

    Args:
        id: Stable over tries: by it a receiver knows a copy for a copy.
        topic: Instead of the id, by what a provider that `replaces` knows it.
        path: Where in Plyo it leads.
        doubtful_since: It may have left since then; who cannot tell copies apart looks first.
        of_others: Where it is doubtful, what the provider calls messages to the same address that are others of ours.
        is_window_open: Whether the person wrote to us by WhatsApp in the last 24 hours.
    """

    id: UUID
    template: str
    purpose: str
    recipient: str
    rendered: Rendered
    language: str
    created_at: datetime
    first_name: str = ""
    path: str = "/"
    unsubscribe_url: str | None = None
    doubtful_since: datetime | None = None
    of_others: frozenset[str] = frozenset()
    is_window_open: bool = False
    devices: Sequence[Device] = ()
    topic: UUID | None = None


@dataclass(frozen=True, slots=True)
class Price:
    """What a thousand segments of a text are charged, in minor units."""

    thousand_segments_minor: int
    currency: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """Taken by the provider. `gone`: devices that told us to forget them. `segments`: of a text, what it is charged
    as, at `price`; None where nobody said it."""

    provider_message_id: str | None = None
    gone: Sequence[UUID] = ()
    segments: int | None = None
    price: Price | None = None


class NotSent(Exception):
    """A message has not left, as far as we know.

    Args:
        gone: Devices to forget.
    """

    def __init__(self, detail: str = "", *, gone: Sequence[UUID] = ()) -> None:
        super().__init__(detail)
        self.gone = gone


class Unavailable(NotSent):
    """The provider cannot be reached, or takes nothing from us now. No message was taken, none is nearer to failing."""


class TryAgain(NotSent):
    """Not now, this one."""


class Undecided(NotSent):
    """It was handed over and nobody answered."""


class Refused(NotSent):
    """Never.

    Args:
        reason: A word for the row: rejected, bad_number, no_device, window_closed, too_long.
        dead: Why the address gets nothing more; None where it is this message alone.
        gone: Devices to forget.
    """

    def __init__(self, reason: str, detail: str = "", *, dead: Dead | None = None, gone: Sequence[UUID] = ()) -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason, gone=gone)
        self.reason, self.dead = reason, dead


class Sender(Protocol):
    def send(self, message: Ready) -> Receipt:
        """Hand one message over.

        Raises:
            NotSent: one of its four kinds.
        """
        ...


class Gateway(Protocol):
    """A provider of one channel.

    Attributes:
        replaces: A copy takes the place of the first, by its topic, with who reads too: what is in doubt is handed over
            again.
        can_tell: Its sender finds out whether a message that is in doubt had left, before it sends it.
        tells_within: How soon it usually tells us of itself what became of a message; zero: it does not.
    """

    @property
    def replaces(self) -> bool: ...

    @property
    def can_tell(self) -> bool: ...

    @property
    def tells_within(self) -> timedelta: ...

    def opened(self) -> AbstractContextManager[Sender]:
        """A connection for as long as there is something to send.

        Raises:
            Unavailable: there is none to be had.
        """
        ...
