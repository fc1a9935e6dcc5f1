"""E-mail by SMTP: takes what is queued, renders it, hands it to the server, remembers the answer.

A message is sent while its row is locked and marked in the same transaction, so of many workers one sends it. A crash
after the server's "250" and before our commit sends it once more: SMTP knows no idempotency key. Each crash can
double one message only, the one in hand, and the copy carries the same Message-ID (the row's id), by which mailboxes
recognise it. Nothing is ever lost: what is not marked sent is sent again.
"""

import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from typing import Literal

from pydantic import BaseModel, SecretStr
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from contracts.telemetry import get_logger, trace
from operational_api.core import failpoints
from operational_api.core.retries import RetryPolicy, told
from operational_api.engagement.channels.rendering import render
from operational_api.engagement.models import OutgoingEmail
from operational_api.engagement.service.emails import SECRET_VALUES

log = get_logger(__name__)
SmtpSecurity = Literal["plain", "starttls", "tls"]
RETRY = RetryPolicy(attempts=20, first_seconds=5, longest_seconds=3600)
"""About ten hours: greylisting and full mailboxes pass, a wrong address is refused for good at once."""


class SmtpSettings(BaseModel):
    """How to reach the mail server; the fields of `WorkerSettings` that concern it."""

    public_url: str
    smtp_host: str
    smtp_port: int
    smtp_security: SmtpSecurity
    smtp_username: str
    smtp_password: SecretStr
    mail_from: str


class Mailer:
    """Sends queued e-mails. One per loop: it keeps one connection open while there is more to send."""

    def __init__(self, sessions: sessionmaker[Session], settings: SmtpSettings) -> None:
        self._sessions, self._settings = sessions, settings
        self._domain = parseaddr(settings.mail_from)[1].rpartition("@")[2] or "localhost"

    def send_due(self) -> bool:
        """Send all that is due, over one connection.

        Returns:
            False: nothing is left to do at once.

        Raises:
            OSError: the mail server cannot be reached. Nothing was tried, so no message is nearer to giving up.
        """
        if not self._is_any_due():
            return False
        with self._server() as server:
            while self._send_next(server):
                pass
        return False

    def _is_any_due(self) -> bool:
        with self._sessions() as session:
            return session.scalar(_due(datetime.now(UTC))) is not None

    def _send_next(self, server: smtplib.SMTP) -> bool:
        with self._sessions.begin() as session:
            email = session.scalar(_due(datetime.now(UTC)).with_for_update(skip_locked=True))
            if email is None:
                return False
            email.attempts += 1
            with trace():
                try:
                    server.send_message(self._message(email))
                except smtplib.SMTPServerDisconnected as error:
                    _put_back(email, error)
                    return False
                except Exception as error:
                    log.exception("email_failed", email_id=str(email.id), template=email.template)
                    _put_back(email, error)
                    return True
                failpoints.hit("email.before_commit")
                email.status, email.sent_at, email.last_error = "sent", datetime.now(UTC), None
                email.context = {key: value for key, value in email.context.items() if key not in SECRET_VALUES}
                log.info("email_sent", email_id=str(email.id), template=email.template, attempt=email.attempts)
        failpoints.hit("email.after_commit")
        return True

    def _message(self, email: OutgoingEmail) -> EmailMessage:
        rendered = render(email.template, email.context, public_url=self._settings.public_url)
        message = EmailMessage()
        message["From"] = self._settings.mail_from
        message["To"] = email.recipient
        message["Subject"] = rendered.subject
        message["Date"] = format_datetime(datetime.now(UTC))
        message["Message-ID"] = f"<{email.id}@{self._domain}>"
        message["Auto-Submitted"] = "auto-generated"
        message["X-Plyo-Template"] = email.template
        message.set_content(rendered.text)
        message.add_alternative(rendered.html, subtype="html")
        for name, mime_type, content in rendered.attachments:
            message.add_attachment(content, subtype=mime_type.split("/")[1], filename=name)
        return message

    @contextmanager
    def _server(self) -> Iterator[smtplib.SMTP]:
        settings = self._settings
        where = {"host": settings.smtp_host, "port": settings.smtp_port, "timeout": 15}
        context = ssl.create_default_context()
        if settings.smtp_security == "tls":
            server: smtplib.SMTP = smtplib.SMTP_SSL(**where, context=context)  # type: ignore[arg-type]
        else:
            server = smtplib.SMTP(**where)  # type: ignore[arg-type]
        with server:
            if settings.smtp_security == "starttls":
                server.starttls(context=context)
            if settings.smtp_username:
                server.login(settings.smtp_username, settings.smtp_password.get_secret_value())
            yield server


def _due(now: datetime):  # type: ignore[no-untyped-def]
    return (
        select(OutgoingEmail)
        .where(OutgoingEmail.status == "queued", OutgoingEmail.next_attempt_at <= now)
        .order_by(OutgoingEmail.next_attempt_at)
        .limit(1)
    )


def _put_back(email: OutgoingEmail, error: Exception) -> None:
    email.last_error = told(error)
    email.next_attempt_at = datetime.now(UTC) + RETRY.delay(email.attempts)
    if RETRY.is_last(email.attempts) or _is_final(error):
        email.status = "failed"
        log.error("email_given_up", email_id=str(email.id), template=email.template, error=email.last_error)


def _is_final(error: Exception) -> bool:
    """Whether the server said that it will never take this message (a 5xx answer)."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return all(code >= 500 for code, _ in error.recipients.values())
    return isinstance(error, smtplib.SMTPResponseException) and error.smtp_code >= 500
