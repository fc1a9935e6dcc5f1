"""What people are told of sessions and classes: booked, moved, called off, offered, coming, led by others."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from contracts.events import scheduling
from contracts.events.envelope import Event
from operational_api.core import clock
from operational_api.engagement.sending import WAYS, own_zone
from operational_api.engagement.service import preferences
from operational_api.engagement.service.contacts import Contact, contact, contacts
from operational_api.engagement.service.emails import call_off, queue_for_many, queue_message
from operational_api.engagement.telling.letter import STALE_AFTER, mail
from operational_api.scheduling import public as scheduling_public

REMIND_BEFORE = timedelta(hours=24)


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
    assert isinstance(event, scheduling.SessionBooked)  # noqa: S101 - by `handlers.HANDLERS`
    customer, facts = _session_facts(session, event.booking_id)
    template = "waitlist_promoted" if event.is_from_waitlist else "booking_confirmed"
    facts |= {"notices": [one.body for one in scheduling_public.notices_of(session, event.slot_id)]}
    if event.booked_by is not None:
        facts |= {"free_until": _free_until(session, event)}
    if event.assignment == "desk" and event.moved_from_id is not None:
        was = scheduling_public.session_facts(session, event.moved_from_id)
        facts |= {"was_with": was.coach_name if was else None}
    mail(session, event, customer, template, event.booking_id, **facts)


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
    mail(session, event, customer, "booking_cancelled", event.booking_id, **facts, **told)


def tell_of_kept_seat(session: Session, event: Event) -> None:
    """For whom the front desk keeps a seat reads until when it is to be paid. Who keeps one themselves sees it."""
    assert isinstance(event, scheduling.SeatHeld)  # noqa: S101
    if event.booked_by is None:
        return
    customer, facts = _session_facts(session, event.booking_id)
    mail(session, event, customer, "seat_kept", event.booking_id, **facts, expires_at=event.held_until.isoformat())


def tell_of_move(session: Session, event: Event) -> None:
    """The confirmation again, with the time to which the coach moved the class."""
    assert isinstance(event, scheduling.SessionMoved)  # noqa: S101
    customer, facts = _session_facts(session, event.booking_id)
    key = f"{event.booking_id}:{event.to_starts_at.isoformat()}"
    mail(session, event, customer, "booking_confirmed", key, **facts)


def offer_seat(session: Session, event: Event) -> None:
    """Whoever waited reads that a seat is kept for them, and until when."""
    assert isinstance(event, scheduling.WaitlistOffered)  # noqa: S101
    customer, facts = _session_facts(session, event.booking_id)
    until = {"expires_at": event.offer_expires_at.isoformat()}
    mail(session, event, customer, "waitlist_offered", event.booking_id, **facts, **until)


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
    mail(
        session, event, to, "class_assisted", key, what=what, title=facts.title, coach=facts.coach_name,
        assistant=facts.assistant_name, location=facts.location_name, starts_at=event.starts_at.isoformat(),
        time_zone=facts.time_zone, is_series=facts.series_id is not None, path=f"/classes/{event.slot_id}",
    )  # fmt: skip


def tell_of_notice(session: Session, event: Event) -> None:
    """Who is booked on a class reads what is written to all of them, as a reminder of it: by the way that they like,
    within what is enough for them. Whose quiet would last until it begins has it by e-mail, as what proves their place
    comes: that rings nobody awake, and later would be too late."""
    assert isinstance(event, scheduling.ClassNoticeWritten)  # noqa: S101
    now = clock.now()
    facts = scheduling_public.notice(session, event.notice_id, after=now)
    if facts is None or now - event.occurred_at > STALE_AFTER:
        return
    people = list(contacts(session, facts.first_of).values())
    asleep = preferences.undisturbed_until(session, people, facts.first_of, now=now)
    alike: dict[tuple[datetime, str, bool], list[Contact]] = {}
    for one in people:
        first, zone = facts.first_of[one.account_id], own_zone(one.time_zone, facts.time_zone)
        alike.setdefault((first, zone, one.account_id in asleep), []).append(one)
    for (first, zone, is_asleep), those in alike.items():
        queue_for_many(
            session, those, dedupe_key=f"class_notice:{event.notice_id}", template="class_notice", context={
                "title": facts.title, "coach": facts.coach_name, "author": facts.author_name, "body": facts.body,
                "location": facts.location_name, "starts_at": first.isoformat(), "time_zone": zone,
                "studio_zone": facts.time_zone, "is_series": facts.scope == "following", "path": "/bookings",
            },
            purpose="transactional" if is_asleep else "reminders", channels=("email",) if is_asleep else WAYS,
            now=now, expires_at=first,
        )  # fmt: skip


def forget_notices(session: Session, event: Event) -> None:
    """Who comes to none of the classes that a notice is for is not told how they are held."""
    assert isinstance(event, scheduling.SessionCancelled)  # noqa: S101
    for id_ in scheduling_public.notices_without(session, event.slot_id, event.customer_id, after=event.occurred_at):
        call_off(session, f"class_notice:{id_}:{event.customer_id}", reason="cancelled")


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
