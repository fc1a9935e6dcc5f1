"""Messages of providers in every order, any number of times: the same rows in the end, and in every state between.

Not each of the 720 orders of six messages is run from its beginning: what was heard is a set. `Heard` walks all 64 sets
and, from each, all messages that may come next. Every way into a set must have led to the same rows, and hearing
anything of it again must change none. So all orders agree, by induction over their length, with all repeats among them.

Two workers hear them at once, too, in real transactions and with days between: the six messages pair up in five ways of
three pairs, among which is each of the fifteen pairs.
"""

import random
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import cache
from threading import Barrier
from typing import Any, cast

import pytest
from sqlalchemy import create_engine, func, select
from sqlalchemy.orm import Session

from operational_api.commerce import handlers
from operational_api.commerce.models import (
    CheckoutSession,
    Customer,
    Dispute,
    Invoice,
    LedgerLine,
    Payment,
    Plan,
    PlanPrice,
    ReconciliationFinding,
    Refund,
    SessionPack,
)
from operational_api.commerce.providers.port import PaymentProvider
from operational_api.commerce.service import webhooks
from operational_api.core.models import InboxMessage
from tests.conftest import sqlalchemy_url
from tests.fakes.momo.testing import local_momo
from tests.fakes.wire import Wire
from tests.operational_api.commerce.conftest import Shop
from tests.operational_api.commerce.test_port import Desk, MomoTill

Message = dict[str, Any]


class Remembering:
    """A provider whose life has ended: each question is asked over the wire once, and answered alike from then on."""

    def __init__(self, provider: PaymentProvider) -> None:
        self._provider = provider

    @property
    def billing(self) -> Any:
        return self if self._provider.billing is not None else None

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._provider, name)
        kept = cache(found) if callable(found) else found
        setattr(self, name, kept)
        return kept


class Heard:
    """Walks every set of messages. `reached` holds the rows that each set led to."""

    def __init__(
        self, session: Any, messages: Sequence[Message], deliver: Callable[[Message], None], rows: Callable[[], Any]
    ) -> None:
        self.session, self.messages, self.deliver, self.rows = session, messages, deliver, rows
        self.reached: dict[frozenset[int], Any] = {}
        self.ways = 0

    def walk(self, heard: frozenset[int] = frozenset()) -> None:
        """From a set, all ways on; the transaction is as it was afterwards."""
        self.reached[heard] = self.rows()
        for number in sorted(heard):
            self.deliver(self.messages[number])
        assert self.rows() == self.reached[heard], f"hearing {sorted(heard)} again changed something"
        for number in range(len(self.messages)):
            more = heard | {number}
            if number in heard:
                continue
            with self.session.begin_nested() as savepoint:
                self.ways += 1
                self.deliver(self.messages[number])
                if more in self.reached:
                    assert self.rows() == self.reached[more], f"{number} after {sorted(heard)} led elsewhere"
                else:
                    self.walk(more)
                savepoint.rollback()


class TestStripe:
    @pytest.fixture
    def lived(self, own_shop: Shop) -> tuple[Shop, list[Message]]:
        """A start, a renewal that failed and was paid then, a refund, a dispute: of all this we have heard nothing."""
        shop = own_shop
        page = shop.open(shop.plan(price=9900))
        shop.stripe.pay(str(page.url))
        client = shop.stripe.client()
        customer = str(client.v1.checkout.sessions.retrieve(str(page.provider_session_id)).customer)
        [first] = shop.stripe.store.all("charge")
        client.v1.refunds.create({"charge": first["id"], "amount": 3333})
        self.replace_card(shop, customer, "4000000000000341")
        shop.stripe.advance(days=31)
        self.replace_card(shop, customer, "4242424242424242")
        shop.stripe.advance(days=6)
        paid = [one for one in shop.stripe.store.all("charge") if one["paid"]]
        shop.stripe.dispute(paid[-1]["id"])
        kinds = (
            "customer.subscription.created", "invoice.paid", "invoice.payment_failed", "charge.refunded",
            "charge.dispute.created",
        )  # fmt: skip
        messages = shop.events(*kinds)
        shop.provider = cast("Any", Remembering(shop.provider))
        return shop, messages

    @staticmethod
    def replace_card(shop: Shop, customer: str, number: str) -> None:
        client = shop.stripe.client()
        card = client.v1.payment_methods.create(
            {"type": "card", "card": {"number": number, "exp_month": 12, "exp_year": 2034, "cvc": "123"}}
        )
        client.v1.payment_methods.attach(card.id, {"customer": customer})
        for one in client.v1.subscriptions.list({"customer": customer}).data:
            client.v1.subscriptions.update(one.id, {"default_payment_method": card.id})

    def test_every_order_of_a_life_ends_the_same(self, lived: tuple[Shop, list[Message]]) -> None:
        shop, messages = lived
        assert len(messages) == 6, [one["type"] for one in messages]
        heard = Heard(shop.session, messages, lambda one: shop.deliver([one]), shop.state)
        heard.walk()
        assert (len(heard.reached), heard.ways) == (64, 192)
        rng = random.Random(7)
        for _ in range(3):  # and from the beginning, each up to five times
            order = [one for one in messages for _ in range(rng.randint(1, 5))]
            rng.shuffle(order)
            with shop.session.begin_nested() as savepoint:
                shop.deliver(order)
                assert shop.state() == heard.reached[frozenset(range(6))]
                assert [one.status for one in shop.all(Invoice)] == ["paid", "paid"]
                assert sorted(one.status for one in shop.all(Payment)) == ["captured", "captured", "failed"]
                assert (len(shop.all(Refund)), len(shop.all(Dispute))) == (1, 1)
                movements = shop.stripe.store.all("balance_transaction")
                assert shop.balances()["stripe_balance"] == sum(one["net"] for one in movements)
                savepoint.rollback()

    def test_two_workers_at_once_and_days_between_end_the_same(
        self, lived: tuple[Shop, list[Message]], fresh_database: Callable[[], str]
    ) -> None:
        shop, messages = lived
        kept = [row for model in (Plan, PlanPrice, Customer, CheckoutSession) for row in shop.session.query(model)]
        shop.session.expunge_all()
        # A round robin: one stays, the others turn, and who stands opposite is met.
        turns = [[5, *(([0, 1, 2, 3, 4] * 2)[turn : turn + 5])] for turn in range(5)]
        rounds = [[(one[at], one[5 - at]) for at in range(3)] for one in turns]
        assert len({frozenset(pair) for one in rounds for pair in one}) == 15
        rng, ends = random.Random(11), []
        for way in [*rounds, [(number, number) for number in range(6)]]:  # the last: each by both
            engine = create_engine(sqlalchemy_url(fresh_database()), connect_args={"options": "-c timezone=UTC"})
            with Session(engine) as session, session.begin():
                for row in kept:
                    session.merge(row)
            now = datetime.now(UTC)
            for pair in rng.sample(way, len(way)):
                now += timedelta(days=rng.randint(1, 9))
                both = Barrier(2)

                def hear(number: int, now: datetime = now, both: Barrier = both, engine: Any = engine) -> None:
                    event = messages[number]
                    message = InboxMessage(source="stripe", message_id=event["id"], kind=event["type"], payload=event)
                    with Session(engine) as session, session.begin():
                        both.wait(10)
                        webhooks.follow_up(session, shop.provider, message, now=now)

                with ThreadPoolExecutor(2) as pool:
                    list(pool.map(hear, pair))
            with Session(engine) as session:
                ends.append(Shop(session, shop.stripe, shop.provider, shop.customer_id).state())
                assert session.scalar(select(func.sum(LedgerLine.amount_minor))) == 0
            engine.dispose()
        assert all(one == ends[0] for one in ends)
        with shop.session.begin_nested() as savepoint:
            shop.deliver(messages)
            assert shop.state() == ends[0]
            savepoint.rollback()


class TestMomo:
    def test_every_order_of_what_momo_tells_ends_the_same(self, session: Any) -> None:
        with local_momo() as momo:
            desk = Desk(session, MomoTill(momo, Wire(momo.url)))
            page, other = desk.open(), self.second_page(desk)
            for code in (7002, 0):
                momo.pay(str(page.url), code)
            momo.pay(str(other.url), 1006)
            told = momo.notifications(str(page.id)) + momo.notifications(str(other.id))
            paid = told[1]
            told.append(momo.signed({**paid, "orderId": "nobodys"}))
            told.append(momo.signed({**paid, "amount": 1000, "orderId": str(other.id)}))
            desk.till.provider.refund(str(page.id), amount_minor=50_000, reason="Ill", key="k")
            provider = cast("Any", Remembering(desk.till.provider))
            desk.providers = type(desk.providers)({"momo": provider})

            def deliver(one: Message) -> None:
                message = InboxMessage(source="momo", message_id=one["signature"], kind="result", payload=one)
                handlers.on_momo(session, message, desk.providers)

            def rows() -> Any:
                findings = session.query(ReconciliationFinding).all()
                return (
                    sorted((one.status, one.amount_minor) for one in desk.all(Payment)),
                    sorted((one.status, one.amount_minor) for one in desk.all(Refund)),
                    desk.held(),
                    [(one.status, one.completed_at is None) for one in desk.all(CheckoutSession)],
                    [(one.sessions_total, one.sessions_used) for one in desk.all(SessionPack)],
                    sorted((one.kind, one.subject) for one in findings),
                )

            heard = Heard(session, told, deliver, rows)
            heard.walk()
            assert (len(told), len(heard.reached)) == (5, 32)
            assert heard.reached[frozenset(range(5))][0] == [("captured", 450_000)]

    @staticmethod
    def second_page(desk: Desk) -> CheckoutSession:
        other = Desk(desk.session, desk.till)
        other.customer_id = desk.customer_id
        return other.open()
