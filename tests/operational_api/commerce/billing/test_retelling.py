"""The daily look at whether money's tables are what its events tell: it finds what was changed by hand, and no more."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from contracts.events.commerce import PaymentRefunded, SubscriptionStarted
from contracts.ids import new_id
from operational_api.commerce.billing.service import crediting
from operational_api.commerce.models import Retelling
from operational_api.commerce.retelling import retell
from operational_api.commerce.service import retellings
from operational_api.core.outbox import publish
from tests.factories import make_account
from tests.operational_api.commerce.billing.conftest import NOON, Studio
from tests.operational_api.conftest import SignIn

DAY = timedelta(days=1)


@pytest.fixture
def lived(studio: Studio) -> Studio:
    """A month that was paid, one with a failed attempt and a credit, one that is overdue; and another that ended."""
    studio.start(studio.plan("Small", 5000))
    studio.collect()
    studio.wait(days=31)
    crediting.credit_open(
        studio.session, invoice_id=studio.invoices[-1].id, amount_minor=1000, reason="x", actor_id=None, now=studio.now
    )
    studio.collect("insufficient_funds")
    studio.wait(days=2)
    studio.collect()
    studio.wait(days=31)
    studio.collect("insufficient_funds")
    return studio


def told(session: Session) -> list[tuple[str, str]]:
    return [(one.about, one.what) for one in retell(session).differences]


CHANGES = {
    "update commerce.payments set amount_minor = 4999 where status = 'captured' and attempt = 1": [
        ("payment", "is not in the ledger with its amount"), ("payment", "was told with another amount"),
    ],
    "update commerce.payments set status = 'captured', captured_at = now() where status = 'failed'": [
        ("payment", "is captured, and no event told it"), ("payment", "is not in the ledger with its amount"),
        ("payment", "was told as failed, and did not"),
    ],
    "update commerce.payments set status = 'unknown', captured_at = null where status = 'captured' and attempt = 1": [
        ("payment", "was told as captured, and is not"),
    ],
    "update commerce.invoices set status = 'paid', paid_at = now() where status = 'open'": [
        ("invoice", "is paid, and was told as open"),
    ],
    "update commerce.invoices set status = 'void', paid_at = null where status = 'paid' and total_minor = 5000 "
    "and id = (select min(id::text)::uuid from commerce.invoices)": [("invoice", "is void, and was told as paid")],
    "update commerce.subscriptions set status = 'active'": [("membership", "is active, and was told as past_due")],
    "update commerce.subscriptions set cancel_at = now()": [
        ("membership", "was told to end or to go on, and does not"),
    ],
    "insert into commerce.subscription_changes select gen_random_uuid(), subscription_id, customer_id, plan_id, "
    "'price_changed', 1, 2, currency, now() from commerce.subscription_changes limit 1": [
        ("membership", "is worth something else a month than was told"),
    ],
    "delete from commerce.collections; delete from commerce.payments where status = 'failed' and attempt = 1": [
        ("payment", "was told as failed, and did not"),
    ],
}  # fmt: skip


class TestRetell:
    def test_a_life_is_as_it_was_told(self, lived: Studio, session: Session) -> None:
        assert [one.status for one in lived.invoices] == ["paid", "paid", "open"]
        found = retell(session)
        assert (found.differences, found.compared) == ([], 8)  # four payments, three invoices, a membership

    def test_an_end_is_as_it_was_told(self, lived: Studio, session: Session) -> None:
        for _ in range(4):
            lived.wait(days=7)
            lived.collect(*["insufficient_funds"] * 4)
        assert lived.member.status == "cancelled"
        assert told(session) == []

    @pytest.mark.parametrize("change", CHANGES)
    def test_finds_what_was_changed_by_hand(self, lived: Studio, session: Session, change: str) -> None:
        for one in change.split("; "):
            session.execute(text(one))
        assert set(told(session)) == set(CHANGES[change])

    def test_finds_what_was_told_and_is_not_there(self, session: Session) -> None:
        common: dict[str, Any] = {"occurred_at": NOON, "customer_id": new_id(), "amount_minor": 1, "currency": "EUR"}
        publish(session, PaymentRefunded(**common, payment_id=new_id(), refund_id=new_id()))
        publish(session, SubscriptionStarted(**common, subscription_id=new_id(), plan_id=new_id()))
        session.flush()
        assert told(session) == [
            ("membership", "was told, and is not there"), ("refund", "was told as given back, and was not"),
        ]  # fmt: skip


class TestLook:
    def test_is_taken_once_a_day_and_when_somebody_asks(self, lived: Studio, session: Session) -> None:
        for minutes in (0, 1, 1439):
            retellings.look_daily(session, NOON + timedelta(minutes=minutes))
            retellings.look_when_asked(session, NOON + timedelta(minutes=minutes))
        assert session.scalars(select(Retelling.finished_at)).all() == [NOON]
        retellings.look_daily(session, NOON + DAY)
        for _ in range(2):
            retellings.ask(session, actor_id=new_id(), now=NOON + DAY + timedelta(minutes=5))
        retellings.look_daily(session, NOON + DAY + timedelta(minutes=6))
        assert len(session.scalars(select(Retelling.finished_at).where(Retelling.finished_at.is_not(None))).all()) == 2
        retellings.look_when_asked(session, NOON + DAY + timedelta(minutes=6))
        rows = retellings.latest(session, limit=9)
        assert [one.finished_at for one in rows] == [NOON + DAY + timedelta(minutes=6), NOON + DAY, NOON]
        assert {(one.compared, one.difference_count) for one in rows} == {(8, 0)}

    def test_is_shown_to_admins_beside_the_seals(self, lived: Studio, session: Session, sign_in: SignIn) -> None:
        ada = sign_in(make_account(session, role="admin"))
        assert "Not looked at yet" in ada.get("/staff/evidence").text
        ada.post("/staff/evidence")
        assert "Being looked at" in ada.get("/staff/evidence").text
        retellings.look_when_asked(session, lived.now)
        assert "As the events tell" in ada.get("/staff/evidence").text
        session.execute(text("update commerce.invoices set status = 'paid' where status = 'open'"))
        ada.post("/staff/evidence")
        retellings.look_when_asked(session, lived.now)
        page = ada.get("/staff/evidence").text
        assert "1 difference" in page
        assert "The invoice is paid, and was told as open" in page
