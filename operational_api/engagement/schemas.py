"""What crosses HTTP."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, Base64Bytes, BaseModel, ConfigDict, Field, NaiveDatetime

from operational_api.core.wall_time import WallTime
from operational_api.engagement.models import ContactPreference, Lead, Message
from operational_api.engagement.sending import DIGESTED, MORNING, Digested, Pace, Purpose, Rhythm
from operational_api.engagement.service.announcements import Announced
from operational_api.engagement.service.contacts import Contact
from operational_api.engagement.service.leads import Source, State, state_of
from operational_api.engagement.service.scheduled import MOST_FILES
from operational_api.engagement.service.threads import Thread

NO_NUL = r"^[^\x00]*$"


class MessageCreate(BaseModel):
    body: Annotated[str, Field(max_length=4000, pattern=NO_NUL)]


class MessageRead(BaseModel):
    """One message. `kind`: chat, nudge (a coach's check-in) or system."""

    id: UUID
    customer_id: UUID
    sender_id: UUID
    sender_name: str | None
    recipient_id: UUID
    kind: str
    body: str
    sent_at: datetime
    read_at: datetime | None

    @classmethod
    def of(cls, message: Message, people: dict[UUID, Contact]) -> "MessageRead":
        """From the row and whoever is known of its sender."""
        sender = people.get(message.sender_id)
        columns = {name: getattr(message, name) for name in cls.model_fields if name != "sender_name"}
        return cls(**columns, sender_name=sender.display_name if sender else None)


class ThreadRead(BaseModel):
    """A conversation in the coach's list."""

    customer_id: UUID
    customer_name: str
    last_message: str
    last_message_at: datetime
    is_last_message_mine: bool
    unread_count: int

    @classmethod
    def of(cls, thread: Thread, reader_id: UUID | None) -> "ThreadRead":
        """As one reader sees it."""
        return cls(
            customer_id=thread.customer_id,
            customer_name=thread.customer_name,
            last_message=thread.last_message.body[:200],
            last_message_at=thread.last_message.sent_at,
            is_last_message_mine=thread.last_message.sender_id == reader_id,
            unread_count=thread.unread_count,
        )


class ReadReceipt(BaseModel):
    """How many messages were unread until now."""

    read: int


class InboxMessageRead(BaseModel):
    """A message in the inbox. `summary` says it in one line, `body` in HTML without styles or scripts, whose links are
    paths of ours."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    purpose: str
    title: str
    summary: str
    body: str
    language: str
    landed_at: datetime
    read_at: datetime | None
    archived_at: datetime | None


class InboxMessageWrite(BaseModel):
    """What becomes of a message in the inbox; null leaves that as it is."""

    is_read: bool | None = None
    is_archived: bool | None = None


class UnreadCount(BaseModel):
    unread: int


class DoNotDisturbWrite(BaseModel):
    """`until` lies a month ahead at most; null ends it."""

    until: AwareDatetime | None


class DoNotDisturbRead(BaseModel):
    """`until` is null of who may be disturbed."""

    until: datetime | None


class Digest(BaseModel):
    """When messages of a purpose come: each `at_once`, or as one list, `daily` or `weekly` (Mondays), at an hour of the
    person's own clock."""

    purpose: Digested
    pace: Pace = "at_once"
    hour: int = Field(MORNING, ge=0, le=23)

    @classmethod
    def of(cls, purpose: Digested, rhythm: Rhythm | None) -> "Digest":
        """Of messages that come as they do."""
        return cls(purpose=purpose, pace=rhythm.pace, hour=rhythm.hour) if rhythm else cls(purpose=purpose)


def _each_once(said: list[Digest] | None) -> list[Digest] | None:
    if said is not None and len({one.purpose for one in said}) < len(said):
        raise ValueError("a purpose has one rhythm")
    return said


class PreferencesWrite(BaseModel):
    """What a customer allows. Quiet hours in their local time; both null: always reachable. `digests`: of what is not
    named nothing is said; null of all."""

    allows_nudges: bool = True
    allows_marketing: bool = False
    quiet_from: WallTime | None = None
    quiet_until: WallTime | None = None
    digests: Annotated[list[Digest] | None, AfterValidator(_each_once)] = None


class PreferencesRead(BaseModel):
    """What a customer allows, and when messages of each purpose that can wait come."""

    allows_nudges: bool
    allows_marketing: bool
    quiet_from: WallTime | None
    quiet_until: WallTime | None
    digests: list[Digest]

    @classmethod
    def of(cls, row: ContactPreference, rhythms: Mapping[Purpose, Rhythm]) -> "PreferencesRead":
        """From the row, or from the defaults of somebody who said nothing."""
        return cls(
            allows_nudges=row.allows_nudges, allows_marketing=row.allows_marketing, quiet_from=row.quiet_from,
            quiet_until=row.quiet_until,
            digests=[Digest.of(one, rhythms.get(one)) for one in DIGESTED],
        )  # fmt: skip


class UndecidedRead(BaseModel):
    """A message of which nobody knows whether it left. `template` is what it says, by name; whom it was for is null of
    a mail to a bare address."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    customer_id: UUID | None
    channel: str
    purpose: str
    template: str
    created_at: datetime
    in_doubt_since: datetime
    expires_at: datetime | None = Field(description="Worth nothing from then on: it is not sent again.")


class SettlementCreate(BaseModel):
    """What becomes of it: it is sent again, or left as it is."""

    sends_again: bool


class MessageSettled(BaseModel):
    """What it is now."""

    state: Literal["queued", "failed"]


class LeadCreate(BaseModel):
    """A guest's contact form."""

    name: Annotated[str, Field(min_length=1, max_length=100, pattern=NO_NUL)]
    email: Annotated[str, Field(min_length=3, max_length=254, pattern=NO_NUL)]
    source: Source = "website"
    location_id: UUID | None = None


class LeadReceipt(BaseModel):
    """Thanks; nothing is said about whether the address was known."""

    state: Literal["received"] = "received"


class LeadRead(BaseModel):
    """Somebody who left their address. `owner` is who calls them, a name; `customer_id` whose account they have."""

    id: UUID
    name: str
    email: str
    phone: str | None
    source: str
    owner: str | None
    location_id: UUID | None
    state: State
    customer_id: UUID | None
    created_at: datetime
    converted_at: datetime | None
    lost_at: datetime | None

    @classmethod
    def of(cls, lead: Lead) -> Self:
        facts = {name: getattr(lead, name) for name in cls.model_fields if name != "state"}
        return cls(**facts, state=state_of(lead))


class LeadWrite(BaseModel):
    """What the desk knows of a lead. Null takes a number, or who calls, away."""

    name: Annotated[str, Field(min_length=1, max_length=200, pattern=NO_NUL)]
    phone: Annotated[str, Field(max_length=40, pattern=NO_NUL)] | None
    owner: Annotated[str, Field(max_length=200, pattern=NO_NUL)] | None


Short = Annotated[str, Field(max_length=4000, pattern=NO_NUL)]


class TemplateWrite(BaseModel):
    """Words to use again; `{{first_name}}`, `{{full_name}}` and `{{coach_name}}` are filled in for each client."""

    name: Annotated[str, Field(max_length=60, pattern=NO_NUL)]
    body: Short


class TemplateRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    name: str
    body: str
    updated_at: datetime


class FilledTemplate(BaseModel):
    """A template as one client would read it; `problem` says why it cannot be sent to them, `body` is null then."""

    id: UUID
    name: str
    body: str | None
    problem: str | None


class FileWrite(BaseModel):
    """A file of 10 MB at most, base64. What it is, its content says."""

    name: Annotated[str, Field(max_length=200, pattern=NO_NUL)]
    content: Annotated[Base64Bytes, Field(max_length=15_000_000)]


def named(files: Sequence[FileWrite]) -> list[tuple[str, bytes]]:
    """As services take files."""
    return [(one.name, one.content) for one in files]


Files = Annotated[list[FileWrite], Field(max_length=MOST_FILES)]


class ScheduledCreate(BaseModel):
    """`local_at` is a time on the recipient's wall clock, without an offset. `body` may be empty beside files."""

    body: Short
    local_at: NaiveDatetime
    files: Files = []


class ScheduledUpdate(ScheduledCreate):
    """All of it as it is to be. `files` are new ones; `keep` names those that stay, and null keeps all."""

    keep: Annotated[list[UUID], Field(max_length=MOST_FILES)] | None = None


class ScheduledFileRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    name: str
    media_type: str
    size_bytes: int


class ScheduledRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    customer_id: UUID
    body: str
    local_at: datetime
    time_zone: str
    send_at: datetime
    status: str
    files: list[ScheduledFileRead]


class AttachmentCreate(FileWrite):
    """A file, and words that go with it."""

    body: Short = ""


class AttachmentRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    message_id: UUID
    name: str
    media_type: str
    size_bytes: int
    status: Literal["checking", "ready", "refused"]


class FileLink(BaseModel):
    """An address that opens one file for who asked, for five minutes."""

    url: str
    expires_at: datetime


class AnnouncementCreate(BaseModel):
    segment: Literal["everybody", "active", "trial", "at_risk", "churned"]
    subject: Annotated[str, Field(max_length=120, pattern=NO_NUL)]
    body: Short


class AnnouncementRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    segment: str
    subject: str
    body: str
    recipients: int
    created_at: datetime
    waiting: int
    """Letters that have not left yet."""
    cancelled_at: datetime | None
    called_off: int
    """Letters that were taken back before they left."""

    @classmethod
    def of(cls, found: Announced) -> Self:
        """As the service has it."""
        names = cls.model_fields.keys() - {"waiting"}
        return cls(waiting=found.waiting, **{name: getattr(found.row, name) for name in names})


class AudienceRead(BaseModel):
    """A group of customers as it is now: who is in it, how many `people`, and how many of them are `willing` to hear
    news."""

    model_config = ConfigDict(from_attributes=True)

    segment: str
    name: str
    who: str
    people: int
    willing: int


class PricedTextsRead(BaseModel):
    """Texts that left at one price, the first of them at `since`; null where nobody had said a price."""

    model_config = ConfigDict(from_attributes=True)

    since: datetime
    messages: int
    segments: int
    thousand_segments_minor: int | None
    cost_minor: int | None
    currency: str | None


class SmsCostsRead(BaseModel):
    """What the texts of the last thirty days cost: as how many segments they are charged, and how much that is, each at
    the price of when it left."""

    model_config = ConfigDict(from_attributes=True)

    since: datetime
    messages: int
    segments: int
    prices: list[PricedTextsRead]


class PushKeys(BaseModel):
    p256dh: Annotated[str, Field(min_length=80, max_length=100, pattern=r"^[\w-]+=*$")]
    auth: Annotated[str, Field(min_length=20, max_length=30, pattern=r"^[\w-]+=*$")]


class BrowserCreate(BaseModel):
    """A browser's push subscription, as `PushSubscription.toJSON()` tells it."""

    endpoint: Annotated[str, Field(max_length=1000, pattern=NO_NUL)]
    keys: PushKeys


class AppCreate(BaseModel):
    """A phone's app, by its FCM token."""

    token: Annotated[str, Field(min_length=10, max_length=500, pattern=r"^[\w:-]+$")]


class DeviceEnd(BaseModel):
    """The endpoint of a browser's subscription, or an app's token."""

    endpoint: Annotated[str, Field(max_length=1000, pattern=NO_NUL)]


class DeviceReceipt(BaseModel):
    state: Literal["subscribed", "unsubscribed"]


class EventReceipt(BaseModel):
    """Taken."""

    state: Literal["taken"] = "taken"
