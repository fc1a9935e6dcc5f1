"""What people read of their wallet: gifts, when those run out, and invoices that it paid."""

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from contracts.events.registry import parse
from operational_api.commerce.models import WalletCredit
from operational_api.commerce.service import gifts
from operational_api.core.models import OutboxEvent
from operational_api.engagement.channels.rendering import render
from operational_api.engagement.handlers import HANDLERS
from operational_api.engagement.models import OutgoingMessage
from tests.operational_api.commerce.billing.conftest import Desk, Studio
from tests.operational_api.commerce.billing.test_wallets import Purse

WEEK = timedelta(days=7)


@pytest.fixture
def purse(studio: Studio) -> Purse:
    """Of now: letters about what is long ago are not written."""
    studio.now = datetime.now(UTC)
    return Purse(studio, Desk())


def letters(session: Session, *templates: str) -> list[OutgoingMessage]:
    """What engagement writes on all that was announced, each told twice as after a crash."""
    for row in session.scalars(select(OutboxEvent).order_by(OutboxEvent.position)).all():
        event = parse(
            event_type=row.type, version=row.version, event_id=row.event_id, occurred_at=row.occurred_at,
            payload=row.payload,
        )  # fmt: skip
        for handle in HANDLERS.get(row.type, []) * 2:
            handle(session, event)
    session.flush()
    wanted = select(OutgoingMessage).where(OutgoingMessage.template.in_(templates)).order_by(OutgoingMessage.id)
    return list(session.scalars(wanted))


class TestGift:
    def test_is_told_with_its_reason_and_its_last_day(self, purse: Purse) -> None:
        purse.give(2000)
        lasts = purse.give(500)
        lasts_until = datetime(2030, 3, 1, tzinfo=UTC)
        purse.session.flush()
        told = letters(purse.session, "gift_given")
        assert [(one.purpose, one.channel) for one in told] == [("transactional", "email")] * 2
        mails = [render(one.template, one.context, public_url="http://plyo") for one in told]
        assert [mail.subject for mail in mails] == ["A gift for you: €20.00", "A gift for you: €5.00"]
        assert "Sorry for the cold shower" in mails[0].text
        assert "until" not in mails[0].text
        context = told[0].context | {"last_at": (lasts_until - timedelta(seconds=1)).isoformat()}
        for zone, language, day in (
            ("Europe/London", "en", "Thursday 28 February 2030"), ("Asia/Ho_Chi_Minh", "vi", "Thứ Sáu 1/3/2030"),
        ):  # fmt: skip
            shown = context | {"time_zone": zone}
            assert day in render("gift_given", shown, public_url="http://plyo", language=language).text
        assert lasts.expires_at is None

    def test_that_runs_out_is_told_once_a_week_before_where_something_is_left(self, purse: Purse) -> None:
        studio, session = purse.studio, purse.session
        told = purse.give(2000, days=20)
        used, short = purse.give(1000, days=19), purse.give(700, days=7.5)
        studio.start(studio.plan("Small", 1700))
        studio.collect()
        assert (used.left_minor, short.left_minor, told.left_minor) == (0, 0, 2000)
        short = purse.give(700, days=7.5)
        assert gifts.tell_of_ends(session, studio.now) == 0
        studio.now += timedelta(days=20) - WEEK - timedelta(hours=1)
        assert gifts.tell_of_ends(session, studio.now) == 0
        studio.now += timedelta(hours=1)
        assert [gifts.tell_of_ends(session, studio.now) for _ in range(2)] == [1, 0]
        [word] = letters(session, "gift_ends")
        assert (word.purpose, word.context["amount_minor"], word.expires_at) == ("reminders", 2000, told.expires_at)
        assert told.expires_at is not None
        last = date.fromisoformat(word.context["last_at"][:10])
        assert f"{last.day} {last:%B}" in render(word.template, word.context, public_url="http://plyo").subject
        assert session.scalars(select(WalletCredit.end_told_at).where(WalletCredit.id == short.id)).one() is None


class TestReceipt:
    def test_of_a_card_says_what_the_wallet_paid_of_it(self, purse: Purse) -> None:
        purse.give(2000)
        purse.top_up(1000)
        purse.studio.start(purse.studio.plan("Bronze", 5000))
        purse.studio.collect()
        first, word = letters(purse.session, "payment_receipt")
        assert "wallet_minor" not in first.context  # the top-up's own
        mail = render(word.template, word.context, public_url="http://plyo")
        assert (mail.subject, word.context["wallet_minor"]) == ("Receipt: €50.00", 3000)
        assert "We received your payment of €20.00. €30.00 more came out of your wallet." in mail.text

    def test_of_what_the_wallet_paid_alone_is_one_also_where_a_gift_and_money_did(self, purse: Purse) -> None:
        purse.give(2000)
        purse.top_up(9000)
        purse.studio.start(purse.studio.plan("Bronze", 5000))
        purse.studio.collect()
        assert purse.paid() == [("gift", 2000), ("wallet", 3000)]
        _, word = letters(purse.session, "payment_receipt")
        mail = render(word.template, word.context, public_url="http://plyo", language="vi")
        assert mail.subject == "Biên nhận: 50,00 €"
        assert "được trừ vào ví của bạn" in mail.text
        shown = render(word.template, word.context, public_url="http://plyo")
        assert "€50.00 came out of your wallet." in shown.text
        assert "received" not in shown.text
