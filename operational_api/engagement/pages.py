"""The pages /messages, /inbox and /unsubscribe: a customer's conversation with their coach, what everybody was told,
and what reaches everybody how and when; and the admins' page of announcements. All work without JavaScript.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, time
from itertools import product
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, File, Form, Request, Response, UploadFile

from operational_api.core.database import DbSession
from operational_api.core.policy import Allowed
from operational_api.core.principal import CurrentAccount, CurrentPrincipal, Principal
from operational_api.engagement import lead_pages, links
from operational_api.engagement.channels.rendering import Rendered
from operational_api.engagement.errors import HalfQuiet, MessageRejected
from operational_api.engagement.models import Attachment, Message, Phone
from operational_api.engagement.outreach import Settings, file_link
from operational_api.engagement.sending import DIGESTED, LOCKED, MORNING, PURPOSES, Pace, Place, Purpose
from operational_api.engagement.service import (
    addresses,
    announcements,
    attachments,
    digests,
    do_not_disturb,
    inbox,
    preferences,
    sms_costs,
    threads,
)
from operational_api.engagement.service.attachments import LARGEST_BYTES
from operational_api.engagement.service.contacts import contact
from operational_api.engagement.service.messages import unread_count
from operational_api.scheduling import public as scheduling
from operational_api.web import sessions as web_sessions
from operational_api.web.language import LANGUAGES, word
from operational_api.web.navigation import NavItem
from operational_api.web.rendering import WayBack, redirect, render

router = APIRouter()
NAV = [
    NavItem("Messages", "/messages", "engagement.talk", order=40, icon="message", badge=unread_count),
    NavItem("Inbox", "/inbox", "engagement.keep_inbox", order=70, icon="bell", badge=inbox.unread, place="top"),
    NavItem("Announcements", "/staff/announcements", "engagement.announce", order=75, icon="bell"),
    *lead_pages.NAV,
]
SHOWN = 40
LENGTHS = [
    (1, word("Until tomorrow, 8:00")), (3, word("For 3 days")), (7, word("For a week")), (14, word("For two weeks")),
]  # fmt: skip
"""How long somebody may want no messages: days until the morning that ends it."""
language_of = preferences.chosen_language
"""For the whole app."""


@dataclass(frozen=True, slots=True)
class _Talk:
    """A page of the conversation, oldest first, as the template draws it. `coach_name` is None without a coach."""

    coach_name: str | None
    messages: list[Message]
    names: dict[UUID, str]
    older: str | None
    files: dict[UUID, list[Attachment]]


def _talk(session: DbSession, customer_id: UUID, coach_id: UUID | None, before: str | None) -> _Talk:
    found, older = threads.messages_of(session, customer_id, limit=SHOWN, cursor=before)
    people = threads.people_of(session, found)
    coach = contact(session, coach_id) if coach_id else None
    return _Talk(
        coach_name=coach.display_name if coach else None,
        messages=list(reversed(found)),
        names={account_id: person.display_name for account_id, person in people.items()},
        older=older,
        files=attachments.attachments_of(session, [message.id for message in found]),
    )


@router.get("/messages", dependencies=[Allowed("engagement.talk")])
def messages_page(
    request: Request,
    customer_id: CurrentAccount,
    principal: CurrentPrincipal,
    session: DbSession,
    before: str | None = None,
    notice: UUID | None = None,
) -> Response:
    """The conversation. Looking at it reads it. An answer to a notice of a class begins with what it answers."""
    thread = threads.reach_thread(session, principal, customer_id, "engagement.read_messages")
    with request.app.state.sessions.begin() as own:  # committed before the menu counts what is unread
        threads.mark_read(own, customer_id=customer_id, reader_id=customer_id, now=datetime.now(UTC))
    talk = _talk(session, customer_id, thread.coach_id, before)
    allowed = preferences.preferences_of(session, customer_id)
    about = scheduling.notice(session, notice, after=datetime.now(UTC)) if notice else None
    theirs = about.first_of.get(customer_id) if about else None  # None: it was not for them
    return render(
        request, "engagement/messages.html", talk=talk, allowed=allowed, is_older_page=before is not None,
        about=about if theirs else None, starts_at=theirs,
    )  # fmt: skip


@router.get("/messages/latest", dependencies=[Allowed("engagement.talk")])
def latest_messages(
    request: Request, customer_id: CurrentAccount, principal: CurrentPrincipal, session: DbSession
) -> Response:
    """The newest page of the conversation alone, for the page's script."""
    thread = threads.reach_thread(session, principal, customer_id, "engagement.read_messages")
    talk = _talk(session, customer_id, thread.coach_id, None)
    if talk.messages:  # what comes meanwhile is shown next time, and read then
        threads.mark_read(
            session, customer_id=customer_id, reader_id=customer_id, up_to=talk.messages[-1].id, now=datetime.now(UTC)
        )
    return render(request, "engagement/_bubbles.html", talk=talk)


@router.post("/messages", dependencies=[Allowed("engagement.talk")])
def write_message(
    request: Request,
    customer_id: CurrentAccount,
    principal: CurrentPrincipal,
    session: DbSession,
    body: Annotated[str, Form()] = "",
    file: Annotated[UploadFile | None, File()] = None,
) -> Response:
    """Send a message to the coach, with a file or without."""
    thread = threads.reach_thread(session, principal, customer_id, "engagement.send_message")
    now = datetime.now(UTC)
    content = file.file.read(LARGEST_BYTES + 1) if file and file.filename else b""
    if file and content:
        threads.write_with_files(
            session, thread=thread, sender_id=customer_id, body=body, files=[(file.filename or "", content)], now=now
        )
    else:
        threads.write(session, thread=thread, sender_id=customer_id, body=body, now=now)
    return redirect(request, "/messages")


@router.get("/messages/files/{attachment_id}", dependencies=[Allowed("engagement.talk")])
def open_file(request: Request, attachment_id: UUID, principal: CurrentPrincipal, session: DbSession) -> Response:
    """A file of the conversation, by an address that lives five minutes."""
    return redirect(request, file_link(request, principal, session, attachment_id).url)


@router.get("/messages/preferences", dependencies=[Allowed("engagement.set_preferences")])
def preferences_page(
    request: Request, customer_id: CurrentAccount, principal: CurrentPrincipal, session: DbSession, settings: Settings
) -> Response:
    """Every choice by channel and purpose, quiet hours, language, number, and this device; of whoever is signed in."""
    person = contact(session, customer_id)
    wishes = preferences.wishes_of(session, customer_id, person)
    places: tuple[Place, ...] = (*settings.channels, "app")
    return render(
        request, "engagement/preferences.html", language=language_of(session, customer_id), languages=LANGUAGES,
        channels=places, purposes=_purposes(principal), locked=LOCKED, push_key=settings.vapid_public_key,
        allowed=preferences.preferences_of(session, customer_id), phone=session.get(Phone, customer_id),
        ticked={one for one in product(places, PURPOSES) if wishes.allows(*one)},
        digested=[one for one in DIGESTED if one in _purposes(principal)],
        rhythms=digests.rhythms_of(session, customer_id),
    )  # fmt: skip


@router.post("/messages/preferences", dependencies=[Allowed("engagement.set_preferences")])
def write_preferences(
    request: Request,
    customer_id: CurrentAccount,
    principal: CurrentPrincipal,
    session: DbSession,
    settings: Settings,
    allows_nudges: Annotated[bool, Form()] = False,
    quiet_from: Annotated[str, Form()] = "",
    quiet_until: Annotated[str, Form()] = "",
    language: Annotated[str, Form()] = "",
    phone: Annotated[str | None, Form()] = None,
    choice: Annotated[list[str] | None, Form()] = None,
    is_about_app: Annotated[bool, Form()] = False,
    rhythm_coaching: Annotated[Pace | None, Form()] = None,
    hour_coaching: Annotated[int, Form(ge=0, le=23)] = MORNING,
    rhythm_marketing: Annotated[Pace | None, Form()] = None,
    hour_marketing: Annotated[int, Form(ge=0, le=23)] = MORNING,
) -> Response:
    """Keep the whole form: what is not ticked is a no. Of channels that are not there nothing is said, nor of the app
    and of lists by a page of before they could be chosen."""
    now, ticked = datetime.now(UTC), set(choice or ())
    before = preferences.preferences_of(session, customer_id)
    places: tuple[Place, ...] = (*settings.channels, *(("app",) if is_about_app else ()))
    choices = {one: ":".join(one) in ticked for one in product(places, _purposes(principal))}
    preferences.set_preferences(
        session,
        customer_id=customer_id,
        allows_nudges=allows_nudges if principal.role == "customer" else before.allows_nudges,
        allows_marketing=before.allows_marketing,
        quiet_from=_time(quiet_from),
        quiet_until=_time(quiet_until),
        now=now,
    )
    preferences.choose(session, customer_id=customer_id, choices=choices, now=now)
    paces: dict[Purpose, tuple[Pace | None, int]] = {
        "coaching": (rhythm_coaching, hour_coaching), "marketing": (rhythm_marketing, hour_marketing),
    }  # fmt: skip
    rhythms = {purpose: digests.rhythm(pace, hour) for purpose, (pace, hour) in paces.items() if pace is not None}
    digests.choose(session, customer_id=customer_id, rhythms=rhythms, now=now)
    preferences.speak(session, customer_id=customer_id, language=language or None, now=now)
    web_sessions.speak(session, account_id=customer_id, language=language or None)
    if phone is not None:
        addresses.set_phone(session, customer_id=customer_id, number=phone, now=now)
    request.state.language = language or None
    return redirect(request, "/messages/preferences", flash="Saved. It counts from the next message on.")


def _purposes(principal: Principal) -> tuple[Purpose, ...]:
    """What somebody is written for: news and offers are for customers."""
    return tuple(one for one in PURPOSES if principal.role == "customer" or one != "marketing")


@router.get("/inbox", dependencies=[Allowed("engagement.keep_inbox")])
def inbox_page(
    request: Request, account_id: CurrentAccount, session: DbSession, archived: bool = False, before: str | None = None
) -> Response:
    """What the reader was told, also where no channel carried it, or what they put away of it; readable without a
    network."""
    found, older = inbox.messages(session, account_id, is_archived=archived, limit=SHOWN, cursor=before)
    now = datetime.now(UTC)
    return render(
        request, "engagement/inbox.html", is_offline_ready=True, found=found, older=older, is_archived=archived,
        is_older_page=before is not None, lengths=LENGTHS,
        undisturbed_until=do_not_disturb.ends_of(session, [account_id], now).get(account_id),
    )  # fmt: skip


@router.get("/inbox/latest", dependencies=[Allowed("engagement.keep_inbox")])
def latest_inbox(request: Request, account_id: CurrentAccount, session: DbSession) -> Response:
    """The newest messages alone, for the page's script."""
    found, _ = inbox.messages(session, account_id, limit=SHOWN)
    return render(request, "engagement/_inbox.html", found=found, is_archived=False)


@router.post("/inbox/read", dependencies=[Allowed("engagement.keep_inbox")])
def read_inbox(
    request: Request, account_id: CurrentAccount, session: DbSession, up_to: Annotated[UUID | None, Form()] = None
) -> Response:
    """All that the reader was shown is read."""
    inbox.read_all(session, account_id, up_to=up_to, now=datetime.now(UTC))
    return redirect(request, "/inbox")


@router.post("/inbox/do-not-disturb", dependencies=[Allowed("engagement.keep_inbox")])
def do_not_disturb_me(
    request: Request, account_id: CurrentAccount, session: DbSession, days: Annotated[int, Form(ge=0, le=30)] = 0
) -> Response:
    """Until eight in the morning, so many days from now; none ends it."""
    now = datetime.now(UTC)
    until = do_not_disturb.morning_after(session, account_id, days=days, now=now) if days else None
    do_not_disturb.set_until(session, account_id, until=until, now=now)
    return redirect(request, "/inbox#do-not-disturb", flash="Saved. It counts from the next message on.")


@router.post("/inbox/{message_id}", dependencies=[Allowed("engagement.keep_inbox")])
def keep_inbox_message(
    request: Request,
    message_id: UUID,
    account_id: CurrentAccount,
    session: DbSession,
    what: Annotated[Literal["read", "unread", "archive", "restore"], Form()],
    to: Annotated[Literal["", "archive"], Form()] = "",
) -> Response:
    """Read or unread, put away or brought back."""
    is_read = {"read": True, "unread": False}.get(what)
    is_archived = {"archive": True, "restore": False}.get(what)
    inbox.keep(session, account_id, message_id, is_read=is_read, is_archived=is_archived, now=datetime.now(UTC))
    back = "/inbox?archived=true" if to else "/inbox"
    if what == "archive":
        undo = WayBack(word("Undo"), f"/inbox/{message_id}", {"what": "restore"})
        return redirect(request, back, flash="Put away. You find it in the archive.", way_back=undo)
    return redirect(request, back, flash="It is back in your inbox." if what == "restore" else None)


@router.get("/unsubscribe/{token}", dependencies=[Allowed("engagement.unsubscribe")])
def ask_unsubscribe(request: Request, token: str, session: DbSession, settings: Settings) -> Response:
    """Asks: a mailbox that looks at every link unsubscribes nobody."""
    return _unsubscribe_page(request, session, links.read(settings.link_key, token), is_done=False)


@router.post("/unsubscribe/{token}", dependencies=[Allowed("engagement.unsubscribe")])
def unsubscribe(request: Request, token: str, session: DbSession, settings: Settings) -> Response:
    """Unsubscribes, whoever posts: the page's button, or a mailbox by RFC 8058. Again is as good as once."""
    about = links.read(settings.link_key, token)
    preferences.choose(
        session, customer_id=about.customer_id, choices={(about.channel, about.purpose): False},
        source="unsubscribe", now=datetime.now(UTC),
    )  # fmt: skip
    return _unsubscribe_page(request, session, about, is_done=True)


def _unsubscribe_page(request: Request, session: DbSession, about: links.Subscription, *, is_done: bool) -> Response:
    person = contact(session, about.customer_id)
    language = preferences.language_for(session, person) if person else "en"
    return render(
        request, "engagement/unsubscribe.html", language=language, about=about, is_done=is_done
    )  # fmt: skip


@router.get("/staff/announcements", dependencies=[Allowed("engagement.announce")])
def announcements_page(request: Request, session: DbSession, settings: Settings) -> Response:
    """The form, and what was sent before."""
    return _announcements(request, session, settings)


def _announcements(
    request: Request, session: DbSession, settings: Settings, *, sent: dict[str, str] | None = None,
    look: Rendered | None = None, refusal: str | None = None,
) -> Response:  # fmt: skip
    texts = sms_costs.lately(session, now=datetime.now(UTC)) if "sms" in settings.channels else None
    return render(
        request, "engagement/announcements.html", status_code=422 if refusal else 200,
        found=announcements.recent(session), segments=announcements.SEGMENTS,
        audiences=announcements.audiences(session), texts=texts,
        sent=sent or {"segment": "", "subject": "", "body": ""}, look=look, refusal=refusal,
    )  # fmt: skip


@router.post("/staff/announcements", dependencies=[Allowed("engagement.announce")])
def announce(
    request: Request,
    author_id: CurrentAccount,
    session: DbSession,
    settings: Settings,
    segment: Annotated[str, Form()] = "",
    subject: Annotated[str, Form()] = "",
    body: Annotated[str, Form()] = "",
    step: Annotated[Literal["look", "send"], Form()] = "send",
) -> Response:
    """Show what would leave, or send it to everybody in the segment who lets us. What is refused loses nothing."""
    sent = {"segment": segment, "subject": subject, "body": body}
    try:
        if step == "look":
            seen = announcements.look(**sent, public_url=settings.public_url)
            return _announcements(request, session, settings, sent=sent, look=seen)
        row = announcements.announce(session, author_id=author_id, **sent, now=datetime.now(UTC))
    except MessageRejected as refusal:
        return _announcements(request, session, settings, sent=sent, refusal=refusal.detail)
    return redirect(request, "/staff/announcements", flash=f"On its way to {row.recipients} people who allow it.")


@router.post("/staff/announcements/{announcement_id}/cancellation", dependencies=[Allowed("engagement.announce")])
def cancel_announcement(
    request: Request, announcement_id: UUID, cancelled_by: CurrentAccount, session: DbSession
) -> Response:
    """Take back what has not left."""
    found = announcements.cancel(session, announcement_id, cancelled_by=cancelled_by, now=datetime.now(UTC))
    return redirect(request, "/staff/announcements", flash=f"Taken back before it left: {found.row.called_off}.")


router.include_router(lead_pages.router)


def _time(value: str) -> time | None:
    try:
        return time.fromisoformat(value) if value else None
    except ValueError as error:
        raise HalfQuiet("Times look like 22:00.") from error
