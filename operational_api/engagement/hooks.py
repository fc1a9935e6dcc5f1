"""What SendGrid and Twilio tell us, under /webhooks: their signature is looked at first. Included by `router`."""

from datetime import UTC, datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Request, Response

from operational_api.core.database import DbSession
from operational_api.core.policy import Allowed
from operational_api.engagement.outreach import Settings
from operational_api.engagement.schemas import EventReceipt
from operational_api.engagement.service import provider_events

hooks = APIRouter(prefix="/webhooks", tags=["webhooks"], dependencies=[Allowed("engagement.receive_webhook")])


def _now() -> datetime:
    return datetime.now(UTC)


async def raw_body(request: Request) -> bytes:
    """The body as it was signed."""
    return await request.body()


async def signed_form(
    request: Request, settings: Settings, x_twilio_signature: Annotated[str | None, Header()] = None
) -> dict[str, str]:
    """Twilio's form, once its signature is right."""
    form = {key: str(value) for key, value in (await request.form()).items()}
    address = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    provider_events.check_twilio(form, path=address, signature=x_twilio_signature, settings=settings)
    return form


TwilioForm = Annotated[dict[str, str], Depends(signed_form)]


@hooks.post("/sendgrid")
def receive_sendgrid(
    body: Annotated[bytes, Depends(raw_body)],
    session: DbSession,
    settings: Settings,
    x_twilio_email_event_webhook_signature: Annotated[str | None, Header()] = None,
    x_twilio_email_event_webhook_timestamp: Annotated[str | None, Header()] = None,
) -> EventReceipt:
    """What became of e-mails."""
    provider_events.check_sendgrid(
        body, signature=x_twilio_email_event_webhook_signature, timestamp=x_twilio_email_event_webhook_timestamp,
        settings=settings, now=_now(),
    )  # fmt: skip
    provider_events.take_sendgrid(session, body, now=_now())
    return EventReceipt()


@hooks.post("/twilio", response_class=Response, responses={200: {"content": {"text/xml": {}}}})
def receive_text(form: TwilioForm, session: DbSession) -> Response:
    """Somebody wrote to our number. Twilio answers STOP itself, so we say nothing."""
    provider_events.take_text(session, form, now=_now())
    return Response("<Response/>", media_type="text/xml")


@hooks.post("/twilio/status", status_code=204)
def receive_status(
    form: TwilioForm,
    session: DbSession,
    message: UUID | None = None,
    channel: Literal["sms", "whatsapp"] | None = None,
) -> None:
    """What became of an SMS or a WhatsApp message. `message` is our id of it, `channel` what it was handed over for;
    Twilio signs the address with both."""
    provider_events.take_status(session, form, row_id=message, channel=channel, now=_now())
