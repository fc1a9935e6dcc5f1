"""HTTP to the services beside the conversation and back: templates, later messages, files, announcements, devices.

Included by `router`.
"""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Header, Request, Response
from sqlalchemy.orm import Session

from contracts.sealing import Sealer
from operational_api.core import ranges, signed_urls
from operational_api.core.database import DbSession
from operational_api.core.idempotency import IdempotentRoute
from operational_api.core.objects import store_of
from operational_api.core.paging import Page
from operational_api.core.policy import Allowed, Resource, require
from operational_api.core.principal import CurrentAccount, CurrentPrincipal, Principal
from operational_api.core.routing import ContextRouter
from operational_api.core.viewer import show_all
from operational_api.engagement import filing
from operational_api.engagement.errors import AttachmentNotFound, EmptyMergeField, ScheduledNotFound
from operational_api.engagement.models import MessageTemplate, ScheduledMessage
from operational_api.engagement.schemas import (
    AnnouncementCreate,
    AnnouncementRead,
    AppCreate,
    AttachmentCreate,
    AttachmentRead,
    AudienceRead,
    BrowserCreate,
    DeviceEnd,
    DeviceReceipt,
    FileLink,
    FilledTemplate,
    ScheduledCreate,
    ScheduledRead,
    ScheduledUpdate,
    SmsCostsRead,
    TemplateRead,
    TemplateWrite,
    named,
)
from operational_api.engagement.service import (
    addresses,
    announcements,
    attachments,
    merging,
    scheduled,
    sms_costs,
    threads,
)
from operational_api.engagement.settings import ChannelSettings, FileSettings
from operational_api.training import public as training

api = ContextRouter(prefix="/api/engagement", tags=["engagement"], route_class=IdempotentRoute)


def channel_settings(request: Request) -> ChannelSettings:
    """This process's settings of channels; tests and other deployments put their own on the app."""
    state = request.app.state
    if not hasattr(state, "channel_settings"):
        settings = state.settings
        state.channel_settings = ChannelSettings(public_url=settings.public_url, session_secret=settings.session_secret)
    found: ChannelSettings = state.channel_settings
    return found


Settings = Annotated[ChannelSettings, Depends(channel_settings)]


def _now() -> datetime:
    return datetime.now(UTC)


@api.get("/templates", dependencies=[Allowed("engagement.keep_templates")])
def list_templates(coach_id: CurrentAccount, session: DbSession) -> Page[TemplateRead]:
    """The coach's templates by name."""
    return Page(items=[TemplateRead.model_validate(one) for one in merging.templates_of(session, coach_id)])


@api.post("/templates", response_model=TemplateRead, dependencies=[Allowed("engagement.keep_templates")])
def save_template(body: TemplateWrite, coach_id: CurrentAccount, session: DbSession) -> MessageTemplate:
    """Keep a template; one of the same name takes its place. A field that there is not is refused here."""
    return merging.save_template(session, owner_id=coach_id, name=body.name, body=body.body, now=_now())


@api.delete("/templates/{template_id}", status_code=204, dependencies=[Allowed("engagement.keep_templates")])
def remove_template(template_id: UUID, coach_id: CurrentAccount, session: DbSession) -> None:
    """Forget a template."""
    merging.remove_template(session, owner_id=coach_id, template_id=template_id)


@api.get("/threads/{customer_id}/templates", dependencies=[Allowed("engagement.schedule_message")])
def list_filled_templates(
    customer_id: UUID, principal: CurrentPrincipal, coach_id: CurrentAccount, session: DbSession
) -> Page[FilledTemplate]:
    """The coach's templates as this client would read them, to the letter."""
    threads.reach_thread(session, principal, customer_id, "engagement.schedule_message")
    values = merging.values_for(session, customer_id=customer_id, coach_id=coach_id)
    items = []
    for one in merging.templates_of(session, coach_id):
        try:
            body, problem = merging.fill(one.body, values), None
        except EmptyMergeField as refusal:
            body, problem = None, refusal.detail
        items.append(FilledTemplate(id=one.id, name=one.name, body=body, problem=problem))
    return Page(items=items)


@api.get("/threads/{customer_id}/scheduled", dependencies=[Allowed("engagement.schedule_message")])
def list_scheduled(
    customer_id: UUID, principal: CurrentPrincipal, coach_id: CurrentAccount, session: DbSession
) -> Page[ScheduledRead]:
    """What the coach has waiting for this client."""
    threads.reach_thread(session, principal, customer_id, "engagement.schedule_message")
    found = scheduled.waiting(session, customer_id, coach_id)
    return Page(items=[ScheduledRead.model_validate(one) for one in found])


@api.post(
    "/threads/{customer_id}/scheduled",
    response_model=ScheduledRead,
    status_code=201,
    dependencies=[Allowed("engagement.schedule_message")],
)
def schedule_message(
    customer_id: UUID, body: ScheduledCreate, principal: CurrentPrincipal, coach_id: CurrentAccount, session: DbSession
) -> ScheduledMessage:
    """Write to a client at a time of their own clock."""
    thread = threads.reach_thread(session, principal, customer_id, "engagement.schedule_message")
    return scheduled.schedule(
        session, thread=thread, sender_id=coach_id, body=body.body, local_at=body.local_at, files=named(body.files),
        now=_now(),
    )  # fmt: skip


@api.put(
    "/scheduled-messages/{scheduled_id}",
    response_model=ScheduledRead,
    dependencies=[Allowed("engagement.schedule_message")],
)
def change_scheduled(
    scheduled_id: UUID, body: ScheduledUpdate, principal: CurrentPrincipal, coach_id: CurrentAccount, session: DbSession
) -> ScheduledMessage:
    """Say something else, with other files or at another time, until it leaves."""
    row = _reach_scheduled(session, principal, scheduled_id)
    thread = threads.reach_thread(session, principal, row.customer_id, "engagement.schedule_message")
    return scheduled.change(
        session, scheduled_id=scheduled_id, thread=thread, sender_id=coach_id, body=body.body, local_at=body.local_at,
        files=named(body.files), keep=body.keep, now=_now(),
    )  # fmt: skip


def _reach_scheduled(session: Session, principal: Principal, scheduled_id: UUID) -> ScheduledMessage:
    row = scheduled.scheduled_message(session, scheduled_id)
    resource = Resource("ScheduledMessage", scheduled_id, customer_id=row.customer_id, coach_id=row.sender_id)
    require(principal, "engagement.schedule_message", resource, missing=ScheduledNotFound)
    return row


@api.post(
    "/scheduled-messages/{scheduled_id}/cancellation",
    response_model=ScheduledRead,
    dependencies=[Allowed("engagement.schedule_message")],
)
def cancel_scheduled(
    scheduled_id: UUID, principal: CurrentPrincipal, coach_id: CurrentAccount, session: DbSession
) -> ScheduledMessage:
    """Do not send it after all."""
    row = _reach_scheduled(session, principal, scheduled_id)
    scheduled.cancel(session, scheduled_id=scheduled_id, sender_id=coach_id, now=_now())
    return row


@api.post(
    "/threads/{customer_id}/attachments",
    response_model=AttachmentRead,
    status_code=201,
    dependencies=[Allowed("engagement.send_message")],
)
def create_attachment(
    customer_id: UUID,
    body: AttachmentCreate,
    principal: CurrentPrincipal,
    sender_id: CurrentAccount,
    session: DbSession,
) -> AttachmentRead:
    """Send a file, with words or without, to the other side of the conversation."""
    thread = threads.reach_thread(session, principal, customer_id, "engagement.send_message")
    [row] = threads.write_with_files(
        session, thread=thread, sender_id=sender_id, body=body.body, files=[(body.name, body.content)], now=_now()
    )
    return AttachmentRead.model_validate(row)


@api.get("/threads/{customer_id}/attachments", dependencies=[Allowed("engagement.read_messages")])
def list_attachments(customer_id: UUID, principal: CurrentPrincipal, session: DbSession) -> Page[AttachmentRead]:
    """The newest hundred files of a conversation."""
    threads.reach_thread(session, principal, customer_id, "engagement.read_messages")
    found = attachments.newest(session, customer_id)
    return Page(items=[AttachmentRead.model_validate(one) for one in found])


@api.post("/attachments/{attachment_id}/link", status_code=201, dependencies=[Allowed("engagement.read_messages")])
def create_attachment_link(
    request: Request, attachment_id: UUID, principal: CurrentPrincipal, session: DbSession
) -> FileLink:
    """An address at which who asks fetches the file within five minutes."""
    return file_link(request, principal, session, attachment_id)


def file_link(request: Request, principal: CurrentPrincipal, session: DbSession, attachment_id: UUID) -> FileLink:
    """The signed address of a file, for one person.

    Raises:
        AttachmentNotFound: it is not in a conversation of theirs.
        FileChecked, FileHarmful: nobody may have it yet, or ever.
    """
    row = attachments.attachment(session, attachment_id)
    coach_id = training.coach_of(session, row.customer_id)
    resource = Resource("Attachment", attachment_id, customer_id=row.customer_id, coach_id=coach_id)
    require(principal, "engagement.read_messages", resource, missing=AttachmentNotFound)
    attachments.check_ready(row)
    now = _now()
    path = f"/api/engagement/attachment-files/{attachment_id}"
    url = signed_urls.signer(request).sign(path, subject=principal.key, now=now)
    return FileLink(url=url, expires_at=now + signed_urls.LONGEST)


@api.get(
    "/attachment-files/{attachment_id}",
    response_class=Response,
    responses={
        200: {"content": {"application/octet-stream": {}}},
        206: {"content": {"application/octet-stream": {}}},
        416: {"description": "No byte of the file is in that range."},
    },
    dependencies=[Allowed("engagement.open_attachment_file")],
)
def read_attachment_file(
    request: Request,
    attachment_id: UUID,
    _: signed_urls.SignedSubject,
    range: Annotated[str | None, Header(max_length=100)] = None,  # noqa: A002 - the header's name
) -> Response:
    """A file of a conversation, or some of its bytes, for whoever holds its signed address. It is saved, never shown as
    a page of ours. No transaction is open while the store is waited for."""
    with request.app.state.sessions.begin() as session:
        show_all(session)
        row, file = attachments.open_attachment(session, attachment_id)
        content = file.content
    if content is None:
        content = filing.fetch(row.id, store_of(request), sealer_of(request) if file.is_sealed else None)
    headers = {
        "Content-Disposition": f'attachment; filename="{row.name}"', "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff", "Cache-Control": "private, no-store",
    }  # fmt: skip
    return ranges.answer(content, range, media_type="application/octet-stream", headers=headers)


def sealer_of(request: Request) -> Sealer | None:
    """What opens files that were sealed. Tests put other settings on the app (`file_settings`)."""
    state = request.app.state
    if not hasattr(state, "file_settings"):
        state.file_settings = FileSettings()
    found: FileSettings = state.file_settings
    return found.sealer


@api.get("/announcements", dependencies=[Allowed("engagement.announce")])
def list_announcements(session: DbSession) -> Page[AnnouncementRead]:
    """The newest announcements."""
    return Page(items=[AnnouncementRead.of(one) for one in announcements.recent(session)])


@api.get("/announcement-audiences", dependencies=[Allowed("engagement.announce")])
def list_audiences(session: DbSession) -> Page[AudienceRead]:
    """Whom an announcement can be for, with how many they are now."""
    return Page(items=[AudienceRead.model_validate(one) for one in announcements.audiences(session)])


@api.get("/sms-costs", dependencies=[Allowed("engagement.announce")])
def read_sms_costs(session: DbSession) -> SmsCostsRead:
    """What the texts of the last thirty days cost."""
    return SmsCostsRead.model_validate(sms_costs.lately(session, now=_now()))


@api.post(
    "/announcements",
    status_code=201,
    dependencies=[Allowed("engagement.announce")],
)
def create_announcement(body: AnnouncementCreate, author_id: CurrentAccount, session: DbSession) -> AnnouncementRead:
    """News to a segment of customers, by what each of them allows."""
    row = announcements.announce(session, author_id=author_id, **body.model_dump(), now=_now())
    return AnnouncementRead.of(announcements.Announced(row, row.recipients))


@api.post("/announcements/{announcement_id}/cancellation", dependencies=[Allowed("engagement.announce")])
def cancel_announcement(announcement_id: UUID, cancelled_by: CurrentAccount, session: DbSession) -> AnnouncementRead:
    """Take back what has not left; in the app, what nobody has read."""
    return AnnouncementRead.of(announcements.cancel(session, announcement_id, cancelled_by=cancelled_by, now=_now()))


@api.post("/devices/browsers", status_code=201, dependencies=[Allowed("engagement.set_preferences")])
def add_browser(
    body: BrowserCreate, customer_id: CurrentAccount, session: DbSession, settings: Settings
) -> DeviceReceipt:
    """Push to this browser."""
    addresses.subscribe(
        session, customer_id=customer_id, kind="web", endpoint=body.endpoint, p256dh=body.keys.p256dh,
        auth=body.keys.auth, settings=settings, now=_now(),
    )  # fmt: skip
    return DeviceReceipt(state="subscribed")


@api.post("/devices/apps", status_code=201, dependencies=[Allowed("engagement.set_preferences")])
def add_app(body: AppCreate, customer_id: CurrentAccount, session: DbSession, settings: Settings) -> DeviceReceipt:
    """Push to this phone's app."""
    addresses.subscribe(
        session, customer_id=customer_id, kind="fcm", endpoint=body.token, settings=settings, now=_now()
    )
    return DeviceReceipt(state="subscribed")


@api.post("/devices/removals", dependencies=[Allowed("engagement.set_preferences")])
def remove_device(body: DeviceEnd, customer_id: CurrentAccount, session: DbSession) -> DeviceReceipt:
    """No more pushes to this device."""
    addresses.unsubscribe(session, customer_id=customer_id, endpoint=body.endpoint)
    return DeviceReceipt(state="unsubscribed")
