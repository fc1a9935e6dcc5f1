"""SMS by Twilio, with Twilio's own client. What it shares with WhatsApp, which Twilio carries too, is here as well.

Twilio knows no idempotency key. A message of which nobody knows whether it left is looked for among what went to that
number before it is sent again.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cached_property
from typing import Any, ClassVar

import requests
from twilio.base.exceptions import TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client

from contracts.telemetry import get_logger
from operational_api.engagement.channels import segments
from operational_api.engagement.channels.port import Price, Ready, Receipt, Refused, Sender, Unavailable, Undecided
from operational_api.engagement.channels.wire import never_left
from operational_api.engagement.sending import Channel
from operational_api.engagement.settings import ChannelSettings

log = get_logger(__name__)
MOST_SEGMENTS = 10
STOPPED = 21610
BAD_NUMBERS = {21211, 21214, 21217, 21614, 21635, 63003, 63024}
STOP_HINT = {"en": "Reply STOP to opt out.", "vi": "Trả lời STOP để ngừng nhận tin."}


def text_of(message: Ready) -> str:
    """What an SMS says: the short form, and for advertising how to end it."""
    if message.purpose == "marketing":
        return f"{message.rendered.short} {STOP_HINT.get(message.language, STOP_HINT['en'])}"
    return message.rendered.short


@dataclass(frozen=True)
class TwilioGateway(ABC):
    """Twilio for one channel: a subclass says what is asked of it for a message."""

    settings: ChannelSettings
    replaces: bool = False
    can_tell: bool = True
    tells_within: timedelta = timedelta()
    channel: ClassVar[Channel]

    @cached_property
    def client(self) -> Client:
        """Twilio's client, at the address of the settings."""
        found = Client(
            self.settings.twilio_account_sid, self.settings.twilio_auth_token.get_secret_value(),
            http_client=TwilioHttpClient(timeout=15),
        )  # fmt: skip
        found.api.base_url = self.settings.twilio_base_url
        return found

    @contextmanager
    def opened(self) -> Iterator[Sender]:
        """The client keeps its connections itself."""
        yield self

    @abstractmethod
    def recipient(self, message: Ready) -> str:
        """Whom Twilio is asked to send to."""

    @abstractmethod
    def words(self, message: Ready) -> str:
        """What the message says, whatever stands around it."""

    @abstractmethod
    def request(self, message: Ready) -> dict[str, Any]:
        """Arguments of Twilio's `messages.create` beside the recipient.

        Raises:
            Refused: it may not be asked for.
        """

    def send(self, message: Ready) -> Receipt:
        """Hand it over once.

        Raises:
            NotSent: it was not taken, or nobody knows.
        """
        callback = f"{self.settings.public_url}/webhooks/twilio/status?message={message.id}&channel={self.channel}"
        try:
            # First: what may not be asked for any more may have left while it still was.
            if message.doubtful_since and (known := self._find(message)):
                return Receipt(known)
            asked = {"to": self.recipient(message), **self.request(message)}
            return Receipt(self.client.messages.create(**asked, status_callback=callback).sid)
        except TwilioRestException as error:
            raise _problem(error) from error
        except requests.RequestException as error:
            if never_left(error):
                raise Unavailable(f"Twilio: {error}") from error
            raise Undecided(f"{type(error).__name__}: {error}") from error

    def _find(self, message: Ready) -> str | None:
        """The sid of what left before, if it did: not that of another message in the same words."""
        assert message.doubtful_since is not None  # noqa: S101 - asked only then
        since, text = message.doubtful_since.replace(microsecond=0), self.words(message)
        for one in self.client.messages.list(to=self.recipient(message), limit=50):
            # An approved template puts words of its own around ours.
            is_new = one.date_created and one.date_created >= since and one.sid not in message.of_others
            if is_new and text in (one.body or ""):
                log.info("message_had_left", message_id=str(message.id), sid=one.sid)
                return str(one.sid)
        return None


@dataclass(frozen=True)
class SmsGateway(TwilioGateway):
    """SMS from our number or messaging service."""

    channel = "sms"

    def recipient(self, message: Ready) -> str:
        """The number."""
        return message.recipient

    def words(self, message: Ready) -> str:
        """The whole text."""
        return text_of(message)

    def send(self, message: Ready) -> Receipt:
        """As any, with its segments and today's price. Twilio knows them once it has chosen a sender of a messaging
        service, after it has answered: they are counted here."""
        told, charged = self.settings, segments.count(self.words(message)).segments
        price = Price(told.sms_thousand_segments_minor, told.sms_currency) if told.sms_thousand_segments_minor else None
        return replace(super().send(message), segments=charged, price=price)

    def request(self, message: Ready) -> dict[str, Any]:
        """The text, not longer than ten segments.

        Raises:
            Refused: it is longer.
        """
        text = self.words(message)
        counted = segments.count(text)
        if counted.segments > MOST_SEGMENTS:
            raise Refused("too_long", f"{counted.segments} segments")
        sender = self.settings.sms_from
        who = {"messaging_service_sid": sender} if sender.startswith("MG") else {"from_": sender}
        return {"body": text, **who}


def _problem(error: TwilioRestException) -> Exception:
    told = f"{error.status} {error.code} {error.msg}"
    if error.code == STOPPED:
        return Refused("stopped", told, dead="stop")
    if error.code in BAD_NUMBERS:
        return Refused("bad_number", told, dead="bounce")
    if error.status in (401, 403, 429):
        return Unavailable(f"Twilio: {told}")
    if error.status >= 500:
        return Undecided(told)
    return Refused("rejected", told)
