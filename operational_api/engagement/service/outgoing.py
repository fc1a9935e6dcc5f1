"""What becomes of a queued message: whether it leaves now, what exactly leaves, and how its end is written down.

Hands nothing over: that is `channels.dispatch`, which asks here while it holds the message's row. Nor is here what
becomes of one of which nobody knows whether it left (`doubts`).
"""

from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func, select, text, update
from sqlalchemy.orm import Session

from contracts.events.engagement import MessageDelivered, MessageFailed, MessageLeft
from contracts.telemetry import get_logger
from operational_api.core.outbox import publish
from operational_api.core.retries import RetryPolicy, told
from operational_api.engagement import links
from operational_api.engagement.channels.port import Device, NotSent, Ready, Receipt, Refused
from operational_api.engagement.channels.rendering import render
from operational_api.engagement.models import InboxMessage, Message, OutgoingMessage, Phone
from operational_api.engagement.sending import (
    CAPS,
    DIGESTED,
    WEEK,
    Channel,
    Decision,
    Gather,
    Postpone,
    Rhythm,
    Send,
    Wishes,
    Withhold,
    decide,
    over,
)
from operational_api.engagement.service import addresses, announcements, digests, sms_costs
from operational_api.engagement.service.contacts import Contact, contact
from operational_api.engagement.service.emails import PROVES_ADDRESS, SECRET_VALUES
from operational_api.engagement.service.preferences import wishes_of
from operational_api.engagement.settings import ChannelSettings
from operational_api.training import public as training

log = get_logger(__name__)
RETRY = RetryPolicy(attempts=20, first_seconds=5, longest_seconds=3600)
"""About ten hours: greylisting and full mailboxes pass, a wrong address is refused for good at once."""
UNTIL_KNOWN = timedelta(minutes=1)
"""How long a message waits that would be one too many if another, whose worker died with it in hand, has left."""
BEING_TRIED = timedelta(seconds=5)
"""So young a doubt is of a worker that lives: it waits for us to be done, and weighs after us."""
FALL_BACK_AT = 3
"""Tries of a message after which its next channel takes over, where it has one."""
OF_ITSELF = ("read_already", "not_so_any_more", "called_off", "too_late")
"""Reasons that are of one message alone, and not of the list that it carries."""


def weigh(session: Session, row: OutgoingMessage, now: datetime) -> Decision:
    """The decision about a message that is due. Two messages to one person are weighed one after the other."""
    person, wishes = None, Wishes()
    if row.customer_id is not None:
        if row.purpose != "transactional":
            session.execute(
                text("select pg_advisory_xact_lock(hashtextextended('message:' || :who, 0))"),
                {"who": str(row.customer_id)},
            )
        person = contact(session, row.customer_id)
        if person is None:
            return Withhold("no_such_person")
        if (pointless := _pointless(session, row, now)) is not None:
            return Withhold(pointless)
        wishes = wishes_of(session, row.customer_id, person)
        if (problem := _find_address(session, row, person)) is not None:
            return problem
    elif row.channel != "email":
        return Withhold("no_address")
    if row.channel != "email" and row.template == "confirm_phone":
        wishes = Wishes({(row.channel, row.purpose): True})  # type: ignore[dict-item]
    lately = _sent_lately(session, row, now)
    decision = decide(
        channel=row.channel,  # type: ignore[arg-type]
        purpose=row.purpose,  # type: ignore[arg-type]
        now=now,
        wishes=wishes,
        sent_lately=lately,
        suppressed_by=_suppression(session, row),
        expires_at=row.expires_at,
        rhythm=_rhythm(session, row),
        is_list=row.digest_id is not None,
    )
    if isinstance(decision, Send) and row.purpose != "transactional":
        left_alone = (OutgoingMessage.next_attempt_at <= now) & (OutgoingMessage.in_doubt_since < now - BEING_TRIED)
        tried = _doubtful(session, row, left_alone)
        if tried and over(CAPS[row.purpose], [*lately, *tried], now):  # type: ignore[index]
            return Postpone(now + UNTIL_KNOWN)
    return decision


def leave_out(session: Session, row: OutgoingMessage, now: datetime) -> None:
    """Of what a message carries, that which is worth nothing by now does not leave with it."""
    for one in digests.carried_by(session, row, locked=True):
        if (reason := _pointless(session, one, now)) is not None:
            end(session, one, "withheld", reason, now)
    session.flush()


def _rhythm(session: Session, row: OutgoingMessage) -> Rhythm | None:
    """When its reader has lists of such messages; None where it has waited for one, or was tried."""
    if row.customer_id is None or row.purpose not in DIGESTED or row.digest_id is not None or row.attempts > 1:
        return None
    return digests.rhythms_of(session, row.customer_id).get(row.purpose)  # type: ignore[call-overload,no-any-return]


def _pointless(session: Session, row: OutgoingMessage, now: datetime) -> str | None:
    """Why nobody needs the message any more."""
    if _is_read(session, row):
        return "read_already"
    asks_after = row.customer_id if row.template == "missed_week" else None
    if asks_after is not None and not _is_still_missed(session, asks_after, row.context, now):
        return "not_so_any_more"
    if row.template == announcements.TEMPLATE and announcements.is_cancelled(session, row.dedupe_key):
        return "called_off"  # a worker had it in hand then, or it came back since
    return "too_late" if row.expires_at is not None and row.expires_at <= now else None


def _suppression(session: Session, row: OutgoingMessage) -> str | None:
    """Why the address is dead, but for a mail by which its owner shows that it is not."""
    found = addresses.suppression_of(session, channel=row.channel, address=row.recipient)
    return None if found == "bounce" and row.template in PROVES_ADDRESS else found


def _find_address(session: Session, row: OutgoingMessage, person: Contact) -> Withhold | None:
    if row.template == "confirm_phone":  # the one message to a number that nobody has confirmed
        phone = session.get(Phone, person.account_id, populate_existing=True)
        address = phone.number if phone else None
    else:
        address = addresses.address_of(session, row.channel, person)  # type: ignore[arg-type]
    if address is None:
        return Withhold("no_address")
    row.recipient = address
    return None


def _is_still_missed(session: Session, customer_id: UUID, context: dict[str, Any], now: datetime) -> bool:
    """Whether what it asks after is the last that was heard: who trained meanwhile is not asked where they were."""
    return training.is_week_missed(session, customer_id, date.fromisoformat(context["week_of"]), now)


def _is_read(session: Session, row: OutgoingMessage) -> bool:
    """Whether it is word of a message that its reader has seen by now, or is in a list and was read in the inbox."""
    told_of = row.context.get("message_id")
    if told_of is None:
        in_the_app = select(InboxMessage.read_at).where(InboxMessage.dedupe_key == row.dedupe_key)
        return row.digest_id is not None and session.scalar(in_the_app) is not None
    return session.scalar(select(Message.read_at).where(Message.id == UUID(str(told_of)))) is not None


def _sent_lately(session: Session, row: OutgoingMessage, now: datetime) -> list[datetime]:
    if row.purpose == "transactional" or row.customer_id is None:
        return []
    found = select(OutgoingMessage.sent_at).where(
        OutgoingMessage.customer_id == row.customer_id, OutgoingMessage.purpose == row.purpose,
        OutgoingMessage.sent_at > now - WEEK,
        # As the index says it: a partial index is used only where the query implies its condition.
        OutgoingMessage.purpose != "transactional", OutgoingMessage.sent_at.is_not(None),
        ~digests.CARRIED,  # a list is one message
    )  # fmt: skip
    # One of which nobody knows whether it left counts until that is known. What is due is weighed after us, or was left
    # by a worker that died: `weigh` waits for that where it matters.
    doubtful = _doubtful(session, row, OutgoingMessage.next_attempt_at > now)
    return [*(at for at in session.scalars(found) if at is not None), *doubtful]


def _doubtful(session: Session, row: OutgoingMessage, which: ColumnElement[bool]) -> list[datetime]:
    """Since when others to the same person may have left."""
    theirs = (
        OutgoingMessage.customer_id == row.customer_id, OutgoingMessage.purpose == row.purpose,
        OutgoingMessage.in_doubt_since.is_not(None), OutgoingMessage.id != row.id,
    )  # fmt: skip
    since = select(OutgoingMessage.in_doubt_since)
    found = since.where(*theirs, OutgoingMessage.status == "queued", which).union_all(
        since.where(*theirs, OutgoingMessage.status == "undecided")
    )
    return [at for at in session.scalars(found) if at is not None]


def hold(session: Session, row: OutgoingMessage, decision: Postpone | Gather | Withhold, now: datetime) -> None:
    """It does not leave now: later, by its next channel, or never. What may have left takes no other channel."""
    if not isinstance(decision, Withhold):
        row.next_attempt_at = decision.until
        row.digest_at = decision.until if isinstance(decision, Gather) else row.digest_at
        return
    if decision.reason in OF_ITSELF:
        digests.hand_on(session, row)
    is_of_this_channel = decision.other_channel_may and row.in_doubt_since is None
    if not (is_of_this_channel and move_on(row, now)):
        end(session, row, "withheld", decision.reason, now)


def ready(session: Session, row: OutgoingMessage, settings: ChannelSettings, now: datetime) -> Ready:
    """The message as it leaves, and as a preview shows it."""
    unsubscribe_url = None
    if row.customer_id is not None and row.purpose != "transactional":
        about = links.Subscription(row.customer_id, row.channel, row.purpose)  # type: ignore[arg-type]
        unsubscribe_url = settings.public_url + links.unsubscribe_path(settings.link_key, about)
    devices: list[Device] = []
    if row.channel == "push" and row.customer_id is not None:
        devices = [
            Device(one.id, one.kind, one.endpoint, one.p256dh, one.auth)
            for one in addresses.devices_of(session, row.customer_id)
        ]
    template, context = row.template, row.context
    if others := digests.carried_by(session, row):
        template, context = "digest", digests.context_of([row, *others])
    return Ready(
        id=row.id,
        template=template,
        purpose=row.purpose,
        recipient=row.recipient,
        rendered=render(
            template, context, public_url=settings.public_url, language=row.language, unsubscribe_url=unsubscribe_url
        ),
        language=row.language,
        created_at=row.created_at,
        first_name=str(row.context.get("name", "")).split(" ")[0],
        path="/inbox" if others else str(row.context.get("path", "/home")),
        unsubscribe_url=unsubscribe_url,
        doubtful_since=row.in_doubt_since,
        of_others=_others_to(session, row),
        is_window_open=(
            row.channel == "whatsapp" and row.customer_id is not None
            and addresses.is_window_open(session, row.customer_id, now)
        ),
        devices=devices,
        topic=row.topic,
    )  # fmt: skip


def _others_to(session: Session, row: OutgoingMessage) -> frozenset[str]:
    """What the provider calls other messages that left for the same address while it was in doubt."""
    if row.in_doubt_since is None:
        return frozenset()
    found = select(OutgoingMessage.provider_message_id).where(
        OutgoingMessage.channel == row.channel, OutgoingMessage.recipient == row.recipient,
        OutgoingMessage.id != row.id, OutgoingMessage.sent_at >= row.in_doubt_since,
    )  # fmt: skip
    return frozenset(sid for sid in session.scalars(found) if sid is not None)


def note_taken(session: Session, row: OutgoingMessage, receipt: Receipt, now: datetime) -> None:
    """The provider has it, and what it carries with it."""
    others = digests.carried_by(session, row)
    row.provider_message_id, row.in_doubt_since, row.topic = receipt.provider_message_id, None, None
    if receipt.segments is not None:
        sms_costs.charge(row, receipt.segments, receipt.price)
    addresses.forget_devices(session, receipt.gone)
    for one in (row, *others):
        one.status, one.sent_at, one.last_error, one.reason = "sent", now, None, None
        one.channel, one.recipient, one.fallbacks = row.channel, row.recipient, row.fallbacks
        if not row.fallbacks:  # another channel may have to say it again; what may have one carries no secret
            one.context = _without_secrets(one)
        if one.customer_id is not None:
            publish(
                session,
                MessageLeft(
                    occurred_at=now, outgoing_id=one.id, person_id=one.customer_id, channel=one.channel,
                    purpose=one.purpose, template=one.template, segments=receipt.segments if one is row else None,
                ),
            )  # fmt: skip


def note_refused(
    session: Session, row: OutgoingMessage, refusal: Refused, *, is_undecided: bool, now: datetime
) -> None:
    """The provider never takes it: a dead address is remembered, and another channel may carry the message.

    Args:
        is_undecided: An earlier try may have arrived.
    """
    row.last_error = told(refusal)
    addresses.forget_devices(session, refusal.gone)
    if refusal.dead:
        addresses.suppress(session, channel=row.channel, address=row.recipient, reason=refusal.dead, now=now)
    if not is_undecided:
        clear_doubt(row)
    if is_undecided or not move_on(row, now):
        end(session, row, "failed", refusal.reason, now)


def note_failure(
    session: Session, row: OutgoingMessage, error: Exception, *, is_undecided: bool, now: datetime
) -> None:
    """It did not leave, or nobody knows; the next try is due later. What may have left takes no other channel."""
    row.last_error = told(error)
    if isinstance(error, NotSent):
        addresses.forget_devices(session, error.gone)
    row.next_attempt_at = now + RETRY.delay(row.attempts)
    if not is_undecided:
        clear_doubt(row)
        if row.attempts >= FALL_BACK_AT and move_on(row, now):
            return
    if RETRY.is_last(row.attempts):
        end(session, row, "failed", "undecided" if is_undecided else "gave_up", now)


def note_undelivered(session: Session, row: OutgoingMessage, reason: str, now: datetime) -> None:
    """It was taken and did not arrive: its next channel carries it, anew weighed, or it has failed.

    What a phone had is not taken back; a mail that a server took may still come back.
    """
    if row.status != "sent" or (row.delivered_at is not None and row.channel != "email"):
        return
    if not move_on(row, now):
        end(session, row, "failed", reason, now)
        return
    row.provider_message_id = None
    for one in (row, *digests.carried_by(session, row)):
        one.status, one.sent_at, one.delivered_at = "queued", None, None
        one.last_error = reason


def clear_doubt(row: OutgoingMessage) -> None:
    """It is known that it has not left."""
    row.in_doubt_since, row.topic = None, None


def move_on(row: OutgoingMessage, now: datetime) -> bool:
    """Let the next channel carry the message, at once and anew; False where there is none."""
    if not row.fallbacks:
        return False
    log.info("message_falls_back", message_id=str(row.id), of=row.channel, to=row.fallbacks[0])
    row.channel, row.fallbacks = row.fallbacks[0], row.fallbacks[1:]
    row.attempts, row.next_attempt_at, row.recipient = 0, now, ""
    return True


def move_all_on(session: Session, channel: Channel, *, waiting_since: datetime, now: datetime) -> int:
    """The provider of a channel is down: what has waited for it since before and has another channel takes that.

    What may have left already stays. Returns how many moved.
    """
    rows = session.scalars(
        select(OutgoingMessage)
        .where(
            OutgoingMessage.channel == channel, OutgoingMessage.status == "queued",
            OutgoingMessage.next_attempt_at <= waiting_since, OutgoingMessage.in_doubt_since.is_(None),
            digests.LEAVES,
            func.jsonb_array_length(OutgoingMessage.fallbacks) > 0,
        )
        .with_for_update(skip_locked=True)
    ).all()  # fmt: skip
    for row in rows:
        move_on(row, now)
    return len(rows)


def end_without_channel(session: Session, channel: Channel, now: datetime) -> int:
    """Nobody carries this channel here: what is due takes another, unless it may have left, or is not sent. Returns how
    many."""
    rows = session.scalars(
        select(OutgoingMessage)
        .where(
            OutgoingMessage.channel == channel, OutgoingMessage.status == "queued",
            OutgoingMessage.next_attempt_at <= now, digests.LEAVES,
        )
        .with_for_update(skip_locked=True)
    ).all()  # fmt: skip
    for row in rows:
        if row.in_doubt_since is not None or not move_on(row, now):
            end(session, row, "withheld", "no_such_channel", now)
    return len(rows)


def note_delivered(session: Session, row_id: UUID, at: datetime) -> None:
    """The provider says that it arrived, with what it carried; the first time counts."""
    carried = (OutgoingMessage.digest_id == row_id) & (OutgoingMessage.status == "sent")
    statement = (
        update(OutgoingMessage)
        .where((OutgoingMessage.id == row_id) | carried, OutgoingMessage.delivered_at.is_(None))
        .values(delivered_at=at)
        .returning(OutgoingMessage.id, OutgoingMessage.customer_id, OutgoingMessage.channel)
    )
    for row in session.execute(statement, execution_options={"synchronize_session": False}).all():
        if row.customer_id is not None:
            publish(
                session,
                MessageDelivered(occurred_at=at, outgoing_id=row.id, person_id=row.customer_id, channel=row.channel),
            )


def end(session: Session, row: OutgoingMessage, status: str, reason: str, now: datetime) -> None:
    """It leaves no more, nor does what it carries, and that is told."""
    for one in digests.carried_by(session, row):
        end(session, one, status, reason, now)
    row.status, row.reason = status, reason
    row.context = _without_secrets(row)
    log.info("message_ended", message_id=str(row.id), channel=row.channel, status=status, reason=reason)
    if status == "failed":
        log.error("email_given_up", email_id=str(row.id), template=row.template, error=row.last_error)
    if row.customer_id is not None:
        publish(
            session,
            MessageFailed(
                occurred_at=now, outgoing_id=row.id, person_id=row.customer_id, channel=row.channel,
                purpose=row.purpose, template=row.template, reason=reason,
            ),
        )  # fmt: skip


def _without_secrets(row: OutgoingMessage) -> dict[str, Any]:
    return {key: value for key, value in row.context.items() if key not in SECRET_VALUES}
