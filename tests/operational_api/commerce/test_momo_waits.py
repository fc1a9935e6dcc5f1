"""MoMo's notifications over HTTP while PostgreSQL is busy: it waits 15 seconds for an answer, and gets one. What comes
before its time, is told otherwise, or was begun by a process that died, is booked once all the same, or found."""

import json
import multiprocessing
import os
import signal
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import Engine, create_engine, func, select, text
from sqlalchemy.orm import Session

from contracts.ids import new_id
from operational_api.commerce import handlers
from operational_api.commerce.models import (
    CheckoutSession,
    LedgerLine,
    Payment,
    Plan,
    PlanPrice,
    Refund,
    SessionPack,
)
from operational_api.commerce.providers import Providers
from operational_api.commerce.providers.momo import MomoProvider
from operational_api.commerce.service import checkout, notifications, refunds, settling
from operational_api.commerce.settings import MomoSettings
from operational_api.core.models import InboxMessage
from tests.conftest import sqlalchemy_url
from tests.factories import LONG_AGO, make_account, make_plan
from tests.fakes.momo.testing import LocalMomo, local_momo
from tests.fakes.stripe.testing import served

PATIENCE_MS = 400


@dataclass
class Till:
    """The API behind a real port, on a database of its own, with one order of ten sessions that was paid at MoMo."""

    url: str
    engine: Engine
    momo: LocalMomo
    provider: MomoProvider
    order_id: str

    def tell(self) -> int:
        """MoMo tells the result; what it is answered."""
        body = json.dumps(self.momo.notifications(self.order_id)[-1])
        return httpx.post(f"{self.url}/webhooks/momo", content=body, timeout=14).status_code

    def wait(self) -> None:
        """A message has been waiting for as long as its order may still become known."""
        with Session(self.engine) as session, session.begin():
            for message in session.scalars(select(InboxMessage)):
                message.received_at -= notifications.OPENED_WITHIN

    def found(self) -> list[tuple[str, str]]:
        with Session(self.engine) as session:
            rows = session.execute(text("select kind, subject from commerce.reconciliation_findings order by 1, 2"))
            return [(kind, subject) for kind, subject in rows]

    def follow(self, _: int = 0) -> None:
        """A worker of its own takes the stored notification up."""
        with Session(self.engine) as session, session.begin():
            message = session.scalars(select(InboxMessage).where(InboxMessage.source == "momo")).one()
            handlers.on_momo(session, message, Providers({"momo": self.provider}))


def buy(session: Session, provider: MomoProvider, customer_id: UUID | None = None) -> CheckoutSession:
    """Somebody presses "buy": a page is opened at MoMo, which nobody else knows of before the commit."""
    return checkout.begin_checkout(
        session, provider, customer_id=customer_id or make_account(session).id, display_name="Mai",
        plan_code=session.scalars(select(Plan.code)).one(), currency="VND", public_url="http://plyo.test",
        now=datetime.now(UTC),
    )  # fmt: skip


@pytest.fixture
def till(fresh_database: Callable[[], str], serve_app: Callable[[str], FastAPI]) -> Iterator[Till]:
    libpq_url = fresh_database()
    engine = create_engine(sqlalchemy_url(libpq_url), connect_args={"options": "-c timezone=UTC"})
    app = serve_app(libpq_url)
    with local_momo() as momo, served(app) as running:
        app.state.momo_settings = momo.settings()
        provider = MomoProvider(momo.settings())
        with Session(engine, expire_on_commit=False) as session, session.begin():
            plan = make_plan(session, price=None, kind="pack", sessions_included=10, validity_days=90)
            session.add(
                PlanPrice(
                    plan_id=plan.id, currency="VND", amount_minor=450_000, tax_rate_bp=800, valid_from=LONG_AGO
                )
            )  # fmt: skip
            session.flush()
            page = buy(session, provider)
        assert momo.pay(str(page.url)).status_code == 303
        yield Till(running.url, engine, momo, provider, str(page.provider_session_id))
    engine.dispose()


def test_is_taken_while_somebody_holds_the_customer_and_the_order(till: Till) -> None:
    with Session(till.engine) as other, other.begin():
        other.execute(text("select from commerce.customers for update"))
        other.execute(text("select from commerce.checkout_sessions for update"))
        assert till.tell() == 204


def test_is_answered_in_time_while_nothing_can_be_stored(till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    assert notifications.PATIENCE_MS < 15_000
    monkeypatch.setattr(notifications, "PATIENCE_MS", PATIENCE_MS)
    with Session(till.engine) as other, other.begin():
        other.execute(text("lock table platform.inbox_messages in access exclusive mode"))
        assert till.tell() == 503, "not taken, and said so: MoMo tells it again, and we ask"
    assert till.tell() == 204
    till.follow()
    with Session(till.engine) as session:
        assert session.scalars(select(Payment.status)).all() == ["captured"]


def test_workers_at_once_book_it_once(till: Till) -> None:
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(lambda _: till.tell(), range(4))) == {204}
        list(pool.map(till.follow, range(4)))
    with Session(till.engine) as session:
        assert session.scalars(select(Payment.amount_minor)).all() == [450_000]
        assert session.scalars(select(SessionPack.sessions_total)).all() == [10]
        assert session.scalars(select(CheckoutSession.status)).all() == ["complete"]
        assert session.scalar(select(func.sum(LedgerLine.amount_minor))) == 0
        assert session.scalar(select(func.count()).select_from(InboxMessage)) == 1


def test_an_order_of_nobody_is_taken_and_found_once(till: Till) -> None:
    [told] = till.momo.notifications(till.order_id)
    stranger = till.momo.signed({**told, "orderId": str(new_id())})
    for _ in range(2):
        assert httpx.post(f"{till.url}/webhooks/momo", content=json.dumps(stranger)).status_code == 204
    with pytest.raises(notifications.NotSettledYet):
        till.follow()
    till.wait()
    for _ in range(2):
        till.follow()
    assert till.found() == [("missing_at_us", stranger["orderId"])]
    with Session(till.engine) as session:
        assert session.scalars(select(Payment.id)).all() == []


def test_a_notice_that_comes_before_the_answer_to_the_order_is_heard_after_it(till: Till) -> None:
    with Session(till.engine) as buyer, buyer.begin():
        page = buy(buyer, till.provider)
        till.order_id = str(page.provider_session_id)
        assert till.momo.pay(str(page.url)).status_code == 303
        assert till.tell() == 204
        with pytest.raises(notifications.NotSettledYet):
            till.follow()
        assert till.found() == []
    till.follow()
    assert till.found() == []
    with Session(till.engine) as session:
        assert session.scalars(select(Payment.provider_payment_id)).all() == [till.order_id]


def test_a_notice_of_another_amount_is_found_and_credits_nothing(till: Till) -> None:
    [told] = till.momo.notifications(till.order_id)
    for _ in range(2):
        body = json.dumps(till.momo.signed({**told, "amount": told["amount"] - 1}))
        assert httpx.post(f"{till.url}/webhooks/momo", content=body).status_code == 204
        till.follow()
    assert till.found() == [("wrong_amount", till.order_id)]
    with Session(till.engine) as session, session.begin():
        assert session.scalars(select(Payment.id)).all() == []
        assert session.scalars(select(SessionPack.id)).all() == []
        assert session.scalars(select(LedgerLine.id)).all() == []
        settling.settle_due(session, Providers({"momo": till.provider}), now=datetime.now(UTC) + timedelta(hours=2))
    with Session(till.engine) as session:
        assert session.scalars(select(Payment.amount_minor)).all() == [450_000], "what MoMo itself says was paid"


@pytest.mark.parametrize("has_answered", [False, True])
def test_an_order_of_a_process_that_was_killed_is_opened_anew(till: Till, has_answered: bool) -> None:
    """Killed while MoMo is asked, or when it has answered and nothing is committed."""
    with Session(till.engine) as session, session.begin():
        buyer = make_account(session).id
    address = till.engine.url.render_as_string(hide_password=False)
    before = set(till.momo.store.orders)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        base = None if has_answered else f"http://127.0.0.1:{silent.getsockname()[1]}"
        made = multiprocessing.get_context("spawn").Process(
            target=dying, args=(address, till.momo.settings(api_base=base), f"buy {buyer}")
        )
        made.start()
        if not has_answered:
            silent.settimeout(60)
            silent.accept()[0].recv(1)
            os.kill(made.pid or 0, signal.SIGKILL)
        made.join()
    assert made.exitcode == -signal.SIGKILL
    lost = set(till.momo.store.orders) - before
    assert len(lost) == has_answered, "MoMo knows of it, and we have forgotten"
    with Session(till.engine, expire_on_commit=False) as session, session.begin():
        page = buy(session, till.provider, buyer)
    till.order_id = str(page.provider_session_id)
    assert till.order_id not in before | lost
    assert till.momo.pay(str(page.url)).status_code == 303
    assert till.tell() == 204
    till.follow()
    with Session(till.engine) as session:
        assert session.scalars(select(Payment.provider_payment_id)).all() == [till.order_id]
        assert session.scalars(select(SessionPack.sessions_total)).all() == [10]
        assert session.scalar(select(func.sum(LedgerLine.amount_minor))) == 0
    assert till.found() == []


def dying(database_url: str, settings: MomoSettings, deed: str) -> None:
    """A process of its own that is killed once MoMo has answered and before anything of it is committed."""
    provider = MomoProvider(settings)
    with Session(create_engine(database_url, connect_args={"options": "-c timezone=UTC"})) as session:
        if deed == "follow":
            message = session.scalars(select(InboxMessage).where(InboxMessage.source == "momo")).one()
            handlers.on_momo(session, message, Providers({"momo": provider}))
        elif deed.startswith("buy "):
            buy(session, provider, UUID(deed.removeprefix("buy ")))
        else:
            give_back(session, provider)
        session.flush()
        os.kill(os.getpid(), signal.SIGKILL)


def give_back(session: Session, provider: MomoProvider) -> None:
    paid = session.scalars(select(Payment.id)).one()
    refunds.refund_payment(
        session, provider, payment_id=paid, amount_minor=150_000, reason="Ill", now=datetime.now(UTC)
    )


def test_what_a_killed_process_had_begun_is_done_once(till: Till) -> None:
    def killed(deed: str) -> None:
        address = till.engine.url.render_as_string(hide_password=False)
        made = multiprocessing.get_context("spawn").Process(target=dying, args=(address, till.momo.settings(), deed))
        made.start()
        made.join()
        assert made.exitcode == -signal.SIGKILL

    def given_back() -> int:
        return sum(one.amount for one in till.momo.store.orders[till.order_id].refunds if one.code == 0)

    assert till.tell() == 204
    killed("follow")
    with Session(till.engine) as session:
        assert session.scalars(select(Payment.id)).all() == []
    till.follow()
    killed("refund")
    assert given_back() == 150_000, "MoMo gave it back, and we have forgotten"
    with Session(till.engine) as session, session.begin():
        assert session.scalars(select(Refund.id)).all() == []
        give_back(session, till.provider)
    with Session(till.engine) as session, session.begin():
        settling.settle_due(session, Providers({"momo": till.provider}), now=datetime.now(UTC) + timedelta(hours=2))
    assert till.tell() == 204
    till.follow()
    assert given_back() == 150_000
    with Session(till.engine) as session:
        assert session.execute(select(Refund.amount_minor, Refund.status)).all() == [(150_000, "succeeded")]
        assert session.scalars(select(Payment.amount_minor)).all() == [450_000]
        assert session.scalar(select(func.sum(LedgerLine.amount_minor))) == 0
