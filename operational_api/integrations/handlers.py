"""What integrations do in the worker: forget what a customer no longer lets us keep."""

from sqlalchemy.orm import Session

from contracts.events.compliance import ConsentChanged
from contracts.events.envelope import Event
from operational_api.compliance import public as compliance
from operational_api.integrations.service import payloads


def forget_withdrawn(session: Session, event: Event) -> None:
    """Drop what wearables sent of a kind that may no longer be kept; given again meanwhile, it stays."""
    assert isinstance(event, ConsentChanged)  # noqa: S101 - by the table below
    if event.purpose == "coaching" and not compliance.may_store(session, event.customer_id, event.data_kind):
        payloads.forget(session, customer_id=event.customer_id, data_kind=event.data_kind)


HANDLERS = {ConsentChanged.type: [forget_withdrawn]}
