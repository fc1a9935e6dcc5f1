"""What integrations do in the worker: forget what a customer no longer lets us keep, queue webhooks of ours."""

from datetime import UTC, datetime, timedelta

from sqlalchemy.orm import Session

from contracts.events.compliance import ConsentChanged
from contracts.events.envelope import Event
from operational_api.compliance import public as compliance
from operational_api.integrations.outgoing.catalogue import KINDS
from operational_api.integrations.outgoing.service import deliveries
from operational_api.integrations.service import payloads


def forget_withdrawn(session: Session, event: Event) -> None:
    """Drop what wearables sent of a kind that may no longer be kept; given again meanwhile, it stays."""
    assert isinstance(event, ConsentChanged)  # noqa: S101 - by the table below
    if event.purpose == "coaching" and not compliance.may_store(session, event.customer_id, event.data_kind):
        payloads.forget(session, customer_id=event.customer_id, data_kind=event.data_kind)


def queue_webhooks(session: Session, event: Event) -> None:
    """Have every endpoint get it that listens to such events."""
    deliveries.queue(session, event, datetime.now(UTC))


PERIODIC = [("integrations.forget_deliveries", timedelta(minutes=10), deliveries.forget_old)]
HANDLERS = {ConsentChanged.type: [forget_withdrawn], **{kind: [queue_webhooks] for kind in KINDS}}
