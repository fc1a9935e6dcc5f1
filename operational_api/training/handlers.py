"""What training does when something happened elsewhere. Run by the worker, once per event and function."""

from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from contracts.events.commerce import PaymentCaptured, SubscriptionStarted
from contracts.events.compliance import ConsentChanged
from contracts.events.envelope import Event
from contracts.events.identity import AccountClosed, AccountRegistered
from contracts.events.scheduling import SessionBooked
from contracts.telemetry import get_logger
from operational_api.compliance import public as compliance
from operational_api.core import personal
from operational_api.training.personal import PERSONAL
from operational_api.training.service import clients, media, onboarding, wearables
from operational_api.training.service import missed as missed_weeks

log = get_logger(__name__)


def make_new_customers_clients(session: Session, event: Event) -> None:
    """A customer who signs up is a client from that moment."""
    if isinstance(event, AccountRegistered) and event.role == "customer":
        clients.ensure_client(
            session,
            event.account_id,
            display_name=event.display_name,
            time_zone=event.time_zone,
            now=event.occurred_at,
        )


def give_first_coach(session: Session, event: Event) -> None:
    """A client without a coach gets the one they book first."""
    if isinstance(event, SessionBooked):
        # The booking may be handled before the registration; the name then comes with the registration's own rows.
        clients.ensure_client(session, event.customer_id, display_name="", now=event.occurred_at)
        if clients.coach_of(session, event.customer_id) is None:
            clients.assign_coach(
                session,
                customer_id=event.customer_id,
                coach_id=event.coach_id,
                now=event.occurred_at,
                reason="first booking",
            )


def leave_booking_step(session: Session, event: Event) -> None:
    """A first booking is the last step of setting up."""
    if isinstance(event, SessionBooked):
        onboarding.leave_if_begun(session, customer_id=event.customer_id, step="booking", now=event.occurred_at)


def leave_plan_step(session: Session, event: Event) -> None:
    """A membership, or money for a pack, is the step before."""
    if isinstance(event, (SubscriptionStarted, PaymentCaptured)):
        onboarding.leave_if_begun(session, customer_id=event.customer_id, step="plan", now=event.occurred_at)


def forget_withdrawn(session: Session, event: Event) -> None:
    """What may no longer be kept of a client's wearables is emptied; given again meanwhile, it stays."""
    if not isinstance(event, ConsentChanged) or event.purpose != "coaching":
        return
    if not compliance.may_store(session, event.customer_id, event.data_kind):
        wearables.forget(session, customer_id=event.customer_id, data_kind=event.data_kind)


def remove_videos(session: Session, event: Event) -> None:
    """Of an account that is closed no video is kept that shows its person."""
    if isinstance(event, AccountClosed):
        media.forget_person(session, account_id=event.account_id, now=event.occurred_at)


def forget_person(session: Session, event: Event) -> None:
    """Of a client whose account is closed stays what was trained, and nothing of how they were or what was written."""
    if isinstance(event, AccountClosed):
        for one in PERSONAL:
            personal.forget(session, one, event.account_id)


HANDLERS: dict[str, list[Callable[[Session, Event], None]]] = {
    AccountRegistered.type: [make_new_customers_clients],
    SessionBooked.type: [give_first_coach, leave_booking_step],
    SubscriptionStarted.type: [leave_plan_step],
    PaymentCaptured.type: [leave_plan_step],
    ConsentChanged.type: [forget_withdrawn],
    AccountClosed.type: [remove_videos, forget_person],
}


def notice_missed_weeks(session: Session, now: datetime) -> None:
    """A week without training is announced when it is over."""
    if missed := missed_weeks.notice(session, now):
        log.info("weeks_missed", clients=missed)


PERIODIC: list[tuple[str, timedelta, Callable[[Session, datetime], None]]] = [
    ("training.notice_missed_weeks", timedelta(minutes=30), notice_missed_weeks)
]
