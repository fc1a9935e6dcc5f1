"""Which events of other contexts engagement hears, and what it learns, forgets and says by them.

What people are told of sessions and of money is `telling`.
"""

from datetime import UTC, datetime, time, timedelta
from uuid import UUID

from sqlalchemy.orm import Session

from contracts.events import (
    automation,
    billing,
    commerce,
    compliance,
    engagement,
    identity,
    scheduling,
    training,
    wallets,
)
from contracts.events.envelope import Event
from operational_api.core import clock
from operational_api.engagement import lifecycle
from operational_api.engagement.errors import NudgesOff, TooManyNudges
from operational_api.engagement.models import Message
from operational_api.engagement.sending import WAYS, zone_of
from operational_api.engagement.service import (
    doubts,
    forgetting,
    inbox,
    leads,
    preferences,
    scheduled,
    stages,
)
from operational_api.engagement.service.contacts import contact, contacts
from operational_api.engagement.service.emails import WORD_EVERY, queue_message, word_left_at, word_waits
from operational_api.engagement.telling import money, sessions
from operational_api.engagement.telling.letter import STALE_AFTER, mail
from operational_api.scheduling import public as scheduling_public


def announce_message(session: Session, event: Event) -> None:
    """Word of an unread message by the way that its reader likes; not more than one an hour to a person.

    While one waits, for the end of quiet hours or for its hour, a further message adds none: the morning brings one.
    """
    assert isinstance(event, engagement.MessageSent)  # noqa: S101
    message = session.get(Message, event.message_id)
    if message is None or message.read_at is not None or message.kind == "system":
        return
    people = contacts(session, [event.sender_id, event.recipient_id])
    recipient, sender = people.get(event.recipient_id), people.get(event.sender_id)
    is_customer = event.recipient_id == event.customer_id
    now = clock.now()
    if recipient is None or now - event.occurred_at > STALE_AFTER:
        return
    path = "/messages" if is_customer else f"/coach/messages?customer={event.customer_id}"
    if word_waits(session, recipient.account_id):
        return
    last = word_left_at(session, recipient.account_id, now=now)
    queue_message(
        session, dedupe_key=f"new_message:{message.id}", person=recipient, template="new_message", purpose="coaching",
        channels=WAYS, now=now, send_at=None if last is None else last + WORD_EVERY,
        context={
            "sender": sender.first_name if sender else "Plyo", "body": message.body, "path": path,
            "message_id": str(message.id),
        },
    )  # fmt: skip


def convert_lead(session: Session, event: Event) -> None:
    """Somebody who once left their address has an account now."""
    assert isinstance(event, identity.EmailVerified)  # noqa: S101
    if person := contact(session, event.account_id):
        leads.convert_leads(session, email=person.email, customer_id=event.account_id, now=event.occurred_at)


def learn(session: Session, event: Event) -> None:
    """Something that says where a person stands, if it does."""
    if (fact := stages.told_by(event)) is not None:
        stages.learn(session, **fact, now=clock.now())


def carry_lead_over(session: Session, event: Event) -> None:
    """Whoever was a lead begins as one."""
    assert isinstance(event, identity.EmailVerified)  # noqa: S101
    if person := contact(session, event.account_id):
        stages.carry_lead_over(session, email=person.email, customer_id=event.account_id, now=clock.now())


def tell_of_copy(session: Session, event: Event) -> None:
    """Whoever wanted their data reads that it can be fetched, and until when."""
    assert isinstance(event, compliance.PersonalExportMade)  # noqa: S101
    person = contact(session, event.account_id)
    told = {"path": "/account/data", "expires_at": event.expires_at.isoformat()}
    zone = person.time_zone if person else "UTC"
    mail(session, event, person, "data_copy_ready", event.export_id, time_zone=zone, **told)


def forget_person(session: Session, event: Event) -> None:
    """Nobody whose account was closed is reached any more, and nothing of how they were is kept."""
    assert isinstance(event, identity.AccountClosed)  # noqa: S101
    forgetting.forget_person(session, event.account_id, now=event.occurred_at)


def ask_after_missed_week(session: Session, event: Event) -> None:
    """A friendly word to who did nothing of a week's plan; none to who allows no check-ins or had enough of them, who
    was a member with a break then, or is none any more, and who came to a session all the same.

    It goes as coaching, by the way that they like and after their quiet hours, until Wednesday night of their clock.
    What was logged by then calls it off (`outgoing.weigh`).
    """
    assert isinstance(event, training.TrainingWeekMissed)  # noqa: S101
    now = clock.now()
    person = contact(session, event.customer_id)
    if person is None or now - event.occurred_at > STALE_AFTER:
        return
    refusal = preferences.nudge_refusal(session, customer_id=event.customer_id, now=now)
    if isinstance(refusal, NudgesOff | TooManyNudges):
        return
    zone = zone_of(person.time_zone)
    since, until, stale = (
        datetime.combine(event.week_of + timedelta(days=days), time(), zone).astimezone(UTC) for days in (0, 7, 10)
    )
    came = scheduling_public.has_attended(session, event.customer_id, since=since, until=until)
    if came or _was_away(session, event.customer_id, since, until):
        return
    queue_message(
        session, dedupe_key=f"missed_week:{event.customer_id}:{event.week_of}", person=person, template="missed_week",
        context={"week_of": event.week_of.isoformat(), "path": "/training"}, purpose="coaching", channels=WAYS,
        now=now, expires_at=stale,
    )  # fmt: skip


def _was_away(session: Session, customer_id: UUID, since: datetime, until: datetime) -> bool:
    """Whether a membership was paused in this span of time, or has ended or is paused today."""
    lived = lifecycle.fold(stages.facts_of(session, customer_id))
    ends = [one.since for one in lived[1:]] + [datetime.max.replace(tzinfo=UTC)]
    paused = any(
        one.stage == "paused" and one.since < until and end > since for one, end in zip(lived, ends, strict=False)
    )
    return paused or (bool(lived) and lived[-1].stage in ("paused", "churned"))


PERIODIC = [
    ("engagement.send_scheduled", timedelta(seconds=20), scheduled.send_due),
    ("engagement.land_in_inboxes", timedelta(seconds=5), inbox.land_due),
    ("engagement.forget_read", timedelta(hours=6), inbox.forget_old),
    ("engagement.forget_sent", timedelta(hours=6), forgetting.forget_sent),
    ("engagement.end_undecided", timedelta(hours=1), doubts.end_undecided),
]
HANDLERS = {
    scheduling.SessionBooked.type: [sessions.confirm_booking, sessions.remind_of_session],
    scheduling.SessionCancelled.type: [
        sessions.confirm_cancellation,
        sessions.forget_reminder,
        sessions.forget_notices,
    ],
    scheduling.SessionMoved.type: [sessions.tell_of_move, sessions.forget_reminder, sessions.remind_of_session],
    scheduling.SeatHeld.type: [sessions.tell_of_kept_seat],
    scheduling.WaitlistOffered.type: [sessions.offer_seat],
    scheduling.ClassNoticeWritten.type: [sessions.tell_of_notice],
    scheduling.AssistantAssigned.type: [sessions.tell_of_assistance],
    scheduling.AssistantMoved.type: [sessions.tell_of_assistance],
    scheduling.AssistantReleased.type: [sessions.tell_of_assistance],
    commerce.PaymentCaptured.type: [money.send_receipt],
    commerce.PaymentFailed.type: [money.tell_of_failed_payment],
    commerce.PaymentRefunded.type: [money.tell_of_refund],
    billing.PayerChanged.type: [money.tell_of_payer],
    billing.PayerLeft.type: [money.tell_of_left_payer],
    billing.MembershipRenewsSoon.type: [money.tell_of_renewal],
    wallets.WalletCreditGiven.type: [money.tell_of_gift],
    wallets.WalletCreditEndsSoon.type: [money.remind_of_gift],
    commerce.SubscriptionStarted.type: [money.welcome_member, learn],
    commerce.SubscriptionChanged.type: [learn],
    commerce.SubscriptionCancelled.type: [money.confirm_end_of_membership, learn],
    automation.ChurnScored.type: [learn],
    engagement.LeadCaptured.type: [learn],
    engagement.MessageSent.type: [announce_message],
    compliance.PersonalExportMade.type: [tell_of_copy],
    training.TrainingWeekMissed.type: [ask_after_missed_week],
    identity.EmailVerified.type: [convert_lead, carry_lead_over],
    identity.AccountClosed.type: [forget_person],
}
