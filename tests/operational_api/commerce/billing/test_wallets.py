"""Wallets: gifts and top-ups that pay invoices before the card, and what becomes of them afterwards."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, cast
from uuid import UUID

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from contracts.ids import new_id
from operational_api.commerce import ledger, retelling
from operational_api.commerce.billing.models import BillingItem, CreditNote
from operational_api.commerce.billing.proration import Item
from operational_api.commerce.billing.service import (
    collection,
    crediting,
    emptying,
    fees,
    giving_back,
    invoicing,
    memberships,
    parking,
    plan_changes,
    sales,
    stuck_top_ups,
    waiting,
)
from operational_api.commerce.errors import GiftNotAllowed, PaymentNotRefundable, RefundTooLarge, WalletFull
from operational_api.commerce.models import (
    Customer,
    Dispute,
    Invoice,
    LedgerLine,
    Payment,
    Refund,
    Wallet,
    WalletCredit,
    WalletMovement,
)
from operational_api.commerce.providers.kept_money import KEPT_MONEY
from operational_api.commerce.providers.port import Billing
from operational_api.commerce.service import captures, disputes, gifts, refunds, wallets
from operational_api.commerce.settings import WalletSettings
from operational_api.core.principal import Principal
from operational_api.identity.models import Account
from tests.operational_api.commerce.billing.conftest import Desk, Studio

DAY = timedelta(days=1)


@dataclass
class Purse:
    """A studio, and what happens to its customer's wallet."""

    studio: Studio
    desk: Desk
    finance: Principal = field(default_factory=lambda: Principal("finance", "tests", new_id()))

    @property
    def session(self) -> Session:
        return self.studio.session

    def give(self, amount: int, *, days: float | None = None, owner: UUID | None = None) -> WalletCredit:
        until = self.studio.now + timedelta(days=days) if days is not None else None
        return gifts.give(
            self.session, customer_id=owner or self.studio.customer_id, currency="EUR", amount_minor=amount,
            reason="Sorry for the cold shower", expires_at=until, actor_id=new_id(), settings=WalletSettings(),
            now=self.studio.now,
        )  # fmt: skip

    def top_up(self, amount: int) -> Payment:
        """As the payment page's invoice leaves it; the page itself is in `test_top_ups`."""
        invoice = Invoice(
            number=f"T-{new_id()}", customer_id=self.studio.customer_id, status="open", currency="EUR",
            subtotal_minor=amount, tax_minor=0, total_minor=amount, issued_at=self.studio.now, due_at=self.studio.now,
        )  # fmt: skip
        self.session.add(invoice)
        self.session.flush()
        lines = ledger.invoice_issued(subtotal_minor=amount, tax_minor=0, revenue=ledger.WALLET_TOP_UPS)
        invoicing.post(self.session, invoice, "invoice_issued", lines, self.studio.now)
        payment = Payment(
            invoice_id=invoice.id, customer_id=invoice.customer_id, provider="stripe", status="captured",
            provider_payment_id=f"pi_{new_id().hex}", amount_minor=amount, currency="EUR",
            attempted_at=self.studio.now, captured_at=self.studio.now,
        )  # fmt: skip
        self.session.add(payment)
        self.session.flush()
        captures.announce(self.session, payment, at=self.studio.now)
        invoice.status, invoice.paid_at = "paid", self.studio.now
        for _ in range(2):  # the return and the webhook
            wallets.top_up(self.session, customer_id=invoice.customer_id, invoice=invoice, now=self.studio.now)
        return payment

    def refund(self, payment: Payment, amount: int | None = None, asked_as: str | None = None) -> Refund:
        return refunds.refund_payment(
            self.session, KEPT_MONEY.get(payment.provider, self.desk), payment_id=payment.id, amount_minor=amount,
            reason="Moved away", asked_as=asked_as, now=self.studio.now,
        )  # fmt: skip

    def is_refused(self, amount: int) -> UUID:
        """A top-up of an account that was closed, which the bank does not take back."""
        self.top_up(amount)
        self.session.get_one(Account, self.studio.customer_id).disabled_at = self.studio.now
        self.session.flush()
        self.desk.is_shut = True
        for _ in range(2):
            emptying.give_back_due(self.session, {"stripe": self.desk}, self.studio.now)
        assert [one.status for one in self.studio.all(Refund)] == ["failed"]
        return self.session.scalars(select(WalletCredit.id)).one()

    @property
    def waits(self) -> list[tuple[UUID, int, str, tuple[str, ...]]]:
        found = waiting.items(self.session, self.studio.now)
        return [(one.item_id, one.amount_minor, one.reason, one.ways) for one in found]

    def settle(self, credit_id: UUID, how: str) -> None:
        stuck_top_ups.settle(
            self.session, credit_id=credit_id, how=how, reason="By cheque", principal=self.finance,
            now=self.studio.now,
        )  # fmt: skip

    def has(self, owner: UUID | None = None) -> tuple[int, int, int]:
        """What can be spent, what of it was given, and what is held."""
        [one] = wallets.standing(self.session, owner or self.studio.customer_id, self.studio.now) or [
            wallets.Standing("EUR", 0, 0, 0, None)
        ]
        return one.spendable_minor, one.gift_minor, one.held_minor

    def paid(self) -> list[tuple[str, int]]:
        """What was captured of the studio's own invoices, in order."""
        query = (
            select(Payment.provider, Payment.amount_minor)
            .join(Invoice)
            .where(Invoice.series.is_not(None), Payment.status == "captured")
            .order_by(Payment.id)
        )
        return list(self.session.execute(query).tuples())

    def check(self) -> None:
        """Every wallet is what the ledger says, what its credits have left and what its movements come to."""
        self.session.flush()
        for wallet in self.session.scalars(select(Wallet)):
            left = select(func.sum(WalletCredit.left_minor)).where(WalletCredit.wallet_id == wallet.id)
            moved = select(func.sum(WalletMovement.amount_minor)).where(
                WalletMovement.customer_id == wallet.customer_id
            )
            owed = select(-func.sum(LedgerLine.amount_minor)).where(
                LedgerLine.account == ledger.WALLETS, LedgerLine.customer_id == wallet.customer_id
            )
            assert {self.session.scalar(one) for one in (left, moved, owed)} == {wallet.balance_minor}
        assert sum(self.studio.balances().values()) == 0
        assert retelling.retell(self.session).differences == []
        customers = list(self.session.scalars(select(Customer.id)))
        assert set(parking.off_minor(self.session, customers).values()) <= {0}


def late(studio: Studio, booking_id: UUID) -> None:
    """A late cancellation, which costs 15.00."""
    fees.charge(
        studio.session, booking_id=booking_id, customer_id=studio.customer_id, amount_minor=1500, currency="EUR",
        starts_at=studio.now, now=studio.now,
    )  # fmt: skip


@pytest.fixture
def purse(studio: Studio) -> Purse:
    return Purse(studio, Desk())


class TestSpending:
    def test_gifts_are_used_first_then_what_was_paid_then_the_card(self, purse: Purse) -> None:
        """Of gifts the one that runs out first; all three in one round, each as a payment of its own."""
        studio = purse.studio
        purse.top_up(3000)
        purse.give(500)
        soon = purse.give(700, days=3)
        studio.start(studio.plan("Gold", 10_000))
        studio.collect()
        assert purse.paid() == [("gift", 1200), ("wallet", 3000), ("stripe", 5800)]
        assert studio.invoices[-1].status == "paid"
        assert (purse.has(), soon.left_minor) == ((0, 0, 0), 0)
        balances = studio.balances()
        assert (balances.get("wallets", 0), balances.get("receivable", 0), balances["wallet_gifts"]) == (0, 0, 1200)
        assert studio.told("commerce.wallet_spent")[0]["gift_minor"] == 1200
        purse.check()

    def test_of_gifts_the_one_that_runs_out_first(self, purse: Purse) -> None:
        lasting, soon = purse.give(5000), purse.give(4000, days=10)
        sooner = purse.give(4000, days=2)
        purse.studio.start(purse.studio.plan("Bronze", 5000))
        purse.studio.collect()
        assert (sooner.left_minor, soon.left_minor, lasting.left_minor) == (0, 3000, 5000)
        assert purse.studio.bank.captured == 0
        purse.check()

    def test_a_card_is_asked_for_nothing_it_cannot_be_charged(self, purse: Purse) -> None:
        purse.give(4980)
        purse.studio.start(purse.studio.plan("Bronze", 5000))
        purse.studio.collect()
        assert purse.paid() == [("gift", 4950), ("stripe", 50)]
        assert purse.has() == (30, 30, 0)

    def test_what_failed_stays_open_for_the_rest_alone_and_a_gift_later_pays_it(self, purse: Purse) -> None:
        """The membership is overdue, its next attempt asks for what is left, and the worker pays it as soon as there
        is enough in the wallet."""
        studio = purse.studio
        purse.give(3000)
        studio.start(studio.plan("Gold", 10_000))
        studio.collect("insufficient_funds")
        assert (studio.member.status, studio.invoices[0].status) == ("past_due", "open")
        assert [row.amount_minor for row in studio.payments if row.status == "failed"] == [7000]
        purse.check()
        purse.give(8000)
        collection.spend_wallets(studio.session, studio.now)
        assert (studio.member.status, studio.invoices[0].status, studio.collections[0].status) == (
            "active", "paid", "paid",
        )  # fmt: skip
        assert purse.has() == (1000, 1000, 0)
        purse.check()

    def test_nothing_is_taken_while_an_attempt_has_no_answer(self, purse: Purse) -> None:
        studio = purse.studio
        studio.start(studio.plan("Gold", 10_000))
        studio.bank.is_silent = True
        studio.collect()
        purse.give(4000)
        collection.spend_wallets(studio.session, studio.now)
        studio.now += timedelta(minutes=11)
        studio.bank.is_silent = False
        studio.collect()
        assert purse.paid() == [("stripe", 10_000)]
        assert purse.has() == (4000, 4000, 0)

    def test_who_pays_for_somebody_pays_out_of_their_own_wallet(self, purse: Purse, family: Any) -> None:
        family.pays(family.parent)
        purse.give(2000, owner=family.parent.id)
        purse.give(500)
        purse.studio.wait(days=31)
        purse.studio.collect()
        assert purse.paid()[-2][0] == "gift"
        assert purse.paid()[-2] == ("gift", 2000)
        assert purse.has(family.parent.id) == (0, 0, 0)
        purse.check()


class TestGoingBack:
    def test_each_part_goes_back_to_where_it_came_from(self, purse: Purse) -> None:
        studio = purse.studio
        purse.top_up(3000)
        purse.give(1000, days=30)
        studio.start(studio.plan("Gold", 10_000))
        studio.collect()
        for payment in [one for one in studio.payments if one.provider != "stripe"]:
            purse.refund(payment)
        assert purse.has() == (4000, 1000, 0)
        assert sum(note.amount_minor for note in studio.all(CreditNote)) == 4000
        purse.check()
        card = next(one for one in studio.payments if one.provider == "stripe" and one.amount_minor == 6000)
        purse.refund(card)
        tax = studio.balances().get("tax_payable", 0)
        assert (tax, purse.desk.refunds.popitem()[1].amount_minor) == (0, 6000)
        purse.check()

    def test_an_open_invoice_that_is_credited_gives_the_wallet_back_what_it_paid(self, purse: Purse) -> None:
        studio = purse.studio
        purse.give(3001)
        studio.start(studio.plan("Gold", 10_007))
        studio.collect("insufficient_funds")
        [gift] = [one for one in studio.payments if one.provider == "gift"]
        with pytest.raises(PaymentNotRefundable):
            purse.refund(gift)
        crediting.credit_open(
            studio.session, invoice_id=studio.invoices[0].id, amount_minor=None, reason="Sold by mistake",
            actor_id=None, now=studio.now,
        )  # fmt: skip
        assert (studio.invoices[0].status, purse.has()) == ("void", (3001, 3001, 0))
        balances = studio.balances()
        assert (balances.get("receivable", 0), balances.get("tax_payable", 0)) == (0, 0)
        purse.check()

    def test_what_is_given_up_is_the_rest_alone(self, purse: Purse) -> None:
        studio = purse.studio
        purse.give(3001)
        studio.start(studio.plan("Gold", 10_007))
        studio.collect("stolen_card")
        studio.wait(days=40)
        studio.collect()
        assert studio.invoices[0].status == "uncollectible"
        balances = studio.balances()
        assert (balances.get("receivable", 0), balances["bad_debt"], balances["tax_payable"]) == (0, 14_296, -479)
        purse.check()

    def test_what_is_given_back_after_the_rest_was_given_up_takes_its_tax_and_its_sessions(self, purse: Purse) -> None:
        """Of ten sessions three are paid for; the wallet's part then goes back into it."""
        studio = purse.studio
        code = studio.plan("Ten", 10_002, kind="pack", sessions_included=10, validity_days=90, interval_months=None)
        purse.give(3001)
        pack = sales.sell_pack(
            studio.session, customer_id=studio.customer_id, plan_code=code, currency="EUR", now=studio.now
        )
        studio.collect("stolen_card")
        studio.wait(days=40)
        studio.collect()
        studio.session.refresh(pack)
        assert (studio.invoices[0].status, pack.sessions_left) == ("uncollectible", 4)
        [gift] = [one for one in studio.payments if one.provider == "gift"]
        purse.refund(gift)
        studio.session.refresh(pack)
        assert (pack.sessions_left, purse.has()) == (0, (3001, 3001, 0))
        assert "tax_payable" not in studio.balances()
        purse.check()

    @pytest.mark.parametrize("gift_minor", range(4995, 5003))
    def test_what_is_given_up_and_given_back_is_the_tax_to_the_cent(self, purse: Purse, gift_minor: int) -> None:
        studio = purse.studio
        purse.give(gift_minor)
        studio.start(studio.plan("Gold", 10_002))
        studio.collect("stolen_card")
        studio.wait(days=40)
        studio.collect()
        [gift] = [one for one in studio.payments if one.provider == "gift"]
        purse.refund(gift, 1001)
        purse.refund(gift)
        assert "tax_payable" not in studio.balances()
        purse.check()

    def test_a_change_of_plan_that_is_not_paid_gives_all_back(self, purse: Purse) -> None:
        studio = purse.studio
        bronze, gold = studio.plan("Bronze", 5000), studio.plan("Gold", 50_000)
        studio.start(bronze)
        studio.collect()
        purse.give(2000)
        plan_changes.change_plan(studio.session, customer_id=studio.customer_id, plan_code=gold, now=studio.now)
        studio.collect("card_declined")
        assert purse.has() == (2000, 2000, 0)
        assert studio.member.plan_id == studio.plans["Bronze"].id
        purse.check()


class TestPaidMoney:
    def test_what_is_not_spent_can_be_refunded_and_no_more(self, purse: Purse) -> None:
        studio = purse.studio
        paid = purse.top_up(6000)
        purse.give(2000)
        studio.start(studio.plan("Bronze", 5000))
        studio.collect()
        with pytest.raises(RefundTooLarge):
            purse.refund(paid, 3001)
        purse.refund(paid)
        assert (refunds.refunded_minor(studio.session, paid.id), purse.has()) == (3000, (0, 0, 0))
        with pytest.raises(PaymentNotRefundable):
            purse.refund(paid)
        assert studio.balances().get("wallet_top_ups", 0) == 0
        purse.check()

    def test_what_is_on_its_way_back_is_not_spent(self, purse: Purse) -> None:
        studio = purse.studio
        paid = purse.top_up(6000)
        studio.session.add(Refund(
            payment_id=paid.id, customer_id=studio.customer_id, amount_minor=4000, currency="EUR", reason="",
            status="unknown", provider_key="asked", refunded_at=studio.now,
        ))  # fmt: skip
        studio.session.flush()
        assert purse.has() == (2000, 0, 4000)
        studio.start(studio.plan("Bronze", 5000))
        studio.collect()
        assert purse.paid() == [("wallet", 2000), ("stripe", 3000)]

    @pytest.mark.parametrize(("outcome", "left"), [("won", 4000), ("lost", 0)])
    def test_a_contested_top_up_is_held_and_what_a_bank_takes_for_good_is_gone(
        self, purse: Purse, outcome: str, left: int
    ) -> None:
        studio = purse.studio
        paid = purse.top_up(9000)
        studio.start(studio.plan("Bronze", 5000))
        studio.collect()
        row = Dispute(
            payment_id=paid.id, customer_id=studio.customer_id, amount_minor=9000, currency="EUR", reason="fraudulent",
            status="needs_response", opened_at=studio.now,
        )  # fmt: skip
        studio.session.add(row)
        studio.session.flush()
        assert purse.has() == (0, 0, 4000)
        seen: Any = type("Seen", (), {
            "status": outcome, "returned_at": None, "returned_minor": 9000 if outcome == "won" else 0,
            "fee_back_minor": 0,
        })  # fmt: skip
        invoice = studio.session.get_one(Invoice, paid.invoice_id)
        disputes._close(studio.session, row, paid, invoice, seen, studio.now)
        assert purse.has() == (left, 0, 0)
        if outcome == "lost":  # and thinks better of it, of a half first
            for returned, back in ((4500, 2000), (9000, 4000)):
                seen.status, seen.returned_minor, seen.returned_at = "won", returned, studio.now
                if row.status == "lost":
                    disputes._close(studio.session, row, paid, invoice, seen, studio.now)
                else:
                    disputes._win_more(studio.session, row, paid, invoice, seen)
                assert purse.has() == (back, 0, 0)
        kept = [one for one in studio.all(WalletMovement) if one.kind in ("disputed", "reinstated")]
        assert sum(one.amount_minor for one in kept) == 0
        purse.check()

    def test_days_that_are_given_back_are_not_taken_out_of_a_top_up(self, purse: Purse) -> None:
        """The card that paid them has given all back, for something else: a credit waits, whatever else was paid."""
        studio = purse.studio
        studio.start(studio.plan("Bronze", 5000))
        studio.collect()
        purse.refund(studio.payments[0], asked_as=f"{refunds.OF_NO_DAYS}a fee")
        purse.top_up(90_000)
        memberships.cancel(
            studio.session, cast("Billing", studio.bank), customer_id=studio.customer_id, reason="moving",
            at_once=True, now=studio.now,
        )  # fmt: skip
        assert giving_back.give_back_due(studio.session, {"stripe": purse.desk, **KEPT_MONEY}, studio.now) == 0
        assert [wait[1:3] for wait in purse.waits] == [(-5000, "used_up")]

    def test_a_charge_that_is_let_go_leaves_the_others_paid(self, purse: Purse) -> None:
        """Of days and a fee the wallet paid all but 5.00: without the fee that is 10.00 too much, which is in it again,
        and once; the days stay paid."""
        studio, booking_id = purse.studio, new_id()
        code = studio.plan("Bronze", 5000)
        purse.give(6000)
        late(studio, booking_id)
        studio.start(code)
        studio.collect("insufficient_funds")
        fees.let_go(studio.session, booking_id=booking_id, reason="Ill", actor_id=new_id(), now=studio.now)
        assert (purse.has(), purse.waits) == ((1000, 1000, 0), [])
        assert (studio.invoices[0].status, studio.collections[0].status, studio.member.status) == (
            "paid", "paid", "active",
        )  # fmt: skip
        assert (studio.member.covered_minor, studio.balances()["tax_payable"]) == (5000, -798)
        purse.check()

    @pytest.mark.parametrize(("credit", "waits"), [(0, []), (200, [-200])])
    def test_a_charge_that_is_let_go_and_was_all_of_its_invoice_is_owed_by_nobody(
        self, purse: Purse, credit: int, waits: list[int]
    ) -> None:
        """What the wallet had paid of it is in it again, once; what a credit had waits for the next invoice."""
        studio, booking_id = purse.studio, new_id()
        studio.plan("Bronze", 5000)
        purse.give(1000)
        if credit:
            back = Item("unused", "Bronze", -credit, 0, 0)
            invoicing.add_items(
                studio.session, [back], customer_id=studio.customer_id, payer_id=None, currency="EUR", now=studio.now
            )
        late(studio, booking_id)
        studio.wait(days=1)
        fees.invoice_due(studio.session, studio.now)
        studio.collect("insufficient_funds")
        fees.let_go(studio.session, booking_id=booking_id, reason="Ill", actor_id=new_id(), now=studio.now)
        assert (studio.invoices[0].status, purse.has()) == ("void", (1000, 1000, 0))
        query = select(BillingItem.amount_minor).where(*invoicing.WAITS)
        assert list(studio.session.scalars(query)) == waits
        purse.check()


class TestGifts:
    def test_they_run_out_once_and_what_is_returned_to_one_runs_out_again(self, purse: Purse) -> None:
        studio = purse.studio
        purse.give(3000, days=2)
        studio.start(studio.plan("Small", 2000))
        studio.collect()
        studio.now += 3 * DAY
        assert [gifts.expire_due(studio.session, studio.now) for _ in range(2)] == [1, 0]
        [gift] = [one for one in studio.payments if one.provider == "gift"]
        purse.refund(gift)
        assert purse.has()[0] == 0
        assert [gifts.expire_due(studio.session, studio.now) for _ in range(2)] == [1, 0]
        assert [one["amount_minor"] for one in studio.told("commerce.wallet_credit_expired")] == [1000, 2000]
        assert studio.balances().get("wallet_gifts", 0) == 0
        purse.check()

    @pytest.mark.parametrize("amount", [0, -1, 20_001])
    def test_have_bounds(self, purse: Purse, amount: int) -> None:
        with pytest.raises(GiftNotAllowed):
            purse.give(amount)

    def test_are_in_the_currency_of_who_gets_them_and_not_for_yesterday(self, purse: Purse) -> None:
        with pytest.raises(GiftNotAllowed):
            purse.give(100, days=-1)
        purse.session.get_one(Customer, purse.studio.customer_id).currency = "VND"
        purse.session.flush()
        with pytest.raises(GiftNotAllowed):
            purse.give(100)

    def test_a_wallet_has_a_bound_too(self, purse: Purse) -> None:
        purse.top_up(190_000)
        with pytest.raises(WalletFull):
            purse.give(10_001)
        purse.give(10_000)


class TestBooks:
    def test_find_a_wallet_that_somebody_changed_by_hand(self, purse: Purse) -> None:
        purse.give(1000)
        purse.session.execute(text("update commerce.wallets set balance_minor = 999"))
        purse.session.execute(text("update commerce.wallet_credits set left_minor = 998"))
        found = retelling.retell(purse.session).differences
        assert [one.about for one in found] == ["wallet"] * 3


class TestNeverBelowZero:
    def test_the_database_refuses(self, purse: Purse) -> None:
        purse.give(1000)
        for table, column in (("wallets", "balance_minor"), ("wallet_credits", "left_minor")):
            with pytest.raises(IntegrityError), purse.session.begin_nested():
                purse.session.execute(text(f"update commerce.{table} set {column} = -1"))
