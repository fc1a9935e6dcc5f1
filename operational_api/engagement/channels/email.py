"""E-mail by SMTP or by SendGrid's own client: the same bytes of subject, text, HTML and files by either.

`compose` makes the message, for the preview and for the wire. SMTP and SendGrid know no idempotency key, and not every
mailbox takes a Message-ID that it knows for a copy: of one that was handed over and not answered nobody knows whether
it left. What is done then is `doubts.leaves_again`; SendGrid's events tell it where they reach us.
"""

import base64
import logging
import smtplib
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from email.header import Header
from email.message import EmailMessage
from email.policy import EmailPolicy
from email.utils import format_datetime, parseaddr
from typing import Any
from urllib.request import Request

import requests
from python_http_client import Client
from sendgrid import SendGridAPIClient

from operational_api.engagement.channels import bounces
from operational_api.engagement.channels.port import (
    Gateway,
    NotSent,
    Ready,
    Receipt,
    Refused,
    Sender,
    TryAgain,
    Unavailable,
    Undecided,
)
from operational_api.engagement.channels.wire import never_left
from operational_api.engagement.settings import ChannelSettings

TOLD_WITHIN = timedelta(minutes=5)
"""SendGrid tells of a message as soon as it has taken it, in batches of some seconds."""
SECONDS = 15

# At DEBUG it writes its headers down, the key among them.
logging.getLogger("python_http_client").setLevel(logging.INFO)


class _Policy(EmailPolicy):
    """Leaves long addresses on one line: to fold them they would be encoded, and no mailbox reads them then."""

    def fold(self, name: str, value: Any) -> str:
        if name.lower() == "list-unsubscribe":
            return f"{name}: {value}\r\n"
        if _is_folded_wrong(name, value):
            return f"{name}: {Header(str(value), 'utf-8', header_name=name).encode(linesep=self.linesep)}\r\n"
        folded: str = super().fold(name, value)
        return folded

    def fold_binary(self, name: str, value: Any) -> bytes:
        if name.lower() == "list-unsubscribe" or _is_folded_wrong(name, value):
            return self.fold(name, value).encode()
        return super().fold_binary(name, value)


def _is_folded_wrong(name: str, value: Any) -> bool:
    """Whether the library would lose spaces: where it breaks a line between an encoded word and a plain one."""
    return name.lower() == "subject" and not str(value).isascii()


POLICY = _Policy(linesep="\r\n")


def gateway(settings: ChannelSettings) -> Gateway:
    """The provider that the settings name."""
    return SendGridGateway(settings) if settings.email_provider == "sendgrid" else SmtpGateway(settings)


def headers_of(message: Ready, mail_from: str) -> dict[str, str]:
    """Headers beside those of every e-mail: who it is again, and how to get out of it with one click (RFC 8058)."""
    domain = parseaddr(mail_from)[1].rpartition("@")[2] or "localhost"
    found = {
        "Message-ID": f"<{message.id}@{domain}>",
        "Auto-Submitted": "auto-generated",
        "X-Plyo-Template": message.template,
    }
    if message.unsubscribe_url:
        found["List-Unsubscribe"] = f"<{message.unsubscribe_url}>"
        found["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    return found


def compose(message: Ready, mail_from: str) -> EmailMessage:
    """The e-mail, to the byte the same for the same message: nothing in it depends on when or how often it is made."""
    email = EmailMessage(policy=POLICY)
    email["From"] = mail_from
    email["To"] = message.recipient
    email["Subject"] = message.rendered.subject
    email["Date"] = format_datetime(message.created_at)
    for name, value in headers_of(message, mail_from).items():
        email[name] = value
    email.set_content(message.rendered.text)
    email.add_alternative(message.rendered.html, subtype="html")
    for name, mime_type, content in message.rendered.attachments:
        email.add_attachment(content, subtype=mime_type.split("/")[1], filename=name)
    email["Content-Language"] = message.language
    for number, part in enumerate(one for one in email.walk() if one.is_multipart()):
        part.set_boundary(f"=_plyo_{message.id.hex}_{number}")
    return email


@dataclass(frozen=True, slots=True)
class SmtpGateway:
    """A mail server."""

    settings: ChannelSettings
    replaces: bool = False
    can_tell: bool = False
    tells_within: timedelta = timedelta()

    @contextmanager
    def opened(self) -> Iterator[Sender]:
        """One connection for all that is due."""
        settings = self.settings
        where = {"host": settings.smtp_host, "port": settings.smtp_port, "timeout": 15}
        context = ssl.create_default_context()
        try:
            if settings.smtp_security == "tls":
                server: _Line = _SealedLine(**where, context=context)  # type: ignore[arg-type]
            else:
                server = _Line(**where)  # type: ignore[arg-type]
            if settings.smtp_security == "starttls":
                server.starttls(context=context)
            if settings.smtp_username:
                server.login(settings.smtp_username, settings.smtp_password.get_secret_value())
        except (OSError, smtplib.SMTPException) as error:
            raise Unavailable(f"mail server: {error}") from error
        try:
            yield _SmtpSender(server, settings.mail_from)
        finally:
            try:
                server.quit()
            except (OSError, smtplib.SMTPException):
                server.close()


class _Line(smtplib.SMTP):
    """A connection that knows whether a message was handed over and not answered."""

    is_unanswered = False

    def data(self, msg: Any) -> tuple[int, bytes]:
        """Hand the message over; its answer."""
        self.is_unanswered = True
        answer: tuple[int, bytes] = super().data(msg)
        self.is_unanswered = False
        return answer


class _SealedLine(_Line, smtplib.SMTP_SSL):
    """The same over TLS from the first byte."""


@dataclass(frozen=True, slots=True)
class _SmtpSender:
    server: _Line
    mail_from: str

    def send(self, message: Ready) -> Receipt:
        self.server.is_unanswered = False
        try:
            self.server.send_message(compose(message, self.mail_from))
        except smtplib.SMTPServerDisconnected as error:
            raise self._broken(f"SMTPServerDisconnected: {error}") from error
        except smtplib.SMTPRecipientsRefused as error:
            [(code, text)] = error.recipients.values()  # a message has one
            raise _refusal(code, text) from error
        except smtplib.SMTPSenderRefused as error:  # it is about us
            raise TryAgain(f"{error.smtp_code} {error.smtp_error!r}") from error
        except smtplib.SMTPResponseException as error:
            raise _refusal(error.smtp_code, error.smtp_error) from error
        except (OSError, ValueError) as error:
            raise self._broken(f"{type(error).__name__}: {error}") from error
        return Receipt()

    def _broken(self, told: str) -> NotSent:
        return Undecided(told) if self.server.is_unanswered else TryAgain(told)


def _refusal(code: int, text: bytes | str) -> NotSent:
    said = f"{code} {text.decode(errors='replace') if isinstance(text, bytes) else text}"
    if code < 500 or bounces.will_pass(said):
        return TryAgain(said)
    return Refused("rejected", said, dead="bounce" if bounces.is_nobody_there(said) else None)


@dataclass(frozen=True, slots=True)
class SendGridGateway:
    """SendGrid's API, version 3."""

    settings: ChannelSettings
    replaces: bool = False
    can_tell: bool = False

    @property
    def tells_within(self) -> timedelta:
        """By its events, where their key says that they are sent to us."""
        return TOLD_WITHIN if self.settings.sendgrid_webhook_key else timedelta()

    @contextmanager
    def opened(self) -> Iterator[Sender]:
        """A client that keeps its connection."""
        settings = self.settings
        api = SendGridAPIClient(
            settings.sendgrid_api_key.get_secret_value(), host=settings.sendgrid_base_url.rstrip("/")
        )
        with requests.Session() as session:
            api.client = _KeptClient(session, host=api.host, request_headers=api.client.request_headers, version=3)
            yield _SendGridSender(api, settings.mail_from)


class _KeptClient(Client):  # type: ignore[misc]
    """The client under SendGrid's library, on one connection for all that is due.

    Its own way opens a connection for each message, follows redirects with the key, and does not tell a wire that never
    stood from one that broke.
    """

    def __init__(self, session: requests.Session, **told: Any) -> None:
        super().__init__(**told)
        self._session = session

    def _build_client(self, name: str | None = None) -> "_KeptClient":
        path = [*self._url_path, name] if name else self._url_path
        return _KeptClient(
            self._session, host=self.host, request_headers=self.request_headers, version=self._version, url_path=path
        )

    def _make_request(self, opener: object, request: Request, timeout: float | None = None) -> "_Answer":  # noqa: ARG002
        return _Answer(
            self._session.request(
                request.get_method(), request.full_url, data=request.data, headers=dict(request.header_items()),
                timeout=timeout or SECONDS, allow_redirects=False,
            )
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Answer:
    """An answer of `requests` in the words of urllib, which the library reads."""

    told: requests.Response

    def getcode(self) -> int:
        return self.told.status_code

    def read(self) -> bytes:
        return self.told.content

    def info(self) -> Mapping[str, str]:
        return self.told.headers


@dataclass(frozen=True, slots=True)
class _SendGridSender:
    api: SendGridAPIClient
    mail_from: str

    def send(self, message: Ready) -> Receipt:
        try:
            answer = self.api.send(self._document(message))
        except requests.RequestException as error:
            if never_left(error):
                raise Unavailable(f"SendGrid: {error}") from error
            raise Undecided(f"{type(error).__name__}: {error}") from error
        status = answer.status_code
        if status in (502, 504):  # of who stands before it: what it did itself is not known
            raise Undecided(f"SendGrid answered {status}")
        if status in (401, 403, 429, 503) or 300 <= status < 400:  # it sends nobody elsewhere: that is not SendGrid
            raise Unavailable(f"SendGrid answered {status}")
        if status >= 500:
            raise TryAgain(f"SendGrid answered {status}")
        if status >= 400:
            raise Refused("rejected", f"{status} {answer.body.decode(errors='replace')[:300]}")
        return Receipt(answer.headers.get("X-Message-Id"))

    def _document(self, message: Ready) -> dict[str, Any]:
        name, address = parseaddr(self.mail_from)
        rendered = message.rendered
        document: dict[str, Any] = {
            "personalizations": [{"to": [{"email": message.recipient}]}],
            "from": {"email": address, "name": name} if name else {"email": address},
            "subject": rendered.subject,
            "content": [
                {"type": "text/plain", "value": rendered.text}, {"type": "text/html", "value": rendered.html},
            ],
            "headers": headers_of(message, self.mail_from),
            "custom_args": {"plyo_message_id": str(message.id)},
            # Which addresses are dead we say ourselves, so one that was revived here is not held back there.
            "mail_settings": {"bypass_bounce_management": {"enable": True}},
            # Whether a picture was fetched says nothing of a person; links stay as they were written.
            "tracking_settings": {"open_tracking": {"enable": False}, "click_tracking": {"enable": False}},
        }  # fmt: skip
        if rendered.attachments:
            document["attachments"] = [
                {"filename": name, "type": kind, "content": base64.b64encode(content.encode()).decode()}
                for name, kind, content in rendered.attachments
            ]
        return document
