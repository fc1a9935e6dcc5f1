"""What integrations do in the worker: forget what a customer no longer lets us keep, queue webhooks of ours, and mark
whom a CRM is to hear of."""

from datetime import timedelta

from sqlalchemy.orm import Session

from contracts.events import commerce, engagement, identity
from contracts.events.compliance import ConsentChanged
from contracts.events.envelope import Event
from operational_api.compliance import public as compliance
from operational_api.core import clock, personal
from operational_api.integrations.crm import contacts, deals
from operational_api.integrations.outgoing.catalogue import KINDS
from operational_api.integrations.outgoing.service import deliveries
from operational_api.integrations.personal import PERSONAL
from operational_api.integrations.service import payloads


def forget_withdrawn(session: Session, event: Event) -> None:
    """Drop what wearables sent of a kind that may no longer be kept; given again meanwhile, it stays."""
    assert isinstance(event, ConsentChanged)  # noqa: S101 - by the table below
    if event.purpose == "coaching" and not compliance.may_store(session, event.customer_id, event.data_kind):
        payloads.forget(session, customer_id=event.customer_id, data_kind=event.data_kind)


def queue_webhooks(session: Session, event: Event) -> None:
    """Have every endpoint get it that listens to such events."""
    deliveries.queue(session, event, clock.now())


def mark_person(session: Session, event: Event) -> None:
    """Something that a CRM knows of a person is another now; what it said itself is no news to it."""
    if isinstance(event, engagement.LeadChanged) and event.by == contacts.PROVIDER:
        return
    if contacts.is_on(session):
        contacts.mark(session, [event.aggregate_id], clock.now())


def convert_contact(session: Session, event: Event) -> None:
    """A lead's contact is a customer's from now on."""
    assert isinstance(event, engagement.LeadConverted)  # noqa: S101
    if contacts.is_on(session):
        contacts.convert(session, lead_id=event.lead_id, customer_id=event.customer_id, now=clock.now())


def forget_contact(session: Session, event: Event) -> None:
    """Whoever left us is archived there, also while the connector is paused or gone: then once it is back."""
    assert isinstance(event, identity.AccountClosed)  # noqa: S101
    contacts.leave(session, event.account_id, clock.now())


def forget_lead(session: Session, event: Event) -> None:
    """Who asked to be forgotten is archived there, as who leaves us is."""
    assert isinstance(event, engagement.LeadForgotten)  # noqa: S101
    contacts.leave(session, event.lead_id, clock.now())


def forget_person(session: Session, event: Event) -> None:
    """Nothing that a closed account's devices sent is kept."""
    assert isinstance(event, identity.AccountClosed)  # noqa: S101
    for one in PERSONAL:
        personal.forget(session, one, event.account_id)


def tell_sale(session: Session, event: Event) -> None:
    """A membership, a trial or a pack as a deal."""
    if not contacts.is_on(session):
        return
    now = clock.now()
    if isinstance(event, commerce.SubscriptionStarted):
        deals.started(
            session, sale_id=event.subscription_id, person_id=event.customer_id, amount_minor=event.amount_minor,
            currency=event.currency, is_trial=event.is_trial, at=event.occurred_at, now=now,
        )  # fmt: skip
    elif isinstance(event, commerce.PackBought):
        deals.pack_bought(
            session, sale_id=event.pack_id, person_id=event.customer_id, sessions=event.sessions,
            amount_minor=event.amount_minor, currency=event.currency, at=event.occurred_at, now=now,
        )  # fmt: skip
    elif isinstance(event, commerce.SubscriptionChanged) and event.kind == "started":
        deals.bought(session, sale_id=event.subscription_id, at=event.occurred_at, now=now)
    elif isinstance(event, commerce.SubscriptionCancelled) and event.ends_now:
        deals.ended(session, sale_id=event.subscription_id, at=event.occurred_at, now=now)


PERIODIC = [("integrations.forget_deliveries", timedelta(minutes=10), deliveries.forget_old)]
CRM = {
    engagement.LeadCaptured.type: mark_person,
    engagement.LeadChanged.type: mark_person,
    engagement.LeadReopened.type: mark_person,
    engagement.LeadForgotten.type: forget_lead,
    engagement.LifecycleStageChanged.type: mark_person,
    engagement.LeadConverted.type: convert_contact,
    identity.EmailVerified.type: mark_person,
    identity.EmailChanged.type: mark_person,
    identity.AccountClosed.type: forget_contact,
    commerce.PackBought.type: tell_sale,
    commerce.SubscriptionStarted.type: tell_sale,
    commerce.SubscriptionChanged.type: tell_sale,
    commerce.SubscriptionCancelled.type: tell_sale,
}
HANDLERS = {
    ConsentChanged.type: [forget_withdrawn],
    **{
        kind: [*([queue_webhooks] if kind in KINDS else []), *([CRM[kind]] if kind in CRM else [])]
        for kind in {*KINDS, *CRM}
    },
}
HANDLERS[identity.AccountClosed.type].append(forget_person)
