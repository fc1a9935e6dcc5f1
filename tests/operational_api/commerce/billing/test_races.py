"""Several workers and several people at once, in real transactions on one database: money moves once."""

import multiprocessing
import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any
from uuid import UUID

import pytest
from pydantic import SecretStr
from sqlalchemy import Engine, create_engine, func, select, update
from sqlalchemy.orm import Session

from operational_api.commerce.billing.collectors import StripeCollector
from operational_api.commerce.billing.errors import CouponNotFound
from operational_api.commerce.billing.models import BillingItem, Collection, Coupon, ParkedInvoice
from operational_api.commerce.billing.service import collection, coupons, decisions, memberships
from operational_api.commerce.billing.service.coupons import Worth
from operational_api.commerce.models import Customer, Invoice, LedgerLine, Payment, PlanPrice, Refund, Wallet
from operational_api.commerce.service import approvals, customers, gifts, refunds
from operational_api.commerce.settings import StripeSettings, WalletSettings
from operational_api.core.errors import DomainError
from operational_api.core.principal import Principal
from tests.conftest import sqlalchemy_url
from tests.factories import LONG_AGO, make_account, make_plan
from tests.fakes.stripe.testing import LocalStripe
from tests.operational_api.commerce.billing.conftest import NOON
from tests.operational_api.commerce.conftest import adapter

MEMBERS = 5


@dataclass
class Members:
    """Who joined today, each with a card at the local Stripe; their first invoices are due."""

    engine: Engine
    stripe: LocalStripe
    ids: list[UUID]
    payers: list[str]
    plan_code: str

    @property
    def collector(self) -> StripeCollector:
        return StripeCollector(StripeSettings(api_base=self.stripe.url, secret_key=SecretStr(self.stripe.secret_key)))

    def charges(self) -> Counter[str]:
        """How often Stripe took money of each payer."""
        every = self.stripe.store.all("charge")
        return Counter(one["customer"] for one in every if one["customer"] in self.payers and one["paid"])

    def card(self, payer: str, token: str) -> None:
        client = self.stripe.client().v1
        method = client.payment_methods.attach(token, {"customer": payer}).to_dict()["id"]
        client.customers.update(payer, {"invoice_settings": {"default_payment_method": method}})


@pytest.fixture
def members(fresh_database: Callable[[], str], stripe_server: LocalStripe) -> Iterator[Members]:
    engine = create_engine(sqlalchemy_url(fresh_database()), connect_args={"options": "-c timezone=UTC"})
    with Session(engine) as session, session.begin():
        plan = make_plan(session, price=None)
        session.add(
            PlanPrice(plan_id=plan.id, currency="EUR", amount_minor=4900, tax_rate_bp=1900, valid_from=LONG_AGO)
        )
        found = Members(engine, stripe_server, [], [], plan.code)
        for _ in range(MEMBERS):
            account = make_account(session)
            payer = stripe_server.client().v1.customers.create({"name": "Mia"}).to_dict()["id"]
            session.add(Customer(id=account.id, currency="EUR", stripe_customer_id=payer))
            session.flush()
            memberships.start_membership(session, customer_id=account.id, plan_code=plan.code, now=NOON)
            found.ids.append(account.id)
            found.payers.append(payer)
    yield found
    engine.dispose()


def at_once(engine: Engine, *deeds: Callable[[Session], Any]) -> list[Any]:
    """What came of deeds that begin together, each in a transaction of its own; a refusal is its code."""
    start = Barrier(len(deeds))

    def do(deed: Callable[[Session], Any]) -> Any:
        start.wait()
        try:
            with Session(engine, expire_on_commit=False) as session, session.begin():
                return deed(session)
        except DomainError as error:
            return error.code()

    with ThreadPoolExecutor(len(deeds)) as pool:
        return list(pool.map(do, deeds))


def test_workers_at_once_charge_once(members: Members) -> None:
    for payer in members.payers:
        members.card(payer, "pm_card_visa")
    at_once(members.engine, *[lambda session: collection.collect_due(session, members.collector, NOON)] * 3)
    assert members.charges() == dict.fromkeys(members.payers, 1)
    with Session(members.engine) as session:
        assert Counter(session.scalars(select(Invoice.status))) == {"paid": MEMBERS}
        assert Counter(session.scalars(select(Payment.status))) == {"captured": MEMBERS}
        assert session.scalar(select(func.sum(LedgerLine.amount_minor))) == 0


@pytest.mark.parametrize("round_", range(3))
def test_a_card_that_is_given_while_a_worker_charges_the_old_one_pays(members: Members, round_: int) -> None:
    """Two of Stripe's events tell the card, to two workers, while a third one is at the old card."""
    for payer in members.payers:
        members.card(payer, "pm_card_chargeCustomerFail")

    def work(session: Session) -> None:
        collection.collect_due(session, members.collector, NOON)

    def give(session: Session) -> None:
        for payer in members.payers[round_:]:
            collection.card_changed_at(
                session, provider_customer_id=payer, given_at=NOON + timedelta(minutes=1), now=NOON
            )

    work_first: list[Callable[[Session], Any]] = [work, give, give]
    for payer in members.payers:
        members.card(payer, "pm_card_visa") if payer in members.payers[round_:] else None
    at_once(members.engine, *work_first)
    with Session(members.engine) as session, session.begin():
        collection.collect_due(session, members.collector, NOON + timedelta(minutes=1))
    assert members.charges() == dict.fromkeys(members.payers[round_:], 1)
    with Session(members.engine) as session:
        states = Counter(session.scalars(select(Collection.status)))
        assert states == Counter({"paid": MEMBERS - round_, "retrying": round_})


def test_two_who_approve_at_once_give_back_once(members: Members) -> None:
    now = datetime.now(UTC)  # a request that is too old is nobody's to decide, by the policy's clock
    members.card(members.payers[0], "pm_card_visa")
    provider = adapter(members.stripe)
    with Session(members.engine) as session, session.begin():
        collection.collect_due(session, members.collector, NOON)
        asks, *two = [Principal("finance", "tests", make_account(session, role="finance").id) for _ in range(3)]
        payment_id = session.scalars(select(Payment.id).where(Payment.status == "captured")).one()
        asked = approvals.request_refund(
            session, payment_id=payment_id, amount_minor=3000, reason="Ill", principal=asks, now=now
        )
        request_id = asked.id

    def approve(by: Principal) -> Callable[[Session], Any]:
        return lambda session: approvals.approve(
            session, provider, request_id=request_id, principal=by, now=now
        ).status  # fmt: skip

    *others, own = at_once(members.engine, *map(approve, [*two, asks]))
    assert sorted(others) == ["approved", "commerce.refund_request_closed"]
    assert own in {"commerce.own_refund_request", "commerce.refund_request_closed"}  # who comes last finds it decided
    with Session(members.engine) as session:
        assert session.scalars(select(Refund.amount_minor)).all() == [3000]


def test_of_two_refunds_that_together_are_too_much_one_is_given(members: Members) -> None:
    members.card(members.payers[0], "pm_card_visa")
    provider = adapter(members.stripe)
    with Session(members.engine) as session, session.begin():
        collection.collect_due(session, members.collector, NOON)
        payment_id = session.scalars(select(Payment.id).where(Payment.status == "captured")).one()

    def give(amount: int) -> Callable[[Session], Any]:
        return lambda session: refunds.refund_payment(
            session, provider, payment_id=payment_id, amount_minor=amount, reason="Ill", now=NOON
        ).amount_minor  # fmt: skip

    done = at_once(members.engine, give(3000), give(3001), give(2999))
    assert done.count("commerce.refund_too_large") == 2
    with Session(members.engine) as session:
        [given] = session.scalars(select(Refund.amount_minor))
    assert given in done


def test_of_small_refunds_at_once_one_person_gives_as_much_as_one_may_alone(members: Members) -> None:
    members.card(members.payers[0], "pm_card_visa")
    provider = adapter(members.stripe)
    with Session(members.engine) as session, session.begin():
        collection.collect_due(session, members.collector, NOON)
        payment_id = session.scalars(select(Payment.id).where(Payment.status == "captured")).one()

    def give(amount: int) -> Callable[[Session], Any]:
        def alone(session: Session) -> int:
            approvals.require_small(session, payment_id=payment_id, amount_minor=amount, limits={"EUR": 1000})
            return refunds.refund_payment(
                session, provider, payment_id=payment_id, amount_minor=amount, reason="Ill", now=NOON
            ).amount_minor

        return alone

    done = at_once(members.engine, give(600), give(601), give(602))
    assert done.count("commerce.refund_needs_approval") == 2
    with Session(members.engine) as session:
        [given] = session.scalars(select(Refund.amount_minor))
    assert given in done


def test_the_last_redemption_of_a_coupon_is_one_customers(members: Members) -> None:
    with Session(members.engine) as session, session.begin():
        coupons.create(
            session, code="LAST", worth=Worth(percent_bp=1000), duration="once", max_redemptions=2, actor_id=None,
            now=NOON,
        )  # fmt: skip
        new = [make_account(session).id for _ in range(5)]

    def join(customer_id: UUID, now: datetime = NOON) -> Callable[[Session], Any]:
        return lambda session: memberships.start_membership(
            session, customer_id=customer_id, plan_code=members.plan_code, coupon="LAST", now=now
        ).status  # fmt: skip

    done = Counter(at_once(members.engine, *map(join, new)))
    assert done == {"active": 2, CouponNotFound().code(): 3}
    with Session(members.engine) as session:
        assert session.scalar(select(Coupon.redeemed_count)) == 2
        sequences = list(session.scalars(select(Invoice.sequence).order_by(Invoice.sequence)))
        assert sequences == list(range(1, MEMBERS + 3))


def absurd(members: Members) -> tuple[UUID, Principal]:
    """Somebody joins at a price that is a slip of the pen: their invoice is parked, and there is an admin."""
    with Session(members.engine) as session, session.begin():
        plan = make_plan(session, price=None)
        session.add(
            PlanPrice(plan_id=plan.id, currency="EUR", amount_minor=600_000, tax_rate_bp=1900, valid_from=LONG_AGO)
        )
        payer = members.stripe.client().v1.customers.create({"name": "Mia"}).to_dict()["id"]
        account = make_account(session)
        session.add(Customer(id=account.id, currency="EUR", stripe_customer_id=payer))
        session.flush()
        memberships.start_membership(session, customer_id=account.id, plan_code=plan.code, now=NOON)
        members.payers.append(payer)
        [parked] = session.scalars(select(ParkedInvoice.id))
        who = Principal("admin", "tests", make_account(session, role="admin").id)
    members.card(payer, "pm_card_visa")
    return parked, who


def decide(parked: UUID, who: Principal, *, approves: bool) -> Callable[[Session], Any]:
    given: dict[str, Any] = {"parked_id": parked, "reason": "Seen", "principal": who, "now": NOON}
    if approves:
        return lambda session: bool(decisions.approve(session, total_minor=600_000, **given))
    return lambda session: decisions.void(session, **given)


def test_of_admins_who_decide_at_once_about_an_invoice_one_does(members: Members) -> None:
    parked, who = absurd(members)
    deeds = [decide(parked, who, approves=approves) for approves in (True, False, True)]
    done = at_once(members.engine, *deeds)
    assert done.count("commerce.parked_invoice_decided") == 2
    for _ in range(2):
        at_once(members.engine, *[lambda session: collection.collect_due(session, members.collector, NOON)] * 2)
    is_approved = done[1] == "commerce.parked_invoice_decided"
    assert members.charges()[members.payers[-1]] == is_approved
    with Session(members.engine) as session:
        assert session.scalar(select(func.count()).select_from(ParkedInvoice).where(ParkedInvoice.status != "waiting"))
        assert session.scalars(select(BillingItem.id).where(BillingItem.parked_id.is_not(None))).all() == []
        assert session.scalar(select(func.sum(LedgerLine.amount_minor))) == 0


def dying(database_url: str, parked: UUID, who: Principal, stripe: tuple[str, str]) -> None:
    """A process of its own that approves, and is killed once Stripe was paid and before it is written down."""
    engine = create_engine(database_url, connect_args={"options": "-c timezone=UTC"})
    with Session(engine) as session, session.begin():
        decide(parked, who, approves=True)(session)
    with Session(engine) as session:
        settings = StripeSettings(api_base=stripe[0], secret_key=SecretStr(stripe[1]))
        collection.collect_due(session, StripeCollector(settings), NOON)
        session.flush()
        os.kill(os.getpid(), signal.SIGKILL)


def test_an_invoice_that_is_approved_is_charged_once_though_the_process_is_killed(members: Members) -> None:
    parked, who = absurd(members)
    address = members.engine.url.render_as_string(hide_password=False)
    stripe = (members.stripe.url, members.stripe.secret_key)
    made = multiprocessing.get_context("spawn").Process(target=dying, args=(address, parked, who, stripe))
    made.start()
    made.join()
    assert made.exitcode == -signal.SIGKILL
    payer = members.payers[-1]
    assert members.charges()[payer] == 1, "Stripe took the money, and we have forgotten"
    assert at_once(members.engine, decide(parked, who, approves=True)) == ["commerce.parked_invoice_decided"]
    with Session(members.engine) as session, session.begin():
        collection.collect_due(session, members.collector, NOON)
    assert members.charges()[payer] == 1
    with Session(members.engine) as session:
        assert session.scalars(select(Payment.amount_minor).where(Payment.amount_minor > 4900)).all() == [600_000]
        assert session.scalar(select(func.sum(LedgerLine.amount_minor))) == 0


def test_invoices_that_spend_one_wallet_at_once_spend_it_once(members: Members) -> None:
    """Four are paid by one account; there is enough for two of them and a part of a third."""
    payer_id = members.ids[0]
    members.card(members.payers[0], "pm_card_visa")
    with Session(members.engine) as session, session.begin():
        session.execute(update(Collection).values(payer_id=payer_id))
        gifts.give(
            session, customer_id=payer_id, currency="EUR", amount_minor=10_000, reason="Sorry", expires_at=None,
            actor_id=None, settings=WalletSettings(), now=NOON,
        )  # fmt: skip
        due = session.execute(select(Collection.invoice_id, Collection.customer_id)).tuples().all()

    def pays(invoice_id: UUID, customer_id: UUID) -> Callable[[Session], Any]:
        def deed(session: Session) -> None:
            customers.locked_customer(session, customer_id)
            collection.collect(session, members.collector, invoice_id, now=NOON)

        return deed

    at_once(members.engine, *[pays(*one) for one in due], *[pays(*one) for one in due[:2]])
    with Session(members.engine) as session:
        paid = select(Payment.provider, func.sum(Payment.amount_minor)).group_by(Payment.provider)
        assert dict(session.execute(paid).tuples().all()) == {"gift": 10_000, "stripe": 4900 * MEMBERS - 10_000}
        assert set(session.scalars(select(Invoice.status))) == {"paid"}
        assert session.scalars(select(Wallet.balance_minor)).all() == [0]
        owed = select(func.sum(LedgerLine.amount_minor)).where(LedgerLine.account == "wallets")
        assert session.scalar(owed) == 0
