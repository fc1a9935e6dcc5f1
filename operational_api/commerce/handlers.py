"""What commerce does in the worker: follow up stored webhooks, and end what nobody else ends."""

from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from contracts.events.envelope import Event
from contracts.events.identity import AccountClosed
from contracts.events.scheduling import SessionAttended, SessionMissed
from operational_api.commerce import providers
from operational_api.commerce.billing import collectors
from operational_api.commerce.billing.collectors import Collector
from operational_api.commerce.billing.service import (
    collection,
    earnings,
    emptying,
    fees,
    giving_back,
    leaving,
    memberships,
    renewals,
    waiting,
)
from operational_api.commerce.providers import Providers
from operational_api.commerce.providers.port import BillingProvider
from operational_api.commerce.service import (
    approvals,
    gifts,
    notifications,
    reconciliation,
    retellings,
    settling,
    subscriptions,
    webhooks,
)
from operational_api.core import clock
from operational_api.core.models import InboxMessage


def on_stripe(session: Session, message: InboxMessage, provider: BillingProvider | None = None) -> None:
    """Follow up one stored Stripe event; the provider is the environment's unless given."""
    webhooks.follow_up(session, provider or providers.configured(), message, now=clock.now())


def on_momo(session: Session, message: InboxMessage, found: Providers | None = None) -> None:
    """Follow up one stored notification of MoMo's; the providers are the environment's unless given."""
    notifications.follow_up(session, found or providers.all_configured(), message, now=clock.now())


def settle_due(session: Session, now: datetime) -> None:
    """Ask providers about pages and refunds of which nobody knows yet what came of them."""
    settling.settle_due(session, providers.all_configured(), now=now)


def compare_books(session: Session, now: datetime) -> None:
    """Compare each provider's books with ours, once a day."""
    reconciliation.run_due(session, providers.books_configured(), now=now)


def collect_invoices(session: Session, now: datetime, collector: Collector | None = None) -> None:
    """Make every attempt to collect that is due; the collector is the environment's unless given."""
    collection.collect_due(session, collector or collectors.configured(), now)


def spend_wallets(session: Session, now: datetime) -> None:
    """Pay what is open out of wallets, as soon as there is something in them."""
    collection.spend_wallets(session, now)


def expire_gifts(session: Session, now: datetime) -> None:
    """Take back what of gifts was not used in time."""
    gifts.expire_due(session, now)


def tell_of_ending_gifts(session: Session, now: datetime) -> None:
    """Tell whose gift runs out within a week."""
    gifts.tell_of_ends(session, now)


def refund_closed_wallets(session: Session, now: datetime) -> None:
    """Give back what somebody paid into their wallet who has closed their account."""
    emptying.give_back_due(session, providers.all_configured().by_name, now)


def advance_memberships(session: Session, now: datetime) -> None:
    """Begin periods, end trials and pauses, and end memberships whose last day was yesterday, also ones that were
    brought over and that nobody bills."""
    memberships.advance_due(session, now)
    subscriptions.end_due(session, now=now)


def earn_expired_packs(session: Session, now: datetime) -> None:
    """Recognise what is left of packs that ran out."""
    earnings.earn_expired(session, now)


def remind_of_renewals(session: Session, now: datetime) -> None:
    """Tell whose year of a membership will soon be followed by another."""
    renewals.remind_due(session, now)


def invoice_fees(session: Session, now: datetime) -> None:
    """Make the invoices of fees that no membership's invoice will have."""
    fees.invoice_due(session, now)


def give_back_credits(session: Session, now: datetime) -> None:
    """Give back what was paid and not used, where no invoice will use it."""
    giving_back.give_back_due(session, providers.all_configured().that_give_back, now)


def write_off_small(session: Session, now: datetime) -> None:
    """Write off charges that are too small for a card and that no other one followed."""
    waiting.write_off_small(session, now)


def on_session_over(session: Session, event: Event) -> None:
    """A session counts for its coach, and a class for who assists it, whether the customer came or not."""
    if isinstance(event, SessionAttended | SessionMissed):
        earnings.deliver(
            session, booking_id=event.booking_id, coach_id=event.coach_id, customer_id=event.customer_id,
            session_pack_id=event.session_pack_id, has_attended=isinstance(event, SessionAttended),
            delivered_at=event.starts_at or event.occurred_at, held_on=event.held_on, now=event.occurred_at,
        )  # fmt: skip
        if event.assistant_ids:
            earnings.assist(
                session, booking_id=event.booking_id, class_id=event.slot_id, coach_ids=event.assistant_ids,
                now=event.occurred_at,
            )  # fmt: skip


def on_account_closed(session: Session, event: Event, provider: BillingProvider | None = None) -> None:
    """Nobody is billed whose account is closed; the provider is the environment's unless given."""
    assert isinstance(event, AccountClosed)  # noqa: S101 - registered for this event only
    leaving.leave(session, provider or providers.configured(), account_id=event.account_id, now=event.occurred_at)


HANDLERS: dict[str, list[Callable[[Session, Event], None]]] = {
    SessionAttended.type: [on_session_over],
    SessionMissed.type: [on_session_over],
    AccountClosed.type: [on_account_closed],
}
WEBHOOKS: dict[str, Callable[[Session, InboxMessage], None]] = {
    webhooks.SOURCE: on_stripe,
    notifications.SOURCE: on_momo,
}
PERIODIC: list[tuple[str, timedelta, Callable[[Session, datetime], None]]] = [
    ("commerce.advance_memberships", timedelta(minutes=1), advance_memberships),
    ("commerce.collect_invoices", timedelta(minutes=1), collect_invoices),
    ("commerce.expire_gifts", timedelta(minutes=10), expire_gifts),
    ("commerce.tell_of_ending_gifts", timedelta(hours=1), tell_of_ending_gifts),
    ("commerce.spend_wallets", timedelta(minutes=1), spend_wallets),
    ("commerce.refund_closed_wallets", timedelta(minutes=10), refund_closed_wallets),
    ("commerce.remind_of_renewals", timedelta(hours=1), remind_of_renewals),
    ("commerce.invoice_fees", timedelta(minutes=10), invoice_fees),
    ("commerce.give_back_credits", timedelta(minutes=10), give_back_credits),
    ("commerce.write_off_small", timedelta(hours=6), write_off_small),
    ("commerce.earn_expired_packs", timedelta(hours=6), earn_expired_packs),
    ("commerce.settle_due", timedelta(minutes=1), settle_due),
    ("commerce.compare_books", timedelta(hours=1), compare_books),
    ("commerce.retell_daily", timedelta(hours=1), retellings.look_daily),
    ("commerce.retell_when_asked", timedelta(minutes=1), retellings.look_when_asked),
    ("commerce.expire_requests", timedelta(minutes=5), approvals.REFUNDS.expire),
]
