"""The only door to engagement for other contexts: ids and plain values in and out.

Commands take the principal and decide by the policy; the HTTP API and the graph both act through them.
"""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from operational_api.core.principal import Principal, account_id_of
from operational_api.engagement.schemas import (
    MessageCreate,
    MessageRead,
    PreferencesRead,
    PreferencesWrite,
    ReadReceipt,
    UndecidedRead,
)
from operational_api.engagement.sending import Purpose, Rhythm
from operational_api.engagement.service import digests, doubts, messages, people, preferences, threads
from operational_api.engagement.service.addresses import mail_arrives, mail_comes_back, revive_mail
from operational_api.engagement.service.contacts import Contact, contacts_of_role
from operational_api.engagement.service.emails import queue_email
from operational_api.engagement.service.forgetting import forget_address
from operational_api.engagement.service.leads import amend_lead
from operational_api.engagement.service.messages import unread_count
from operational_api.engagement.service.people import CrmPerson
from operational_api.engagement.service.preferences import customers_without_nudges

__all__ = [
    "Contact", "CrmPerson", "MessageCreate", "MessageRead", "PreferencesRead", "PreferencesWrite", "ReadReceipt",
    "UndecidedRead", "amend_lead", "crm_people", "crm_person_ids", "customers_without_nudges", "forget_address",
    "mail_arrives", "mail_comes_back", "mark_thread_read", "may_nudge", "nudge_refusals", "queue_email", "revive_mail",
    "send_message", "set_preferences", "settle_message", "staff", "undecided_messages", "unread_count", "write_message",
]  # fmt: skip


def send_message(
    session: Session,
    *,
    customer_id: UUID,
    sender_id: UUID,
    recipient_id: UUID,
    kind: str,
    body: str,
    automation_run_id: UUID | None = None,
    now: datetime,
) -> UUID:
    """Put a message (chat, nudge or system) into the customer's thread; returns its id.

    Raises:
        MessageRejected: the body is empty or longer than 4000 characters.
        NudgeRefused: a nudge that the customer's preferences, quiet hours or weekly measure forbid.
    """
    return messages.send_message(
        session, customer_id=customer_id, sender_id=sender_id, recipient_id=recipient_id, kind=kind, body=body,
        automation_run_id=automation_run_id, now=now,
    ).id  # fmt: skip


def may_nudge(session: Session, customer_id: UUID, now: datetime) -> bool:
    """Whether a nudge sent at `now` would be accepted."""
    return preferences.nudge_refusal(session, customer_id=customer_id, now=now) is None


def nudge_refusals(session: Session, customer_ids: Iterable[UUID], now: datetime) -> dict[UUID, str]:
    """Why these customers are not to be nudged at `now`, in words; who may be is not in the answer."""
    refusals = preferences.nudge_refusals(session, customer_ids, now=now)
    return {customer_id: refusal.detail for customer_id, refusal in refusals.items()}


def write_message(
    session: Session, principal: Principal, *, customer_id: UUID, body: str, now: datetime
) -> MessageRead:
    """Write to the other side of a conversation that is the principal's."""
    thread = threads.reach_thread(session, principal, customer_id, "engagement.send_message")
    message = threads.write(session, thread=thread, sender_id=account_id_of(principal), body=body, now=now)
    return MessageRead.of(message, threads.people_of(session, [message]))


def mark_thread_read(
    session: Session, principal: Principal, *, customer_id: UUID, up_to: UUID | None = None, now: datetime
) -> ReadReceipt:
    """What was sent to the principal in the conversation is read: everything, or up to a message of it."""
    threads.reach_thread(session, principal, customer_id, "engagement.read_messages")
    read = threads.mark_read(session, customer_id=customer_id, reader_id=account_id_of(principal), up_to=up_to, now=now)
    return ReadReceipt(read=read)


def set_preferences(
    session: Session, principal: Principal, body: PreferencesWrite, *, now: datetime
) -> PreferencesRead:
    """Change what the customer who asks allows, and when lists come where they say so."""
    customer_id = account_id_of(principal)
    given = body.model_dump(exclude={"digests"})
    row = preferences.set_preferences(session, customer_id=customer_id, **given, now=now)
    rhythms: dict[Purpose, Rhythm | None] = {
        one.purpose: digests.rhythm(one.pace, one.hour) for one in body.digests or ()
    }
    if rhythms:
        digests.choose(session, customer_id=customer_id, rhythms=rhythms, now=now)
    return PreferencesRead.of(row, digests.rhythms_of(session, customer_id))


def undecided_messages(session: Session) -> list[UndecidedRead]:
    """Messages of which nobody knows whether they left, the oldest first. The caller decides who may ask."""
    return [UndecidedRead.model_validate(one) for one in doubts.undecided(session)]


def settle_message(session: Session, message_id: UUID, *, sends_again: bool, actor_id: UUID, now: datetime) -> None:
    """Have such a message sent again, or leave it as it is. The caller decides who may.

    Raises:
        MessageNotUndecided: it is none, or somebody was quicker.
    """
    doubts.settle(session, message_id, sends_again=sends_again, actor_id=actor_id, now=now)


def staff(session: Session, role: str) -> list[Contact]:
    """Everybody of a role of the business's own, to write to."""
    return contacts_of_role(session, role)


def crm_people(session: Session, person_ids: Iterable[UUID]) -> dict[UUID, CrmPerson]:
    """What a CRM may know of people, by the id that was asked for: a lead's or a customer's. Unknown ids are absent."""
    return people.crm_people(session, set(person_ids))


def crm_person_ids(session: Session) -> list[UUID]:
    """Everybody whom a CRM may know: leads who wait, and customers with a stage."""
    return people.crm_person_ids(session)
