"""What people are told of payments, memberships, who pays for them and what is in their wallet."""

from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from contracts.events import billing, commerce, wallets
from contracts.events.envelope import Event
from operational_api.commerce import public as commerce_public
from operational_api.core import clock
from operational_api.engagement.sending import WAYS
from operational_api.engagement.service.contacts import contact
from operational_api.engagement.service.emails import queue_message
from operational_api.engagement.telling.letter import mail


def send_receipt(session: Session, event: Event) -> None:
    """Word of money is for whose it is: a parent's, an employer's card is nothing to write to the member about."""
    assert isinstance(event, commerce.PaymentCaptured)  # noqa: S101
    of_wallet = commerce_public.wallet_part(session, event.invoice_id) if event.invoice_id else None
    money: dict[str, Any] = {"amount_minor": event.amount_minor, "currency": event.currency}
    key = event.payment_id
    if of_wallet and of_wallet.amount_minor:
        money["wallet_minor"] = of_wallet.amount_minor
    if event.provider in commerce.KEPT:  # the card's receipt says so, where one paid the rest
        if of_wallet is None or event.invoice_id is None or not of_wallet.is_all:
            return
        money["amount_minor"], key = 0, event.invoice_id  # gifts and what was paid in are one receipt
    mail(session, event, contact(session, event.payer_id or event.customer_id), "payment_receipt", key, **money)


def tell_of_failed_payment(session: Session, event: Event) -> None:
    assert isinstance(event, commerce.PaymentFailed)  # noqa: S101
    _tell_payer(session, event, "payment_failed", event.payment_id)


def tell_of_refund(session: Session, event: Event) -> None:
    assert isinstance(event, commerce.PaymentRefunded)  # noqa: S101
    if event.provider in commerce.KEPT:  # it is in their wallet, and no card has it
        return
    _tell_payer(session, event, "payment_refunded", event.refund_id)


def _tell_payer(
    session: Session, event: commerce.PaymentFailed | commerce.PaymentRefunded, template: str, key: UUID
) -> None:
    to = contact(session, event.payer_id or event.customer_id)
    mail(session, event, to, template, key, amount_minor=event.amount_minor, currency=event.currency)


def welcome_member(session: Session, event: Event) -> None:
    assert isinstance(event, commerce.SubscriptionStarted)  # noqa: S101
    to = contact(session, event.customer_id)
    mail(session, event, to, "subscription_started", event.subscription_id, is_trial=event.is_trial)


def confirm_end_of_membership(session: Session, event: Event) -> None:
    """For members who cancelled themselves; who lost it to failed payments was written to about those."""
    assert isinstance(event, commerce.SubscriptionCancelled)  # noqa: S101
    if event.is_voluntary:
        to = contact(session, event.customer_id)
        facts = {
            "has_ended": event.ends_now, "owed_minor": event.owed_minor, "currency": event.currency,
            "left_minor": event.left_minor, "days_left": event.days_left,
        }  # fmt: skip
        mail(session, event, to, "subscription_cancelled", f"{event.subscription_id}:{event.ends_now}", **facts)


def tell_of_payer(session: Session, event: Event) -> None:
    """Both ends of a change of payer: the member, and who paid until now. Of one who left `tell_of_left_payer` does."""
    assert isinstance(event, billing.PayerChanged)  # noqa: S101
    former = contact(session, event.former_payer_id) if event.former_payer_id else None
    if event.payer_id == event.former_payer_id or (event.payer_id is None and former is None):
        return
    member = contact(session, event.customer_id)
    mail(session, event, member, "payer_changed", event.event_id, is_paid_for=event.payer_id is not None)
    mail(session, event, former, "payer_ended", event.event_id)


def tell_of_left_payer(session: Session, event: Event) -> None:
    """Whom somebody paid for who closed their account: what is open, and that a card or another payer is needed."""
    assert isinstance(event, billing.PayerLeft)  # noqa: S101
    member = contact(session, event.customer_id)
    until, renews = event.open_until, event.renews_at
    mail(
        session, event, member, "payer_left", event.event_id, currency=event.currency, open_minor=event.open_minor,
        open_until=until.isoformat() if until else None, renews_at=renews.isoformat() if renews else None,
        renews_minor=event.renews_minor, time_zone=member.time_zone if member else "UTC",
    )  # fmt: skip


def tell_of_renewal(session: Session, event: Event) -> None:
    """Before another year of a membership is charged: the member, and who pays it where that is somebody else."""
    assert isinstance(event, billing.MembershipRenewsSoon)  # noqa: S101
    for account_id in (event.customer_id, event.payer_id):
        to = contact(session, account_id) if account_id else None
        mail(
            session, event, to, "membership_renews", f"{event.event_id}:{account_id}", currency=event.currency,
            amount_minor=event.amount_minor, renews_at=event.renews_at.isoformat(),
            time_zone=to.time_zone if to else "UTC", pays=account_id == (event.payer_id or event.customer_id),
        )  # fmt: skip


def tell_of_gift(session: Session, event: Event) -> None:
    """Whoever was given something to spend: how much, why, and its last day."""
    assert isinstance(event, wallets.WalletCreditGiven)  # noqa: S101
    to = contact(session, event.customer_id)
    mail(
        session, event, to, "gift_given", event.credit_id, amount_minor=event.amount_minor, currency=event.currency,
        reason=commerce_public.reason_of_gift(session, event.credit_id), time_zone=to.time_zone if to else "UTC",
        **({"last_at": commerce_public.last_moment(event.expires_at).isoformat()} if event.expires_at else {}),
    )  # fmt: skip


def remind_of_gift(session: Session, event: Event) -> None:
    """A week before what is left of a gift runs out, by the way that they like."""
    assert isinstance(event, wallets.WalletCreditEndsSoon)  # noqa: S101
    person, now = contact(session, event.customer_id), clock.now()
    if person is None or event.expires_at <= now:
        return
    queue_message(
        session, dedupe_key=f"gift_ends:{event.credit_id}", person=person, template="gift_ends", purpose="reminders",
        channels=WAYS, now=now, expires_at=event.expires_at, context={
            "amount_minor": event.amount_minor, "currency": event.currency, "time_zone": person.time_zone,
            "last_at": commerce_public.last_moment(event.expires_at).isoformat(), "path": "/wallet",
        },
    )  # fmt: skip
