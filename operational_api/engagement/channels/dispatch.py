"""Sends what is queued, each message once: takes a row, asks whether it may leave, hands it over, writes its end.

A message is handed over while its row is locked and marked in the same transaction, so of many workers one sends it.
A crash between the provider's yes and our commit leaves it queued: that it may have left is written down before it is
handed over, in a transaction of its own. Providers that put a copy in the place of the first (`replaces`, as a push
service by its topic) then get it again, under the same topic. Of others whoever tries next looks first where there is
somebody to ask (`can_tell`); else `doubts.leaves_again` says what becomes of it. A message is claimed before: two
workers that both wrote the doubt down could neither of them take it back.

A provider that is down costs no message a try; those that have another channel take it after a while.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session, sessionmaker

from contracts.telemetry import get_logger, trace
from operational_api.core import clock, failpoints
from operational_api.engagement.channels import email
from operational_api.engagement.channels.port import Gateway, NotSent, Refused, Sender, Unavailable, Undecided
from operational_api.engagement.channels.push import PushGateway
from operational_api.engagement.channels.sms import SmsGateway
from operational_api.engagement.channels.whatsapp import WhatsAppGateway
from operational_api.engagement.models import OutgoingMessage
from operational_api.engagement.sending import Channel, Send
from operational_api.engagement.service import digests, doubts, outgoing
from operational_api.engagement.settings import ChannelSettings

log = get_logger(__name__)
MOST_IN_HAND = 20
"""Messages of a channel that workers have in hand at once: so far a worker looks for one that is free."""


def gateways(settings: ChannelSettings) -> dict[Channel, Gateway]:
    """A gateway for each channel that the settings say how to reach."""
    made: dict[Channel, Callable[[ChannelSettings], Gateway]] = {
        "email": email.gateway, "sms": SmsGateway, "whatsapp": WhatsAppGateway, "push": PushGateway,
    }  # fmt: skip
    return {channel: made[channel](settings) for channel in settings.channels}


class Dispatcher:
    """Sends by every channel; one loop each calls `send_due`."""

    def __init__(
        self, sessions: sessionmaker[Session], settings: ChannelSettings, ways: Mapping[Channel, Gateway] | None = None
    ) -> None:
        self._sessions, self._settings = sessions, settings
        self._ways = gateways(settings) if ways is None else ways

    def send_due(self, channel: Channel) -> bool:
        """Send all that is due by a channel, over one connection.

        Returns:
            False: nothing is left to do at once.

        Raises:
            Unavailable: the provider cannot be reached. Nothing was tried, so no message is nearer to giving up.
        """
        self._form_digests(channel)
        if not self._is_any_due(channel):
            return False
        way = self._ways.get(channel)
        if way is None:
            with self._sessions.begin() as session:
                outgoing.end_without_channel(session, channel, clock.now())
            return False
        try:
            with way.opened() as sender:
                while self._send_next(channel, sender, way):
                    pass
        except Unavailable:
            now = clock.now()
            with self._sessions.begin() as session:
                patience = timedelta(seconds=self._settings.fallback_after_seconds)
                outgoing.move_all_on(session, channel, waiting_since=now - patience, now=now)
            raise
        return False

    def _form_digests(self, channel: Channel) -> None:
        """What waited for a list is in one, for good, before any of it is handed over."""
        while True:
            with self._sessions.begin() as session:
                formed = digests.form(session, channel, clock.now())
            if not formed:
                return
            failpoints.hit("digest.formed")

    def _is_any_due(self, channel: Channel) -> bool:
        with self._sessions() as session:
            return session.scalar(_due(channel, clock.now())) is not None

    def _send_next(self, channel: Channel, sender: Sender, way: Gateway) -> bool:
        outage: Unavailable | None = None
        with self._sessions.begin() as session:
            mark = self._claim(session, channel, way)
            if mark is None:
                return False
            row = session.scalar(_due(channel, clock.now()).where(OutgoingMessage.id == mark.row_id).with_for_update())
            if row is None:
                return True  # it ended meanwhile, and there may be more
            now = clock.now()
            decision = outgoing.weigh(session, row, now)
            if not isinstance(decision, Send):
                _take_back(row, mark)
                outgoing.hold(session, row, decision, now)
                return True
            try:
                with trace():
                    goes_on = self._hand_over(session, row, sender, mark)
            except Unavailable as error:
                outage = error
                _take_back(row, mark)
        if outage is not None:
            raise outage
        if goes_on:
            failpoints.hit("email.after_commit")
        return goes_on

    def _hand_over(self, session: Session, row: OutgoingMessage, sender: Sender, mark: "_Mark") -> bool:
        """Returns whether to go on with this connection."""
        is_handed_over = not mark.is_new
        try:
            message = outgoing.ready(session, row, self._settings, clock.now())
            if mark.is_new:
                message = replace(message, doubtful_since=None)
            is_handed_over = True
            receipt = sender.send(message)
        except Unavailable:
            raise
        except Refused as refusal:
            log.warning("email_failed", email_id=str(row.id), channel=row.channel, error=str(refusal))
            outgoing.note_refused(session, row, refusal, is_undecided=mark.stays, now=clock.now())
            return True
        except Exception as error:  # also one that cannot be rendered: it does not hold up those behind it
            log.exception("email_failed", email_id=str(row.id), channel=row.channel, template=row.template)
            is_unknown = is_handed_over and not isinstance(error, NotSent)
            is_undecided = mark.stays or is_unknown or isinstance(error, Undecided)
            outgoing.note_failure(session, row, error, is_undecided=is_undecided, now=clock.now())
            return not _has_lost_the_line(error)
        failpoints.hit("email.before_commit")
        outgoing.note_taken(session, row, receipt, clock.now())
        log.info(
            "email_sent", email_id=str(row.id), channel=row.channel, template=row.template, attempt=row.attempts
        )  # fmt: skip
        return True

    def _claim(self, session: Session, channel: Channel, way: Gateway) -> "_Mark | None":
        """Make the next message that is due this worker's until the session's end, and write down, for good, that it
        may be about to leave. None: whatever is due is in other hands.

        The claim is a lock of its own: the message's row has to be free for the transaction that writes the doubt down.
        It dies with its worker.
        """
        due = _due(channel, clock.now()).with_only_columns(OutgoingMessage.id).limit(MOST_IN_HAND)
        for row_id in session.scalars(due).all():
            key = func.hashtextextended(f"handing over:{row_id}", 0)
            if session.scalar(select(func.pg_try_advisory_xact_lock(key))) and (mark := self._note_doubt(row_id, way)):
                return mark
        return None

    def _note_doubt(self, row_id: UUID, way: Gateway) -> "_Mark | None":
        """None: it left before it was claimed, somebody else changes it, or it does not leave once more."""
        with self._sessions.begin() as session:
            is_due = OutgoingMessage.status == "queued", OutgoingMessage.next_attempt_at <= clock.now(), digests.LEAVES
            found = select(OutgoingMessage).where(OutgoingMessage.id == row_id, *is_due)
            row = session.scalar(found.with_for_update(skip_locked=True))
            if row is None:
                return None
            is_new = row.in_doubt_since is None
            is_second = not is_new and not way.can_tell and not way.replaces
            if is_second and not doubts.leaves_again(row, told_within=way.tells_within, now=clock.now()):
                return None
            if not is_second and doubts.ends_unanswered(session, row, clock.now()):
                return None
            if is_new or way.replaces:
                # For good, too: of what may have left nobody could tell afterwards what was in it.
                outgoing.leave_out(session, row, clock.now())
            row.in_doubt_since = row.in_doubt_since or clock.now()
            row.topic = row.topic or (row.id if way.replaces else None)
            row.attempts += 1
            return _Mark(row.id, is_new, is_second, stays=way.replaces and not is_new)


@dataclass(frozen=True, slots=True)
class _Mark:
    """The doubt that a worker wrote down of what it has claimed; `is_new`: nobody had handed it over before.
    `is_second`: it leaves again although nobody knows whether it had left. `stays`: it may have left before, whatever
    is said to this try."""

    row_id: UUID
    is_new: bool
    is_second: bool
    stays: bool


def _take_back(row: OutgoingMessage, mark: _Mark) -> None:
    """Nothing was handed over after all: this try does not count."""
    row.attempts -= 1
    if mark.is_new:
        outgoing.clear_doubt(row)
    row.reason = None if mark.is_second else row.reason


def _has_lost_the_line(error: Exception) -> bool:
    return "SMTPServerDisconnected" in str(error)


def _due(channel: Channel, now: datetime) -> Select[tuple[OutgoingMessage]]:
    return (
        select(OutgoingMessage)
        .where(
            OutgoingMessage.channel == channel, OutgoingMessage.status == "queued",
            OutgoingMessage.next_attempt_at <= now, digests.LEAVES,
        )
        .order_by(OutgoingMessage.next_attempt_at)
        .limit(1)
    )  # fmt: skip
