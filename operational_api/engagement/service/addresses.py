"""Where a person is reached by each channel: confirmed numbers, devices, and which addresses are dead."""

import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from operational_api.core import audit
from operational_api.core.policy import Resource, require
from operational_api.core.principal import Principal
from operational_api.engagement.errors import InvalidPhone, MailArrives, UnknownDevice
from operational_api.engagement.models import Phone, PushSubscription, Suppression
from operational_api.engagement.sending import Channel
from operational_api.engagement.service.contacts import Contact, contact
from operational_api.engagement.service.emails import queue_message
from operational_api.engagement.settings import ChannelSettings

WHATSAPP_WINDOW = timedelta(hours=24) - timedelta(minutes=5)
"""A day by their clock, from when they got the person's words; ours are by when we did, and arrive a little later."""
ASK_AGAIN = timedelta(days=1)
MOST_DEVICES = 10
_E164 = re.compile(r"^\+[1-9]\d{6,14}$")


def e164(number: str) -> str:
    """A number as E.164, of what people write with spaces, dashes and brackets.

    Raises:
        InvalidPhone: it lacks its country, or is no number.
    """
    bare = re.sub(r"[\s().\-/]", "", number.strip())
    bare = f"+{bare[2:]}" if bare.startswith("00") else bare
    if not _E164.match(bare):
        raise InvalidPhone
    return bare


def set_phone(session: Session, *, customer_id: UUID, number: str, now: datetime) -> Phone | None:
    """Keep a customer's number and ask its owner for a START; an empty one forgets it.

    A number is asked once a day at most, whoever gives it: nobody's phone rings because somebody else types.

    Raises:
        InvalidPhone: it lacks its country, or is no number.
    """
    if not number.strip():
        session.execute(delete(Phone).where(Phone.customer_id == customer_id))
        return None
    number = e164(number)
    known = session.get(Phone, customer_id)
    if known is not None and known.number == number:
        return known
    values = {"number": number, "confirmed_at": None, "whatsapp_seen_at": None, "asked_at": now}
    statement = insert(Phone).values(customer_id=customer_id, **values)
    statement = statement.on_conflict_do_update(index_elements=[Phone.customer_id], set_=values)
    phone = session.scalars(statement.returning(Phone), execution_options={"populate_existing": True}).one()
    if person := contact(session, customer_id):
        queue_message(
            session, dedupe_key=f"confirm_phone:{number}:{now:%Y-%m-%d}", person=person, template="confirm_phone",
            context={}, purpose="transactional", channels=["sms"], now=now, expires_at=now + ASK_AGAIN,
        )  # fmt: skip
    return phone


def confirm_phone(session: Session, *, number: str, now: datetime) -> None:
    """The number's owner said yes: to every account that gave it."""
    session.execute(update(Phone).where(Phone.number == number).values(confirmed_at=now))


def saw_whatsapp(session: Session, *, number: str, now: datetime) -> None:
    """Its owner wrote to us by WhatsApp: free text may follow for 24 hours."""
    session.execute(update(Phone).where(Phone.number == number).values(whatsapp_seen_at=now))


def subscribe(
    session: Session,
    *,
    customer_id: UUID,
    kind: str,
    endpoint: str,
    p256dh: str = "",
    auth: str = "",
    settings: ChannelSettings,
    now: datetime,
) -> None:
    """Push to this device too. A device belongs to whoever signed in on it last; the oldest of eleven is forgotten.

    Raises:
        UnknownDevice: a browser's push service that we do not post to.
    """
    if kind == "web" and not settings.is_push_service(endpoint):
        raise UnknownDevice
    values = {"customer_id": customer_id, "kind": kind, "p256dh": p256dh, "auth": auth, "created_at": now}
    statement = insert(PushSubscription).values(endpoint=endpoint, **values)
    session.execute(statement.on_conflict_do_update(index_elements=[PushSubscription.endpoint], set_=values))
    mine = select(PushSubscription.id).where(PushSubscription.customer_id == customer_id)
    kept = mine.order_by(PushSubscription.created_at.desc(), PushSubscription.id.desc()).limit(MOST_DEVICES)
    session.execute(
        delete(PushSubscription).where(
            PushSubscription.customer_id == customer_id, PushSubscription.id.not_in(kept.scalar_subquery())
        )
    )


def unsubscribe(session: Session, *, customer_id: UUID, endpoint: str) -> None:
    """No more pushes to this device of the customer's."""
    session.execute(
        delete(PushSubscription).where(
            PushSubscription.customer_id == customer_id, PushSubscription.endpoint == endpoint
        )
    )


def forget_devices(session: Session, ids: Iterable[UUID]) -> None:
    """Devices that their push service says are gone."""
    session.execute(delete(PushSubscription).where(PushSubscription.id.in_(list(ids))))


def devices_of(session: Session, customer_id: UUID) -> list[PushSubscription]:
    """Every device of the customer's that takes pushes."""
    found = select(PushSubscription).where(PushSubscription.customer_id == customer_id)
    return list(session.scalars(found.order_by(PushSubscription.id)))


def address_of(session: Session, channel: Channel, person: Contact) -> str | None:
    """Where the channel reaches the person; None where it cannot. For push it is the person: devices come and go."""
    if channel == "email":
        return person.email
    if channel == "push":
        return str(person.account_id) if devices_of(session, person.account_id) else None
    phone = session.get(Phone, person.account_id)
    return phone.number if phone and phone.confirmed_at else None


def is_window_open(session: Session, customer_id: UUID, now: datetime) -> bool:
    """Whether free text may go to the customer by WhatsApp, and is there before it may not."""
    phone = session.get(Phone, customer_id)
    return bool(phone and phone.whatsapp_seen_at and now - phone.whatsapp_seen_at < WHATSAPP_WINDOW)


def suppress(session: Session, *, channel: str, address: str, reason: str, now: datetime) -> None:
    """Nothing more goes to this address by this channel. The first reason is kept, but for a complaint, after which
    proofs still go: whatever else comes, or came before it, stops those as well."""
    values = {"reason": reason, "created_at": now}
    statement = insert(Suppression).values(channel=channel, address=_key(address), **values)
    session.execute(
        statement.on_conflict_do_update(
            index_elements=[Suppression.channel, Suppression.address], set_=values,
            where=(Suppression.reason == "complaint") & (statement.excluded.reason != "complaint"),
        )
    )  # fmt: skip


def unsuppress(session: Session, *, channel: str, address: str, reason: str) -> None:
    """The address is alive again, where it was dead for this reason."""
    session.execute(
        delete(Suppression).where(
            Suppression.channel == channel, Suppression.address == _key(address), Suppression.reason == reason
        )
    )


def mail_comes_back(session: Session, address: str) -> bool:
    """Whether nothing is sent to this address because mails to it came back."""
    return suppression_of(session, channel="email", address=address) == "bounce"


def mail_arrives(session: Session, address: str) -> None:
    """Somebody followed a link that went to this address: mails to it arrive."""
    unsuppress(session, channel="email", address=address, reason="bounce")


def revive_mail(session: Session, principal: Principal, *, account_id: UUID, reason: str, now: datetime) -> None:
    """Write to somebody's address again, from which mails came back. It is written down, with the reason.

    What their owner wants not (a complaint, a STOP) is lifted by nobody else.

    Args:
        reason: How it is known that the mailbox is there.

    Raises:
        MailArrives: nothing came back from there, or there is no such person.
    """
    require(principal, "engagement.revive_address", Resource("Account", account_id, customer_id=account_id))
    person = contact(session, account_id)
    if person is None or not mail_comes_back(session, person.email):
        raise MailArrives
    mail_arrives(session, person.email)
    audit.record(
        session, "engagement.revive_address", "Account", account_id, actor_id=principal.account_id,
        subject_id=account_id, purpose="operations", details={"reason": reason}, now=now,
    )  # fmt: skip


def suppression_of(session: Session, *, channel: str, address: str) -> str | None:
    """Why nothing goes to this address by this channel; None where something may."""
    row = session.get(Suppression, (channel, _key(address)), populate_existing=True)
    return row.reason if row else None


def _key(address: str) -> str:
    return address.strip().lower()
