"""Asking for a message: which exist, what each needs, and that asking twice sends once. Sending is `channels.dispatch`.

To a person by whatever channel they allow (`queue_message`), or to a bare address by e-mail (`queue_email`).
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from operational_api.engagement.errors import UnknownTemplate
from operational_api.engagement.models import OutgoingMessage
from operational_api.engagement.sending import Channel, Purpose
from operational_api.engagement.service import digests, inbox
from operational_api.engagement.service.contacts import Contact, contact_by_email
from operational_api.engagement.service.preferences import language_for, languages_for

TEMPLATES: dict[str, frozenset[str]] = {
    name: frozenset(needs.split())
    for name, needs in {
        "verify_email": "name path",
        "reset_password": "name path",
        "account_exists": "name path",
        "password_changed": "name",
        "confirm_email": "name path",
        "sign_in_code": "name code",
        "security_notice": "name what detail",
        "booking_confirmed": "name booking_id title coach location starts_at ends_at time_zone",
        "booking_cancelled": "name booking_id title coach starts_at time_zone is_late is_by_coach",
        "seat_kept": "name booking_id title coach location starts_at time_zone expires_at",
        "waitlist_promoted": "name booking_id title coach location starts_at ends_at time_zone",
        "waitlist_offered": "name booking_id title coach location starts_at time_zone expires_at",
        "class_assisted": "name what title coach assistant location starts_at time_zone is_series path",
        "class_notice": "name title coach author body location starts_at time_zone",
        "payment_receipt": "name amount_minor currency",
        "payment_failed": "name amount_minor currency",
        "payment_refunded": "name amount_minor currency",
        "subscription_started": "name is_trial",
        "subscription_cancelled": "name",
        "payer_changed": "name is_paid_for",
        "payer_ended": "name",
        "payer_left": "name currency time_zone",
        "membership_renews": "name currency amount_minor renews_at time_zone pays",
        "gift_given": "name amount_minor currency reason time_zone",
        "gift_ends": "name amount_minor currency last_at time_zone path",
        "new_message": "name sender body path",
        "session_reminder": "name booking_id title coach location starts_at ends_at time_zone",
        "announcement": "name subject body",
        "confirm_phone": "name",
        "missed_week": "name path week_of",
        "webhook_disabled": "name label reason path",
        "data_copy_ready": "name path expires_at time_zone",
    }.items()
}
"""Template name -> the values its context must have. `path` is a path of ours ("/verify-email?token=…"), times are
ISO 8601 with an offset, amounts are minor units. Further values are allowed where the template knows them."""

WORD_EVERY = timedelta(hours=1)
"""Between two words of messages to one person."""

PROVES_ADDRESS = frozenset({"verify_email", "confirm_email", "reset_password"})
"""Mails with a link whose following shows that they arrive. They go to an address from which mails came back, too: five
an hour at most, when somebody asks for one."""

_WAITING = select(OutgoingMessage.id, OutgoingMessage.digest_id, OutgoingMessage.in_doubt_since).where(
    OutgoingMessage.status == "queued"
)

SECRET_VALUES = ("path", "code")
"""Values wiped from the row once the e-mail has left: links may carry a one-time token, a code is one."""


def queue_email(
    session: Session, *, dedupe_key: str, recipient: str, template: str, context: dict[str, Any], now: datetime
) -> bool:
    """Have the worker send a transactional e-mail after this transaction commits, in the reader's language.

    Args:
        dedupe_key: Names the reason, as in `booking_confirmed:<booking id>`; the second request with it does nothing.
            One about an account to an address that may not be that account's has `:<account id>:` in it: by that it is
            forgotten with the account.
        recipient: An address.
        context: JSON-ready values for the template, at least those in `TEMPLATES`.

    Returns:
        False when an e-mail with this `dedupe_key` was asked for before.

    Raises:
        UnknownTemplate: no such template, or a value it needs is missing.
    """
    reader = contact_by_email(session, recipient)
    return _queue(
        session, dedupe_key=dedupe_key, recipient=recipient, template=template, context=context, next_attempt_at=now,
        language=language_for(session, reader) if reader else "en", reader_id=reader.account_id if reader else None,
    )  # fmt: skip


def queue_message(
    session: Session,
    *,
    dedupe_key: str,
    person: Contact,
    template: str,
    context: dict[str, Any],
    purpose: Purpose,
    channels: Sequence[Channel] = ("email",),
    now: datetime,
    send_at: datetime | None = None,
    expires_at: datetime | None = None,
) -> bool:
    """Have one message reach a person, once, by the first of the channels that can and may carry it.

    Whether it may leave is decided when it is about to: what they want then counts, not what they want now.

    Args:
        dedupe_key: As for `queue_email`.
        channels: In order of preference; each further one is for when those before it may not or cannot.
        send_at: Not before; None is as soon as may be.
        expires_at: Worth nothing from then on.

    Returns:
        False when a message with this `dedupe_key` was asked for before.

    Raises:
        UnknownTemplate: no such template, or a value it needs is missing.
    """
    first, *others = channels
    return _queue(
        session, dedupe_key=dedupe_key, recipient=person.email if first == "email" else "", template=template,
        context={"name": person.first_name, **context}, next_attempt_at=send_at or now, channel=first,
        fallbacks=others, purpose=purpose, customer_id=person.account_id, expires_at=expires_at,
        language=language_for(session, person), reader_id=person.account_id,
    )  # fmt: skip


def queue_for_many(
    session: Session,
    people: Sequence[Contact],
    *,
    dedupe_key: str,
    template: str,
    context: dict[str, Any],
    purpose: Purpose,
    channels: Sequence[Channel],
    now: datetime,
    expires_at: datetime | None = None,
) -> None:
    """`queue_message` for each of these people, in few statements; the person's id is added to the `dedupe_key`."""
    _check(template, {"name": "", **context})
    first, *others = channels
    languages = languages_for(session, people)
    rows = [
        {
            "dedupe_key": f"{dedupe_key}:{person.account_id}", "template": template, "channel": first,
            "recipient": person.email if first == "email" else "", "fallbacks": others, "purpose": purpose,
            "context": {"name": person.first_name, **context}, "customer_id": person.account_id,
            "language": languages[person.account_id], "next_attempt_at": now, "expires_at": expires_at,
        }
        for person in people
    ]  # fmt: skip
    if rows:
        session.execute(insert(OutgoingMessage).on_conflict_do_nothing(), rows)
        inbox.take(
            session,
            [
                inbox.Taken(
                    f"{dedupe_key}:{person.account_id}", person.account_id, template, purpose,
                    {"name": person.first_name, **context}, languages[person.account_id], now, expires_at,
                )
                for person in people
            ],
        )  # fmt: skip


def word_waits(session: Session, person_id: UUID) -> bool:
    """Whether word of a message to this person waits to leave.

    Who asks does so alone for this person until their transaction ends, and no word leaves meanwhile.
    """
    alone = text("select pg_advisory_xact_lock(hashtextextended('message:' || :who, 0))")
    session.execute(alone, {"who": str(person_id)})
    # One that waits for a list speaks of its own message alone: each is in the list, or none that was read.
    waits = _words_to(person_id).where(OutgoingMessage.status == "queued", OutgoingMessage.digest_at.is_(None)).exists()
    return bool(session.scalar(select(waits)))


def word_left_at(session: Session, person_id: UUID, *, now: datetime) -> datetime | None:
    """When word of a message to this person left last, where that is not longer ago than `WORD_EVERY`."""
    lately = _words_to(person_id).where(
        # The purpose as the index on what was sent says it.
        OutgoingMessage.purpose == "coaching", OutgoingMessage.purpose != "transactional",
        OutgoingMessage.sent_at > now - WORD_EVERY, OutgoingMessage.sent_at.is_not(None),
    )  # fmt: skip
    return session.scalar(lately.order_by(OutgoingMessage.sent_at.desc()).limit(1))


def _words_to(person_id: UUID) -> Select[tuple[datetime | None]]:
    return select(OutgoingMessage.sent_at).where(
        OutgoingMessage.customer_id == person_id, OutgoingMessage.template == "new_message"
    )


def call_off(session: Session, dedupe_key: str, *, reason: str) -> None:
    """A message that waits is not sent after all; one that has left, or is in a list that may have, has left."""
    theirs = OutgoingMessage.dedupe_key == dedupe_key
    _call_off(session, _WAITING.where(theirs).with_for_update(), reason=reason)
    inbox.call_off(session, dedupe_key)


def call_off_all(session: Session, beginning: str, *, template: str, reason: str) -> int:
    """Messages that were asked for together, by how their keys begin, are not sent after all, but for what workers have
    in hand. Returns how many were called off that nobody had tried to hand over."""
    theirs = OutgoingMessage.dedupe_key.startswith(beginning, autoescape=True) & (OutgoingMessage.template == template)
    called_off = _call_off(session, _WAITING.where(theirs).with_for_update(skip_locked=True), reason=reason)
    inbox.call_off_all(session, beginning)
    return called_off


def _call_off(session: Session, found: Select[tuple[UUID, UUID | None, datetime | None]], *, reason: str) -> int:
    rows = session.execute(found).tuples().all()  # locked: from here on no list takes any, or leaves with it
    leaving = digests.leaving(session, {carrier for id_, carrier, _ in rows if carrier is not None and carrier != id_})
    free = [row for row in rows if row[1] not in leaving]
    if free:
        session.execute(
            update(OutgoingMessage).where(digests.among(id_ for id_, _, _ in free))
            .values(status="withheld", reason=reason).execution_options(synchronize_session=False)
        )  # fmt: skip
    if carriers := [id_ for id_, carrier, _ in free if id_ == carrier]:
        theirs = select(OutgoingMessage).where(digests.among(carriers))
        for row in session.scalars(theirs, execution_options={"populate_existing": True}).all():
            digests.hand_on(session, row)
    return sum(in_doubt_since is None for _, _, in_doubt_since in free)


def _check(template: str, context: dict[str, Any]) -> None:
    if template not in TEMPLATES:
        raise UnknownTemplate(f"No e-mail is called {template!r}. There are: {', '.join(sorted(TEMPLATES))}.")
    if missing := TEMPLATES[template] - context.keys():
        raise UnknownTemplate(f"The e-mail {template!r} needs {', '.join(sorted(missing))}.")


def _queue(session: Session, *, template: str, context: dict[str, Any], reader_id: UUID | None, **columns: Any) -> bool:
    _check(template, context)
    statement = (
        insert(OutgoingMessage)
        .values(template=template, context=context, **columns)
        .on_conflict_do_nothing(index_elements=[OutgoingMessage.dedupe_key])
        .returning(OutgoingMessage.id)
    )
    if session.scalar(statement) is None:
        return False
    if reader_id is not None:
        taken = inbox.Taken(
            columns["dedupe_key"], reader_id, template, columns.get("purpose", "transactional"), context,
            columns["language"], columns["next_attempt_at"], columns.get("expires_at"),
        )  # fmt: skip
        inbox.take(session, [taken])
    return True
