"""Wallets of people who closed their accounts: given back, or settled by a person where no bank takes it back."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from operational_api.commerce.billing.errors import NotSettledSo, NotWaiting, OwnMoney
from operational_api.commerce.billing.service import emptying, stuck_top_ups, waiting
from operational_api.commerce.models import Dispute, Payment
from operational_api.core.principal import Principal
from operational_api.identity.models import Account
from tests.operational_api.commerce.billing.conftest import Desk, Studio
from tests.operational_api.commerce.billing.test_wallets import Purse

DAY = timedelta(days=1)


@pytest.fixture
def purse(studio: Studio) -> Purse:
    return Purse(studio, Desk())


class TestClosedWallet:
    def test_who_closed_their_account_gets_back_what_they_paid_in(self, purse: Purse) -> None:
        studio = purse.studio
        purse.top_up(6000)
        purse.give(2000)
        assert emptying.give_back_due(studio.session, {"stripe": purse.desk}, studio.now) == 0
        studio.session.get_one(Account, studio.customer_id).disabled_at = studio.now
        studio.session.flush()
        for _ in range(2):
            emptying.give_back_due(studio.session, {"stripe": purse.desk}, studio.now)
        assert ([one.amount_minor for one in purse.desk.refunds.values()], purse.has()) == ([6000], (2000, 2000, 0))
        purse.check()

    def test_what_a_bank_refuses_waits_for_a_person_and_is_asked_for_once_more(self, purse: Purse) -> None:
        paid = purse.is_refused(6000)
        assert purse.waits == [(paid, -6000, "refused", ("again", "paid_outside", "written_off"))]
        assert (waiting.count(purse.session, purse.studio.now), purse.has()) == (1, (6000, 0, 0))
        providers = {"stripe": purse.desk}
        for is_shut in (True, False):
            purse.desk.is_shut = is_shut
            assert stuck_top_ups.try_again(
                purse.session, providers, credit_id=paid, principal=purse.finance, now=purse.studio.now
            ) is not is_shut  # fmt: skip
        assert ([one.amount_minor for one in purse.desk.refunds.values()], purse.has()) == ([6000], (0, 0, 0))
        assert purse.waits == []
        with pytest.raises(NotWaiting):
            stuck_top_ups.try_again(
                purse.session, providers, credit_id=paid, principal=purse.finance, now=purse.studio.now
            )
        purse.check()

    @pytest.mark.parametrize(("how", "account"), [
        ("paid_outside", "bank_balance"), ("written_off", "wallet_breakage"),
    ])  # fmt: skip
    def test_what_a_bank_refuses_is_settled_by_hand_once(self, purse: Purse, how: str, account: str) -> None:
        paid, now = purse.is_refused(6000), purse.studio.now
        with pytest.raises(NotSettledSo):
            purse.settle(paid, "waived")
        purse.settle(paid, how)
        with pytest.raises(NotWaiting):
            purse.settle(paid, how)
        assert (purse.has(), purse.studio.balances()[account], purse.waits) == ((0, 0, 0), -6000, [])
        [done] = stuck_top_ups.settled(purse.session, since=now - DAY, limit=9)
        assert (done.kind, done.amount_minor, done.reason, done.made_by) == (
            how, -6000, "By cheque", purse.finance.account_id,
        )  # fmt: skip
        purse.check()
        if how == "paid_outside":
            with pytest.raises(NotWaiting):
                stuck_top_ups.undo(purse.session, credit_id=paid, principal=purse.finance, now=now)
            return
        for _ in range(2):
            stuck_top_ups.undo(purse.session, credit_id=paid, principal=purse.finance, now=now)
            assert (purse.studio.balances().get(account, 0), len(purse.waits)) == (0, 1)
            assert stuck_top_ups.settled(purse.session, since=now - DAY, limit=9) == []
            purse.studio.now = now = now + DAY
            purse.settle(paid, how)
        told = [one["settled_as"] for one in purse.studio.told("commerce.wallet_credit_settled")]
        assert told == [how, None, how, None, how]
        purse.check()

    def test_what_is_contested_waits_too_and_no_bank_is_asked(self, purse: Purse) -> None:
        paid = purse.is_refused(6000)
        payment = purse.session.scalars(select(Payment)).one()
        purse.session.add(Dispute(
            payment_id=payment.id, customer_id=payment.customer_id, amount_minor=2000, currency="EUR",
            reason="fraudulent", status="lost", opened_at=purse.studio.now,
        ))  # fmt: skip
        purse.session.flush()
        assert purse.waits == [(paid, -6000, "contested", ("paid_outside", "written_off"))]
        with pytest.raises(NotWaiting):
            stuck_top_ups.try_again(
                purse.session, {"stripe": purse.desk}, credit_id=paid, principal=purse.finance, now=purse.studio.now
            )

    def test_nobody_decides_about_their_own(self, purse: Purse) -> None:
        paid = purse.is_refused(6000)
        with pytest.raises(OwnMoney):
            stuck_top_ups.settle(
                purse.session, credit_id=paid, how="written_off", reason="Mine",
                principal=Principal("finance", "tests", purse.studio.customer_id), now=purse.studio.now,
            )  # fmt: skip
