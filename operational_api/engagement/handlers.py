"""What engagement says to people on other contexts' events. Each e-mail is named by its reason, so a repeat is one.

News goes stale: an event that waited longer than a day (a restored backup, a long outage) is not written about.
"""

from datetime import UTC, datetime, time, timedelta
from typing import Any
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
from operational_api.commerce import public as commerce_public
from operational_api.core import clock
from operational_api.engagement import lifecycle
from operational_api.engagement.errors import NudgesOff, TooManyNudges
from operational_api.engagement.models import Message
from operational_api.engagement.sending import WAYS, own_zone, zone_of
from operational_api.engagement.service import forgetting, inbox, leads, outgoing, preferences, scheduled, stages
from operational_api.engagement.service.contacts import Contact, contact, contacts
from operational_api.engagement.service.emails import (
    WORD_EVERY,
    call_off,
    queue_email,
    queue_for_many,
    queue_message,
    word_left_at,
    word_waits,
)
from operational_api.scheduling import public as scheduling_public

STALE_AFTER = timedelta(days=1)
REMIND_BEFORE = timedelta(hours=24)


def _mail(session: Session, event: Event, to: Contact | None, template: str, key: object, **context: Any) -> None:
    if to is None or clock.now() - event.occurred_at > STALE_AFTER:
        return
    queue_email(
        session, dedupe_key=f"{template}:{key}", recipient=to.email, template=template,
        context={"name": to.first_name, **context}, now=clock.now(),
    )  # fmt: skip


def _session_facts(session: Session, booking_id: UUID) -> tuple[Contact | None, dict[str, Any]]:
    """The customer, and the session in words. Times are told on the customer's own clock, where they said which that
    is, and beside it on the studio's."""
    facts = scheduling_public.session_facts(session, booking_id)
    if facts is None:
        return None, {}
    customer = contact(session, facts.customer_id)
    return customer, {
        "booking_id": str(booking_id),
        "title": facts.title,
        "coach": facts.coach_name,
        "location": facts.location_name,
        "starts_at": facts.starts_at.isoformat(),
        "ends_at": facts.ends_at.isoformat(),
        "time_zone": own_zone(customer.time_zone, facts.time_zone) if customer else facts.time_zone,
        "studio_zone": facts.time_zone,
        "is_booked_by_coach": facts.booked_by == facts.coach_id,
    }


def confirm_booking(session: Session, event: Event) -> None:
    """The customer's confirmation, or the good news that the waitlist moved."""
    assert isinstance(event, scheduling.SessionBooked)  # noqa: S101 - by the table below
    customer, facts = _session_facts(session, event.booking_id)
    template = "waitlist_promoted" if event.is_from_waitlist else "booking_confirmed"
    facts |= {"notices": [one.body for one in scheduling_public.notices_of(session, event.slot_id)]}
    if event.booked_by is not None:
        facts |= {"free_until": _free_until(session, event)}
    if event.assignment == "desk" and event.moved_from_id is not None:
        was = scheduling_public.session_facts(session, event.moved_from_id)
        facts |= {"was_with": was.coach_name if was else None}
    _mail(session, event, customer, template, event.booking_id, **facts)


def _free_until(session: Session, event: scheduling.SessionBooked) -> str | None:
    """Until when what the front desk booked can be cancelled for nothing; None where it cannot any more."""
    facts = scheduling_public.session_facts(session, event.booking_id)
    if facts is None or facts.free_until is None or facts.free_until <= event.occurred_at:
        return None
    return facts.free_until.isoformat()


def confirm_cancellation(session: Session, event: Event) -> None:
    """The customer's proof that the session is off, and what became of the credit. Where another coach holds it
    instead, their confirmation says so."""
    assert isinstance(event, scheduling.SessionCancelled)  # noqa: S101
    if event.is_reassigned:
        return
    customer, facts = _session_facts(session, event.booking_id)
    told = {"is_late": event.is_late, "is_by_coach": event.is_by_coach, "is_undone": event.is_undone}
    told["is_unpaid"] = event.is_unpaid
    _mail(session, event, customer, "booking_cancelled", event.booking_id, **facts, **told)


def tell_of_kept_seat(session: Session, event: Event) -> None:
    """For whom the front desk keeps a seat reads until when it is to be paid. Who keeps one themselves sees it."""
    assert isinstance(event, scheduling.SeatHeld)  # noqa: S101
    if event.booked_by is None:
        return
    customer, facts = _session_facts(session, event.booking_id)
    _mail(session, event, customer, "seat_kept", event.booking_id, **facts, expires_at=event.held_until.isoformat())


def tell_of_move(session: Session, event: Event) -> None:
    """The confirmation again, with the time to which the coach moved the class."""
    assert isinstance(event, scheduling.SessionMoved)  # noqa: S101
    customer, facts = _session_facts(session, event.booking_id)
    key = f"{event.booking_id}:{event.to_starts_at.isoformat()}"
    _mail(session, event, customer, "booking_confirmed", key, **facts)


def offer_seat(session: Session, event: Event) -> None:
    """Whoever waited reads that a seat is kept for them, and until when."""
    assert isinstance(event, scheduling.WaitlistOffered)  # noqa: S101
    customer, facts = _session_facts(session, event.booking_id)
    until = {"expires_at": event.offer_expires_at.isoformat()}
    _mail(session, event, customer, "waitlist_offered", event.booking_id, **facts, **until)


def tell_of_assistance(session: Session, event: Event) -> None:
    """Who assists a class reads that they are to, when it moves, and that they are not needed; whose class it is, that
    their assistant cannot come. Of a series that is changed at once one message tells."""
    about = (scheduling.AssistantAssigned, scheduling.AssistantMoved, scheduling.AssistantReleased)
    assert isinstance(event, about)  # noqa: S101
    facts = scheduling_public.assistance(session, event.assist_id)
    what = event.reason if isinstance(event, scheduling.AssistantReleased) else event.type.rpartition("_")[2]
    to = contact(session, event.coach_id if what in ("absent", "left") else event.assistant_id)
    if facts is None or to is None:
        return
    key = f"{event.assistant_id}:{what}:{facts.series_id or event.slot_id}:{event.occurred_at.isoformat()}"
    _mail(
        session, event, to, "class_assisted", key, what=what, title=facts.title, coach=facts.coach_name,
        assistant=facts.assistant_name, location=facts.location_name, starts_at=event.starts_at.isoformat(),
        time_zone=facts.time_zone, is_series=facts.series_id is not None, path=f"/classes/{event.slot_id}",
    )  # fmt: skip


def tell_of_notice(session: Session, event: Event) -> None:
    """Who is booked on a class reads what is written to all of them, as a reminder of it: by the way that they like,
    within what is enough for them. Whose quiet would last until it begins has it by e-mail, as what proves their place
    comes: that rings nobody awake, and later would be too late."""
    assert isinstance(event, scheduling.ClassNoticeWritten)  # noqa: S101
    facts, now = scheduling_public.notice(session, event.notice_id), clock.now()
    if facts is None or facts.starts_at <= now or now - event.occurred_at > STALE_AFTER:
        return
    people = list(contacts(session, facts.customer_ids).values())
    asleep = preferences.undisturbed_until(session, people, facts.starts_at, now=now)
    alike: dict[tuple[str, bool], list[Contact]] = {}
    for one in people:
        alike.setdefault((own_zone(one.time_zone, facts.time_zone), one.account_id in asleep), []).append(one)
    for (zone, is_asleep), those in alike.items():
        queue_for_many(
            session, those, dedupe_key=f"class_notice:{event.notice_id}", template="class_notice", context={
                "title": facts.title, "coach": facts.coach_name, "author": facts.author_name, "body": facts.body,
                "location": facts.location_name, "starts_at": facts.starts_at.isoformat(), "time_zone": zone,
                "studio_zone": facts.time_zone, "path": "/bookings",
            },
            purpose="transactional" if is_asleep else "reminders", channels=("email",) if is_asleep else WAYS,
            now=now, expires_at=facts.starts_at,
        )  # fmt: skip


def forget_notices(session: Session, event: Event) -> None:
    """Who comes no more is not told how the class is held."""
    assert isinstance(event, scheduling.SessionCancelled)  # noqa: S101
    for one in scheduling_public.notices_of(session, event.slot_id):
        call_off(session, f"class_notice:{one.id}:{event.customer_id}", reason="cancelled")


def send_receipt(session: Session, event: Event) -> None:
    """Word of money is for whose it is: a parent's, an employer's card is nothing to write to the member about."""
    assert isinstance(event, commerce.PaymentCaptured)  # noqa: S101
    of_wallet = commerce_public.wallet_part(session, event.invoice_id) if event.invoice_id else None
    money: dict[str, Any] = {"amount_minor": event.amount_minor, "currency": event.currency}
    key = event.payment_id
    if of_wallet and of_wallet.amount_minor:
        money["wallet_minor"] = of_wallet.amount_minor
    if event.provider in commerce.KEPT:  # the card's receipt says so, where one paid the rest
        if of_wallet is None or event.invoice_id is None or not of_wallet.is_all:
            return
        money["amount_minor"], key = 0, event.invoice_id  # gifts and what was paid in are one receipt
    _mail(session, event, contact(session, event.payer_id or event.customer_id), "payment_receipt", key, **money)


def tell_of_failed_payment(session: Session, event: Event) -> None:
    assert isinstance(event, commerce.PaymentFailed)  # noqa: S101
    money = {"amount_minor": event.amount_minor, "currency": event.currency}
    _mail(
        session,
        event,
        contact(session, event.payer_id or event.customer_id),
        "payment_failed",
        event.payment_id,
        **money,
    )


def tell_of_refund(session: Session, event: Event) -> None:
    assert isinstance(event, commerce.PaymentRefunded)  # noqa: S101
    if event.provider in commerce.KEPT:  # it is in their wallet, and no card has it
        return
    money = {"amount_minor": event.amount_minor, "currency": event.currency}
    _mail(
        session,
        event,
        contact(session, event.payer_id or event.customer_id),
        "payment_refunded",
        event.refund_id,
        **money,
    )


def welcome_member(session: Session, event: Event) -> None:
    assert isinstance(event, commerce.SubscriptionStarted)  # noqa: S101
    to = contact(session, event.customer_id)
    _mail(session, event, to, "subscription_started", event.subscription_id, is_trial=event.is_trial)


def confirm_end_of_membership(session: Session, event: Event) -> None:
    """For members who cancelled themselves; who lost it to failed payments was written to about those."""
    assert isinstance(event, commerce.SubscriptionCancelled)  # noqa: S101
    if event.is_voluntary:
        to = contact(session, event.customer_id)
        facts = {
            "has_ended": event.ends_now, "owed_minor": event.owed_minor, "currency": event.currency,
            "left_minor": event.left_minor, "days_left": event.days_left,
        }  # fmt: skip
        _mail(session, event, to, "subscription_cancelled", f"{event.subscription_id}:{event.ends_now}", **facts)


def tell_of_payer(session: Session, event: Event) -> None:
    """Both ends of a change of payer: the member, and who paid until now. Of one who left `tell_of_left_payer` does."""
    assert isinstance(event, billing.PayerChanged)  # noqa: S101
    former = contact(session, event.former_payer_id) if event.former_payer_id else None
    if event.payer_id == event.former_payer_id or (event.payer_id is None and former is None):
        return
    member = contact(session, event.customer_id)
    _mail(session, event, member, "payer_changed", event.event_id, is_paid_for=event.payer_id is not None)
    _mail(session, event, former, "payer_ended", event.event_id)


def tell_of_left_payer(session: Session, event: Event) -> None:
    """Whom somebody paid for who closed their account: what is open, and that a card or another payer is needed."""
    assert isinstance(event, billing.PayerLeft)  # noqa: S101
    member = contact(session, event.customer_id)
    until, renews = event.open_until, event.renews_at
    _mail(
        session, event, member, "payer_left", event.event_id, currency=event.currency, open_minor=event.open_minor,
        open_until=until.isoformat() if until else None, renews_at=renews.isoformat() if renews else None,
        renews_minor=event.renews_minor, time_zone=member.time_zone if member else "UTC",
    )  # fmt: skip


def tell_of_renewal(session: Session, event: Event) -> None:
    """Before another year of a membership is charged: the member, and who pays it where that is somebody else."""
    assert isinstance(event, billing.MembershipRenewsSoon)  # noqa: S101
    for account_id in (event.customer_id, event.payer_id):
        to = contact(session, account_id) if account_id else None
        _mail(
            session, event, to, "membership_renews", f"{event.event_id}:{account_id}", currency=event.currency,
            amount_minor=event.amount_minor, renews_at=event.renews_at.isoformat(),
            time_zone=to.time_zone if to else "UTC", pays=account_id == (event.payer_id or event.customer_id),
        )  # fmt: skip


def tell_of_gift(session: Session, event: Event) -> None:
    """Whoever was given something to spend: how much, why, and its last day."""
    assert isinstance(event, wallets.WalletCreditGiven)  # noqa: S101
    to = contact(session, event.customer_id)
    _mail(
        session, event, to, "gift_given", event.credit_id, amount_minor=event.amount_minor, currency=event.currency,
        reason=commerce_public.reason_of_gift(session, event.credit_id), time_zone=to.time_zone if to else "UTC",
        **({"last_at": commerce_public.last_moment(event.expires_at).isoformat()} if event.expires_at else {}),
    )  # fmt: skip


def remind_of_gift(session: Session, event: Event) -> None:
    """A week before what is left of a gift runs out, by the way that they like."""
    assert isinstance(event, wallets.WalletCreditEndsSoon)  # noqa: S101
    person, now = contact(session, event.customer_id), clock.now()
    if person is None or event.expires_at <= now:
        return
    queue_message(
        session, dedupe_key=f"gift_ends:{event.credit_id}", person=person, template="gift_ends", purpose="reminders",
        channels=WAYS, now=now, expires_at=event.expires_at, context={
            "amount_minor": event.amount_minor, "currency": event.currency, "time_zone": person.time_zone,
            "last_at": commerce_public.last_moment(event.expires_at).isoformat(), "path": "/wallet",
        },
    )  # fmt: skip


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


def remind_of_session(session: Session, event: Event) -> None:
    """The day before, by the way that they like. A session booked later than that needs none."""
    assert isinstance(event, scheduling.SessionBooked | scheduling.SessionMoved)  # noqa: S101
    customer, facts = _session_facts(session, event.booking_id)
    now = clock.now()
    if customer is None or (starts_at := datetime.fromisoformat(facts["starts_at"])) - REMIND_BEFORE <= now:
        return
    queue_message(
        session, dedupe_key=_reminder(event.booking_id, starts_at), person=customer, template="session_reminder",
        context=facts | {"path": "/bookings"}, purpose="reminders", channels=WAYS, now=now,
        send_at=starts_at - REMIND_BEFORE, expires_at=starts_at,
    )  # fmt: skip


def forget_reminder(session: Session, event: Event) -> None:
    """Nobody is reminded of what is off, nor of when it was to be before it was moved."""
    assert isinstance(event, scheduling.SessionCancelled | scheduling.SessionMoved)  # noqa: S101
    was = event.from_starts_at if isinstance(event, scheduling.SessionMoved) else event.starts_at
    if was is None:  # told before events said it
        was = datetime.fromisoformat(_session_facts(session, event.booking_id)[1]["starts_at"])
    call_off(session, _reminder(event.booking_id, was), reason="cancelled")


def _reminder(booking_id: UUID, starts_at: datetime) -> str:
    return f"session_reminder:{booking_id}:{starts_at.astimezone(UTC).isoformat()}"


def tell_of_copy(session: Session, event: Event) -> None:
    """Whoever wanted their data reads that it can be fetched, and until when."""
    assert isinstance(event, compliance.PersonalExportMade)  # noqa: S101
    person = contact(session, event.account_id)
    told = {"path": "/account/data", "expires_at": event.expires_at.isoformat()}
    zone = person.time_zone if person else "UTC"
    _mail(session, event, person, "data_copy_ready", event.export_id, time_zone=zone, **told)


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
    ("engagement.end_undecided", timedelta(hours=1), outgoing.end_undecided),
]
HANDLERS = {
    scheduling.SessionBooked.type: [confirm_booking, remind_of_session],
    scheduling.SessionCancelled.type: [confirm_cancellation, forget_reminder, forget_notices],
    scheduling.SessionMoved.type: [tell_of_move, forget_reminder, remind_of_session],
    scheduling.SeatHeld.type: [tell_of_kept_seat],
    scheduling.WaitlistOffered.type: [offer_seat],
    scheduling.ClassNoticeWritten.type: [tell_of_notice],
    scheduling.AssistantAssigned.type: [tell_of_assistance],
    scheduling.AssistantMoved.type: [tell_of_assistance],
    scheduling.AssistantReleased.type: [tell_of_assistance],
    commerce.PaymentCaptured.type: [send_receipt],
    commerce.PaymentFailed.type: [tell_of_failed_payment],
    commerce.PaymentRefunded.type: [tell_of_refund],
    billing.PayerChanged.type: [tell_of_payer],
    billing.PayerLeft.type: [tell_of_left_payer],
    billing.MembershipRenewsSoon.type: [tell_of_renewal],
    wallets.WalletCreditGiven.type: [tell_of_gift],
    wallets.WalletCreditEndsSoon.type: [remind_of_gift],
    commerce.SubscriptionStarted.type: [welcome_member, learn],
    commerce.SubscriptionChanged.type: [learn],
    commerce.SubscriptionCancelled.type: [confirm_end_of_membership, learn],
    automation.ChurnScored.type: [learn],
    engagement.LeadCaptured.type: [learn],
    engagement.MessageSent.type: [announce_message],
    compliance.PersonalExportMade.type: [tell_of_copy],
    training.TrainingWeekMissed.type: [ask_after_missed_week],
    identity.EmailVerified.type: [convert_lead, carry_lead_over],
    identity.AccountClosed.type: [forget_person],
}
