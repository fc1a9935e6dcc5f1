"""MoMo's notifications of results (IPN): verified and stored when they arrive, followed up later by asking MoMo.

A notification only says what to look at. One with another amount than ours, about an order of nobody, or signed by
somebody else is refused and written down as a finding.
"""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from contracts.telemetry import get_logger
from operational_api.commerce.errors import MalformedWebhook
from operational_api.commerce.models import CheckoutSession
from operational_api.commerce.providers import Providers
from operational_api.commerce.providers import momo_signing as signing
from operational_api.commerce.service import findings, settling
from operational_api.commerce.service.customers import locked_customer
from operational_api.commerce.settings import MomoSettings
from operational_api.core import inbox, notices
from operational_api.core.errors import Unavailable
from operational_api.core.models import InboxMessage

log = get_logger(__name__)
SOURCE = "momo"
PATIENCE_MS = 10_000
"""How long PostgreSQL may take over a notification: MoMo waits 15 seconds for the answer."""
OPENED_WITHIN = timedelta(minutes=1)
"""Until when an order of a notification may still be one of ours: its page is opened at MoMo before others here know of
it. Less than a message is tried for."""
_TEXTS, _NUMBERS = ("partnerCode", "orderId", "requestId", "signature"), ("amount", "resultCode", "transId")


class NotSettledYet(Unavailable):
    """What came of the order is not known yet: MoMo did not answer, or whoever opens it has not told us of it. The
    message is tried again."""


def receive(session: Session, *, body: bytes, settings: MomoSettings, now: datetime) -> bool:
    """Verify a notification and store it for the worker.

    Returns:
        True where it may be answered as taken, also when it came before. False where it is not from MoMo: if it names
        an order of ours, that is written down, at most once a day for each.

    Raises:
        MalformedWebhook: no notification.
    """
    told = _notification(body)
    session.execute(text("select set_config('statement_timeout', :ms, true)"), {"ms": str(PATIENCE_MS)})
    keys = {
        "access_key": settings.access_key.get_secret_value(),
        "secret_key": settings.secret_key.get_secret_value(),
    }
    is_ours = bool(settings.partner_code) and told["partnerCode"] == settings.partner_code
    if not is_ours or not signing.is_signed(signing.RESULT, told, **keys):
        row = _page(session, told["orderId"])
        log.warning("forged_notification", is_known=row is not None)
        if row is not None:
            forged = findings.Difference(
                SOURCE, "forged_notification", told["orderId"], currency="VND", ours_minor=row.amount_minor,
                theirs_minor=told["amount"], customer_id=row.customer_id, note="The signature is not MoMo's.",
            )  # fmt: skip
            findings.record(session, [forged], now=now)
        return False
    message_id = f"{told['orderId']}-{told['signature'].lower()}"
    is_new = inbox.receive(
        session, source=SOURCE, message_id=message_id, kind=f"result.{told['resultCode']}", payload=told, now=now
    )
    log.info("notification_received", order_id=told["orderId"], result=told["resultCode"], is_new=is_new)
    return True


def _notification(body: bytes) -> dict[str, Any]:
    try:
        told = notices.read(body)
    except ValueError as error:
        raise MalformedWebhook from error
    fits = isinstance(told, dict) and all(
        isinstance(told.get(name), str) and 0 < len(told[name]) <= 200 for name in _TEXTS
    )
    if not fits or not all(type(told.get(name)) is int and 0 <= told[name] < 2**63 for name in _NUMBERS):
        raise MalformedWebhook
    found: dict[str, Any] = told
    return found


def _page(session: Session, order_id: str) -> CheckoutSession | None:
    return session.scalar(
        select(CheckoutSession)
        .where(CheckoutSession.provider == SOURCE, CheckoutSession.provider_session_id == order_id)
        .execution_options(populate_existing=True)
    )


def follow_up(session: Session, providers: Providers, message: InboxMessage, *, now: datetime) -> None:
    """Bring our rows up to MoMo's state of the order that a stored notification is about.

    Raises:
        NotSettledYet: MoMo does not answer; the periodic look goes on asking also when the message is given up. Or
            nobody opened such an order here, and somebody may be about to.
    """
    told = message.payload
    row = _page(session, told["orderId"])
    if row is None:
        if message.received_at and now < message.received_at + OPENED_WITHIN:
            raise NotSettledYet
        unknown = findings.Difference(
            SOURCE, "missing_at_us", told["orderId"], currency="VND", theirs_minor=told["amount"],
            note="A notification about an order that nobody opened here.",
        )  # fmt: skip
        findings.record(session, [unknown], now=now)
        return
    locked_customer(session, row.customer_id)
    session.refresh(row)
    if told["amount"] != row.amount_minor:
        findings.record(
            session, [settling.differs(row, paid_minor=told["amount"], note="A notification; not acted on.")], now=now
        )
        return
    if row.status == "refused":
        return
    settling.follow(session, providers, row, now=now)
    if row.status == "unknown" and told["resultCode"] == 0:
        raise NotSettledYet
