"""What providers tell us of messages: verified, taken once, followed at once. A STOP counts from the next message on.

Opens and clicks are not listened to: who looks at a picture is not who read, and the other way about.
"""

import base64
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_public_key
from sqlalchemy import select, update
from sqlalchemy.orm import Session
from twilio.request_validator import RequestValidator

from contracts.events.engagement import ContactChoiceMade
from contracts.telemetry import get_logger
from operational_api.core import inbox, notices, viewer
from operational_api.core.models import InboxMessage
from operational_api.core.outbox import publish
from operational_api.engagement.channels import bounces
from operational_api.engagement.channels.sms import BAD_NUMBERS
from operational_api.engagement.errors import ForgedMessageEvent, MalformedMessageEvent
from operational_api.engagement.models import OutgoingMessage, Phone
from operational_api.engagement.sending import PURPOSES, Channel
from operational_api.engagement.service import addresses, doubts, outgoing, preferences, threads
from operational_api.engagement.settings import ChannelSettings
from operational_api.training import public as training

log = get_logger(__name__)
TOLERANCE = timedelta(minutes=10)
STOP_WORDS = {
    "STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "OPTOUT", "REVOKE", "HUY", "DUNG", "NGUNG", "TU CHOI",
}  # fmt: skip
START_WORDS = {"START", "YES", "UNSTOP", "BAT DAU", "DONG Y"}
HELP_WORDS = {"HELP", "INFO", "TRO GIUP"}
"""All without accents (`_word`): a phone writes hủy, huỷ or huy. Who asks for help by SMS is answered by Twilio."""
UNMISTAKABLE = {"START", "UNSTOP"}
TELLS_OF = {"processed", "deferred", "delivered", "dropped", "bounce"}
"""SendGrid's events of a message that it has taken."""
_BAD_CODES = {str(one) for one in BAD_NUMBERS}


def check_sendgrid(
    body: bytes, *, signature: str | None, timestamp: str | None, settings: ChannelSettings, now: datetime
) -> None:
    """Pass when SendGrid signed this body with the key of the settings, within ten minutes.

    Not by its library's `EventWebhook`: that takes text alone, so of other bytes it could not say whose they are; and
    it looks at neither the kind of key nor the time.

    Raises:
        ForgedMessageEvent: anything else; also where no key is set.
    """
    try:
        key = load_der_public_key(base64.b64decode(settings.sendgrid_webhook_key))
        if not isinstance(key, ec.EllipticCurvePublicKey):
            raise ForgedMessageEvent
        key.verify(base64.b64decode(signature or ""), (timestamp or "").encode() + body, ec.ECDSA(hashes.SHA256()))
        at = datetime.fromtimestamp(int(timestamp or ""), UTC)
    except (ValueError, TypeError, OverflowError, OSError, InvalidSignature) as error:
        raise ForgedMessageEvent from error
    if abs(now - at) > TOLERANCE:
        raise ForgedMessageEvent


def check_twilio(form: Mapping[str, str], *, path: str, signature: str | None, settings: ChannelSettings) -> None:
    """Pass when Twilio signed this form for this address of ours (its path, with the query).

    Raises:
        ForgedMessageEvent: anything else; also where Twilio is not set up.
    """
    token = settings.twilio_auth_token.get_secret_value()
    if not token or not RequestValidator(token).validate(settings.public_url + path, dict(form), signature or ""):
        raise ForgedMessageEvent


def take_sendgrid(session: Session, body: bytes, *, now: datetime) -> int:
    """Follow a batch of events, each once by its `sg_event_id`. Returns how many were new.

    Raises:
        MalformedMessageEvent: no list of events.
    """
    try:
        events, unusable = notices.read_batch(body)
    except ValueError as error:
        raise MalformedMessageEvent from error
    if unusable:
        log.warning("message_events_unusable", events=unusable)
    return sum(_take_sendgrid(session, event, now) for event in events)


def _take_sendgrid(session: Session, event: Mapping[str, Any], now: datetime) -> bool:
    kind, address = str(event.get("event", ""))[:40], str(event.get("email", ""))
    event_id = str(event.get("sg_event_id", ""))[:200]
    if not event_id or not _once(session, "sendgrid", event_id, kind, now):
        return False
    at = _moment(event.get("timestamp"), now)
    row_id = _uuid(event.get("plyo_message_id"))
    if kind == "spamreport":
        addresses.suppress(session, channel="email", address=address, reason="complaint", now=now)
    elif kind in TELLS_OF:
        if kind == "bounce" and _is_nobody_there(event):
            addresses.suppress(session, channel="email", address=address, reason="bounce", now=now)
        # Who hands it over at this moment is waited for; where they died, this is how we know that it left.
        query = select(OutgoingMessage).where(OutgoingMessage.id == row_id, OutgoingMessage.channel == "email")
        row = session.scalar(query.with_for_update().execution_options(populate_existing=True)) if row_id else None
        if row is not None:
            doubts.take_for_left(session, row, str(event.get("sg_message_id", "")).partition(".")[0], now)
            if kind == "delivered":
                outgoing.note_delivered(session, row.id, at)
            elif kind in ("dropped", "bounce"):
                outgoing.note_undelivered(session, row, kind, now)
    return True


def _is_nobody_there(event: Mapping[str, Any]) -> bool:
    """Whether a bounce is for good; where neither a code nor words came with it, as SendGrid sorted it."""
    if event.get("type", "bounce") != "bounce":
        return False
    said = f"{event.get('status') or ''} {event.get('reason') or ''}".strip()
    return not said or bounces.is_nobody_there(said)


def take_text(session: Session, form: Mapping[str, str], *, now: datetime) -> None:
    """Somebody wrote to our number: STOP and START at once, anything else to their coach."""
    sid, sender, body = form.get("MessageSid", ""), form.get("From", ""), form.get("Body", "").strip()
    channel: Channel = "whatsapp" if sender.startswith("whatsapp:") else "sms"
    number = sender.removeprefix("whatsapp:")
    if not sid or not _once(session, "twilio", sid, channel, now):
        return
    addresses.unsuppress(session, channel=channel, address=number, reason="bounce")  # who writes is there
    if channel == "whatsapp":
        addresses.saw_whatsapp(session, number=number, now=now)
    kind = _kind_of(session, form, channel, number, body)
    if kind == "STOP":
        is_new = addresses.suppression_of(session, channel=channel, address=number) != "stop"
        addresses.suppress(session, channel=channel, address=number, reason="stop", now=now)
        if is_new:
            _announce(session, number, channel, is_allowed=False, now=now)
    elif kind == "START":
        if addresses.suppression_of(session, channel=channel, address=number) == "stop":
            _announce(session, number, channel, is_allowed=True, now=now)
        addresses.unsuppress(session, channel=channel, address=number, reason="stop")
        addresses.confirm_phone(session, number=number, now=now)
    elif kind != "HELP" and body:
        viewer.show_all(session)  # Twilio speaks of any customer
        _pass_on(session, number, body, now)


def _kind_of(session: Session, form: Mapping[str, str], channel: Channel, number: str, body: str) -> str | None:
    """STOP, START or HELP; None is an answer to somebody. Twilio's own word for it counts before ours.

    "Yes" is an answer too: it starts something only where there is something to start.
    """
    if (told := form.get("OptOutType", "").upper()) in ("STOP", "START", "HELP"):
        return told
    word = _word(body)
    if word in STOP_WORDS:
        return "STOP"
    if word in HELP_WORDS and channel == "sms":
        return "HELP"
    if word in UNMISTAKABLE or (word in START_WORDS and _has_to_start(session, channel, number)):
        return "START"
    return None


def _has_to_start(session: Session, channel: Channel, number: str) -> bool:
    asked = select(Phone.customer_id).where(Phone.number == number, Phone.confirmed_at.is_(None))
    is_stopped = addresses.suppression_of(session, channel=channel, address=number) == "stop"
    return is_stopped or session.scalar(asked.limit(1)) is not None


def _word(body: str) -> str:
    """What was written, in capitals without accents."""
    bare = unicodedata.normalize("NFD", body.upper().strip(" .!\"'")).replace("Đ", "D")
    return " ".join("".join(one for one in bare if not unicodedata.combining(one)).split())


def take_status(
    session: Session,
    form: Mapping[str, str],
    *,
    row_id: UUID | None = None,
    channel: Channel | None = None,
    now: datetime,
) -> None:
    """What became of a message that Twilio took.

    It may be quicker than whoever handed the message over, who is waited for; and where they died before they could
    write down that it left, this is how we know.

    Args:
        row_id: The message, as we told Twilio when we handed it over; None: by Twilio's own id of it.
        channel: By which it was handed over then; another may carry it by now, to which this is no news.
    """
    sid, status = form.get("MessageSid", ""), form.get("MessageStatus", "")
    if not sid or not _once(session, "twilio", f"{sid}:{status}", "status", now):
        return
    which = OutgoingMessage.provider_message_id == sid if row_id is None else OutgoingMessage.id == row_id
    row = session.scalar(select(OutgoingMessage).where(which).with_for_update())
    if row is None or row.provider_message_id not in (None, sid) or channel not in (None, row.channel):
        return
    doubts.take_for_left(session, row, sid, now)
    if status in ("delivered", "read"):
        outgoing.note_delivered(session, row.id, now)
    elif status in ("undelivered", "failed"):
        code = form.get("ErrorCode", "")
        if code in _BAD_CODES:
            addresses.suppress(session, channel=row.channel, address=row.recipient, reason="bounce", now=now)
        outgoing.note_undelivered(session, row, f"carrier:{code}"[:40], now)


def _announce(session: Session, number: str, channel: Channel, *, is_allowed: bool, now: datetime) -> None:
    """A STOP takes back what a number's owners allow by this channel, a START gives it again: facts of each of them."""
    owners = select(Phone.customer_id).where(Phone.number == number, Phone.confirmed_at.is_not(None))
    for customer_id in session.scalars(owners).all():
        wishes = preferences.wishes_of(session, customer_id, None)
        for purpose in PURPOSES:
            if wishes.allows(channel, purpose):
                publish(
                    session,
                    ContactChoiceMade(
                        occurred_at=now, customer_id=customer_id, channel=channel, purpose=purpose,
                        is_allowed=is_allowed, source="stop",
                    ),
                )  # fmt: skip


def _pass_on(session: Session, number: str, body: str, now: datetime) -> None:
    owners = session.scalars(select(Phone).where(Phone.number == number, Phone.confirmed_at.is_not(None))).all()
    if len(owners) != 1 or "\0" in body:  # of a family's one number nobody can say who wrote
        return
    customer_id = owners[0].customer_id
    coach_id = training.coach_of(session, customer_id)
    if coach_id is not None:
        thread = threads.Conversation(customer_id, coach_id)
        threads.write(session, thread=thread, sender_id=customer_id, body=body[:4000], now=now)


def _once(session: Session, source: str, message_id: str, kind: str, now: datetime) -> bool:
    """Whether this is the first time; what was said is not kept, only that it was."""
    if not inbox.receive(session, source=source, message_id=message_id, kind=kind, payload={}, now=now):
        return False
    session.execute(
        update(InboxMessage)
        .where(InboxMessage.source == source, InboxMessage.message_id == message_id)
        .values(handled_at=now)
        .execution_options(synchronize_session=False)
    )
    return True


def _moment(told: object, now: datetime) -> datetime:
    """Unix seconds; now where it is anything else: one odd event must not hold up its batch for ever."""
    try:
        return datetime.fromtimestamp(int(str(told)), UTC)
    except (ValueError, OverflowError, OSError):
        return now


def _uuid(value: object) -> UUID | None:
    try:
        return UUID(str(value))
    except ValueError:
        return None
