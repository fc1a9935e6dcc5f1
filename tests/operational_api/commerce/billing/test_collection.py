"""Dunning: what is tried when, what is never tried twice, and how it ends."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy.orm import Session

from contracts.ids import new_id
from operational_api.commerce.billing.errors import InvoiceNotCreditable, NothingToPay
from operational_api.commerce.billing.service import collection, crediting, memberships
from operational_api.commerce.providers.port import ProviderRefund
from operational_api.commerce.service import refunds
from operational_api.core.principal import Principal
from tests.operational_api.commerce.billing.conftest import NOON, Studio
from tests.operational_api.commerce.billing.test_memberships import NO_PROVIDER


@pytest.fixture
def member(studio: Studio) -> Studio:
    studio.start(studio.plan("Small", 5000))
    return studio


@dataclass
class GivenBack:
    """A provider at which somebody gave money back by hand."""

    made: list[ProviderRefund]

    def refunds_of(self, _: str) -> list[ProviderRefund]:
        return self.made


def days_tried(studio: Studio) -> list[int]:
    return [(one.attempted_at - NOON).days for one in studio.payments]


class TestSchedule:
    def test_plus_2_5_7_7_then_the_membership_ends(self, member: Studio) -> None:
        for _ in range(22):
            member.collect(*["insufficient_funds"] * 3)
            member.wait(days=1)
        assert days_tried(member) == [0, 2, 7, 14, 21]
        assert [one.attempt for one in member.payments] == [1, 2, 3, 4, 5]
        assert (member.member.status, member.member.cancel_kind) == ("cancelled", "involuntary")
        assert member.member.cancel_reason == "payment_failed"
        assert member.invoices[0].status == "uncollectible"
        assert member.balances() == {"bad_debt": 4202, "membership_revenue": -4202}
        told = member.announced()
        assert (told["commerce.collection_scheduled"], told["commerce.collection_ended"]) == (4, 1)

    def test_one_paid_on_the_way_is_active_again(self, member: Studio) -> None:
        member.collect("insufficient_funds")
        assert member.member.status == "past_due"
        member.wait(days=2)
        member.collect()
        assert (member.member.status, member.collections[0].status) == ("active", "paid")

    def test_shows_what_was_tried_and_what_comes(self, member: Studio, session: Session) -> None:
        member.collect("insufficient_funds")
        [seen] = collection.open_of(session, member.customer_id)
        assert [one.failure_code for one in seen.tried] == ["insufficient_funds"]
        assert [(one - NOON).days for one in seen.planned] == [2, 7, 14, 21]

    @pytest.mark.parametrize(("zone", "told"), [
        ("Europe/Berlin", "2027-03-27T23:30"),  # the next two days have 47 hours
        ("Europe/Berlin", "2026-10-24T00:30"),
        ("America/New_York", "2026-10-31T19:30"),  # another day in UTC after the change than before it
        ("America/New_York", "2027-03-13T19:30"),
        ("Australia/Lord_Howe", "2026-10-03T23:45"),
        ("Pacific/Kiritimati", "2026-12-31T23:59"),
        ("Pacific/Pago_Pago", "2028-02-28T00:01"),
        ("Asia/Kathmandu", "2026-04-30T05:44"),
    ])  # fmt: skip
    def test_is_of_days_where_the_member_is_at_the_same_hour(
        self, member: Studio, session: Session, zone: str, told: str
    ) -> None:
        first = datetime.fromisoformat(told)
        member.member.time_zone = zone
        session.flush()
        [row] = member.collections
        member.now = row.started_at = row.next_attempt_at = first.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
        session.flush()
        due = [first + timedelta(days=days) for days in (0, 2, 7, 14, 21)]
        for nth in range(5):
            member.collect("insufficient_funds")
            planned = [one for seen in collection.open_of(session, member.customer_id) for one in seen.planned]
            assert [one.astimezone(ZoneInfo(zone)).replace(tzinfo=None) for one in planned] == due[nth + 1 :]
            member.now = member.collections[0].next_attempt_at or member.now
        assert [one.attempt for one in member.payments] == [1, 2, 3, 4, 5]
        assert member.member.status == "cancelled"

    def test_an_hour_that_clocks_skip_is_the_next_one(self, member: Studio, session: Session) -> None:
        [row], berlin = member.collections, ZoneInfo("Europe/Berlin")
        member.now = row.started_at = row.next_attempt_at = datetime(2027, 3, 26, 2, 30, tzinfo=berlin).astimezone(UTC)
        session.flush()
        member.collect("insufficient_funds")
        assert member.collections[0].next_attempt_at == datetime(2027, 3, 28, 3, 30, tzinfo=berlin)

    def test_early_attempts_end_on_the_members_last_day(self, member: Studio, session: Session) -> None:
        """In New York, whose evening is tomorrow in UTC until clocks go forward, and then no more."""
        member.member.time_zone, zone = "America/New_York", ZoneInfo("America/New_York")
        session.flush()
        [row] = member.collections
        first = datetime(2027, 3, 13, 19, 30, tzinfo=zone)
        member.now = row.started_at = row.next_attempt_at = first.astimezone(UTC)
        session.flush()
        customer = Principal("customer", "tests", member.customer_id)
        for minutes in range(5):
            member.collect("insufficient_funds")
            member.now += timedelta(minutes=1)
            if minutes < 4:
                collection.try_now(session, customer, invoice_id=member.invoices[0].id, now=member.now)
        assert member.collections[0].status == "stopped"
        ends_at = member.collections[0].next_attempt_at
        assert ends_at is not None
        assert ends_at.astimezone(zone).date() == first.date() + timedelta(days=21)
        member.now = ends_at
        member.collect()
        assert member.member.status == "cancelled"


class TestHardDecline:
    def test_the_card_is_not_tried_again(self, member: Studio, session: Session) -> None:
        member.collect("stolen_card")
        assert member.collections[0].status == "stopped"
        for _ in range(20):
            member.wait(days=1)
            member.collect()
        assert days_tried(member) == [0]
        assert member.member.status == "past_due"
        customer = Principal("customer", "tests", member.customer_id)
        with pytest.raises(NothingToPay):
            collection.try_now(session, customer, invoice_id=member.invoices[0].id, now=member.now)
        member.wait(days=1)
        member.collect()
        assert member.member.status == "cancelled"
        assert len(member.bank.charged) == 1

    def test_a_new_card_is_tried_at_once(self, member: Studio, session: Session) -> None:
        member.collect("stolen_card")
        member.wait(days=3)
        assert give_card(member) == 1
        member.collect()
        assert (days_tried(member), member.member.status) == ([0, 3], "active")

    @pytest.mark.parametrize("tells_late", [timedelta(0), timedelta(hours=5), timedelta(days=3)])
    def test_a_card_that_is_told_twice_is_tried_once(self, member: Studio, tells_late: timedelta) -> None:
        """Stripe tells that it was attached, and that it is the one to charge, in any order and late."""
        member.collect("insufficient_funds")
        member.now += timedelta(hours=1)
        given_at = member.now
        assert give_card(member, given_at) == 1
        member.now += timedelta(minutes=1)
        member.collect("stolen_card")
        member.now += tells_late
        assert give_card(member, given_at + timedelta(seconds=1)) == 0
        member.collect()
        assert (len(member.bank.charged), member.collections[0].status) == (2, "stopped")

    @pytest.mark.parametrize("failure", ["stolen_card", "insufficient_funds"])
    @pytest.mark.parametrize("before", range(5))
    def test_one_that_is_given_while_nobody_knows_of_the_last_is_tried_at_once(
        self, member: Studio, failure: str, before: int
    ) -> None:
        for _ in range(before):
            member.collect("insufficient_funds")
            member.now = member.collections[0].next_attempt_at or member.now
        member.bank.is_silent = True
        member.collect(failure)
        member.now += timedelta(minutes=1)
        give_card(member)
        member.bank.is_silent, member.bank.has_other_card = False, True
        for _ in range(3):
            member.now += timedelta(minutes=1)
            member.collect()
        assert [one.status for one in member.payments] == ["failed"] * (before + 1) + ["captured"]
        assert (member.collections[0].status, member.member.status) == ("paid", "active")


class TestImpatience:
    """Whoever presses "try my card now" uses up attempts and not the days that they have."""

    def test_leaves_the_days_for_another_card(self, member: Studio) -> None:
        member.collect("insufficient_funds")
        for _ in range(4):
            member.now += timedelta(minutes=1)
            try_now(member)
            member.collect("insufficient_funds")
        [waiting] = member.collections
        assert (waiting.status, waiting.next_attempt_at, waiting.attempts) == (
            "stopped", NOON + timedelta(days=21, minutes=4), 5,
        )  # fmt: skip
        with pytest.raises(NothingToPay):
            try_now(member)
        member.wait(days=20)
        member.collect()
        assert (member.member.status, len(member.bank.charged)) == ("past_due", 5)
        member.wait(days=1)
        member.collect()
        assert (member.member.status, len(member.bank.charged)) == ("cancelled", 5)

    def test_and_another_card_is_tried_whenever_it_comes(self, member: Studio) -> None:
        member.collect("insufficient_funds")
        for _ in range(4):
            try_now(member)
            member.collect("insufficient_funds")
        member.wait(days=19)
        give_card(member)
        member.collect("insufficient_funds")
        assert (member.collections[0].status, member.member.status) == ("stopped", "past_due")
        member.wait(days=1)
        give_card(member)
        member.collect()
        assert (member.collections[0].status, member.member.status) == ("paid", "active")


def give_card(studio: Studio, given_at: datetime | None = None) -> int:
    return collection.card_changed(
        studio.session, payer_id=studio.customer_id, given_at=given_at or studio.now, now=studio.now
    )


def try_now(studio: Studio) -> None:
    customer = Principal("customer", "tests", studio.customer_id)
    collection.try_now(studio.session, customer, invoice_id=studio.invoices[0].id, now=studio.now)


class TestCancelled:
    """Whoever cancels while an invoice is open owes it, is tried until the membership ends, and left of their will."""

    @pytest.fixture
    def overdue(self, member: Studio) -> Studio:
        member.collect("insufficient_funds")
        return member

    def test_attempts_go_on_while_the_membership_does(self, overdue: Studio) -> None:
        overdue.wait(days=2)
        cancel(overdue)
        overdue.collect("insufficient_funds")
        overdue.wait(days=5)
        overdue.collect()
        assert (overdue.invoices[0].status, overdue.member.status) == ("paid", "active")
        overdue.wait(days=30)
        assert (overdue.member.status, overdue.member.cancel_kind, len(overdue.invoices)) == (
            "cancelled", "voluntary", 1,
        )  # fmt: skip

    def test_one_that_nobody_pays_ends_earlier_and_was_wanted(self, overdue: Studio) -> None:
        cancel(overdue)
        for _ in range(22):
            overdue.collect("insufficient_funds")
            overdue.wait(days=1)
        assert (overdue.member.status, overdue.member.ended_at) == ("cancelled", NOON + timedelta(days=21))
        assert (overdue.member.cancel_kind, overdue.member.cancel_reason) == ("voluntary", "moved")
        assert overdue.invoices[0].status == "uncollectible"
        assert [
            (one["is_voluntary"], one["ends_now"], one["owed_minor"])
            for one in overdue.told("commerce.subscription_cancelled")
        ] == [(True, False, 5000), (True, True, 0)]

    def test_one_that_was_kept_after_all_is_lost_to_the_failure(self, overdue: Studio) -> None:
        cancel(overdue)
        memberships.keep(overdue.session, NO_PROVIDER, customer_id=overdue.customer_id, now=overdue.now)
        for _ in range(22):
            overdue.collect("insufficient_funds")
            overdue.wait(days=1)
        assert (overdue.member.cancel_kind, overdue.member.cancel_reason) == ("involuntary", "payment_failed")

    @pytest.mark.parametrize("failed", [0, 1, 2, 3, 4])
    def test_at_once_ends_the_attempts_and_not_the_debt(self, member: Studio, failed: int) -> None:
        for _ in range(failed):
            member.collect("insufficient_funds")
            member.now = member.collections[0].next_attempt_at or member.now
        cancel(member, at_once=True)
        ends_at = NOON + timedelta(days=21)
        assert [(one.status, one.next_attempt_at) for one in member.collections] == [("stopped", ends_at)]
        assert member.told("commerce.subscription_cancelled")[-1]["owed_minor"] == 5000
        if failed < 4:
            member.now = ends_at - timedelta(minutes=1)
            member.collect()
            assert (len(member.bank.charged), member.invoices[0].status) == (failed, "open")
        member.now = ends_at
        member.collect()
        assert (len(member.bank.charged), member.invoices[0].status) == (failed, "uncollectible")
        assert (member.member.cancel_kind, member.member.cancel_reason) == ("voluntary", "moved")
        assert member.balances() == {"bad_debt": 4202, "membership_revenue": -4202}

    def test_is_tried_once_whenever_its_payer_asks(self, overdue: Studio, session: Session) -> None:
        cancel(overdue, at_once=True)
        overdue.wait(days=4)
        [seen] = collection.open_of(session, overdue.customer_id)
        assert (seen.planned, seen.may_ask, seen.ends_membership) == ([], True, False)
        try_now(overdue)
        overdue.collect("insufficient_funds")
        assert [(one.status, one.next_attempt_at) for one in overdue.collections] == [
            ("stopped", NOON + timedelta(days=21))
        ]
        overdue.wait(days=1)
        overdue.collect()
        assert days_tried(overdue) == [0, 4]
        try_now(overdue)
        overdue.collect()
        assert (days_tried(overdue), overdue.invoices[0].status) == ([0, 4, 5], "paid")
        assert overdue.member.status == "cancelled"

    def test_a_card_that_the_bank_refuses_for_good_is_not_tried_for_it(self, overdue: Studio, session: Session) -> None:
        cancel(overdue, at_once=True)
        try_now(overdue)
        overdue.collect("stolen_card")
        [seen] = collection.open_of(session, overdue.customer_id)
        assert not seen.may_ask
        with pytest.raises(NothingToPay):
            try_now(overdue)
        give_card(overdue)
        overdue.collect()
        assert (overdue.invoices[0].status, overdue.collections[0].status) == ("paid", "paid")

    def test_an_attempt_whose_answer_is_missing_is_asked_about(self, overdue: Studio) -> None:
        overdue.wait(days=2)
        overdue.bank.is_silent = True
        overdue.collect("insufficient_funds")
        cancel(overdue, at_once=True)
        overdue.bank.is_silent = False
        overdue.now += timedelta(minutes=10)
        overdue.collect()
        assert (days_tried(overdue), overdue.collections[0].status) == ([0, 2], "stopped")

    def test_at_the_periods_end_ends_the_attempts_too(self, member: Studio) -> None:
        """Of an invoice that was tried late: a provider was down for the first half of the month."""
        member.now += timedelta(days=20)
        [row] = member.collections
        row.started_at = row.next_attempt_at = member.now
        member.session.flush()
        member.collect("insufficient_funds")
        cancel(member)
        member.wait(days=2)
        member.collect("insufficient_funds")
        member.wait(days=10)
        member.collect()
        assert (member.member.status, member.collections[0].status) == ("cancelled", "stopped")
        assert days_tried(member) == [20, 22]


def cancel(studio: Studio, *, at_once: bool = False) -> None:
    memberships.cancel(
        studio.session, NO_PROVIDER, customer_id=studio.customer_id, reason="moved", at_once=at_once, now=studio.now
    )


class TestUnknown:
    def test_is_asked_about_and_never_charged_twice(self, member: Studio) -> None:
        member.bank.is_silent = True
        for _ in range(3):
            member.collect()
            member.now += timedelta(minutes=11)
        assert member.payments[0].status == "unknown"
        assert member.invoices[0].status == "open"
        member.bank.is_silent = False
        member.collect()
        assert (member.bank.captured, len(member.payments)) == (1, 1)
        assert (member.payments[0].status, member.invoices[0].status) == ("captured", "paid")

    @pytest.mark.parametrize("silent", [1, 2, 3, 4])
    def test_in_the_middle_moves_no_later_day(self, member: Studio, silent: int) -> None:
        for attempt in range(5):
            if attempt == silent:
                member.bank.is_silent = True
                member.collect("insufficient_funds")
                assert member.payments[-1].status == "unknown"
                assert (member.member.status, member.invoices[0].status) == ("past_due", "open")
                member.bank.is_silent = False
                member.now += timedelta(minutes=10)
                member.collect()
            else:
                member.collect("insufficient_funds")
            member.now = member.collections[0].next_attempt_at or member.now
        assert days_tried(member) == [0, 2, 7, 14, 21]
        assert [one.status for one in member.payments] == ["failed"] * 5
        assert (len(member.bank.charged), member.bank.captured) == (5, 0)
        assert (member.member.status, member.invoices[0].status) == ("cancelled", "uncollectible")

    def test_a_crash_after_the_charge_charges_once(self, member: Studio, session: Session) -> None:
        with session.begin_nested() as crash:
            member.collect()
            crash.rollback()
        member.collect()
        assert (member.bank.captured, member.invoices[0].status) == (1, "paid")


class TestCreditNote:
    def test_part_of_an_open_invoice_is_not_asked_for(self, member: Studio, session: Session) -> None:
        note = crediting.credit_open(
            session, invoice_id=member.invoices[0].id, amount_minor=1000, reason="Closed for a week", actor_id=None,
            now=member.now,
        )  # fmt: skip
        assert (note.number, note.amount_minor, note.tax_minor) == ("CN-2026-000001", 1000, 160)
        member.collect()
        assert member.payments[0].amount_minor == 4000
        assert member.balances() == {
            "stripe_balance": 3960, "payment_fees": 40, "membership_revenue": -3362, "tax_payable": -638,
        }  # fmt: skip

    @pytest.mark.parametrize("price", [5000, 9900, 4999, 101, 107])
    @pytest.mark.parametrize("rate", [1900, 700, 2000, 800])
    def test_what_is_credited_and_given_back_is_the_tax_to_the_cent(
        self, studio: Studio, session: Session, price: int, rate: int
    ) -> None:
        """Half is not asked for, of the rest half is given back, and then what is left."""
        studio.start(studio.plan("Any", price, rate=rate))
        crediting.credit_open(
            session, invoice_id=studio.invoices[0].id, amount_minor=price // 2, reason="x", actor_id=None,
            now=studio.now,
        )  # fmt: skip
        studio.collect()
        [payment] = studio.payments
        parts = [payment.amount_minor // 2, payment.amount_minor - payment.amount_minor // 2]
        wallet = GivenBack(
            [
                ProviderRefund(
                    f"re_{new_id().hex}", str(payment.provider_payment_id), part, "EUR", "x", "succeeded", studio.now
                )
                for part in parts
            ]
        )
        refunds.sync_refunds(session, wallet, payment=payment, invoice=studio.invoices[0])  # type: ignore[arg-type]
        assert studio.balances().get("tax_payable", 0) == 0

    @pytest.mark.parametrize(("amount", "is_taken"), [(4950, True), (4951, False), (4999, False), (5000, True)])
    def test_leaves_what_a_card_can_be_charged(self, member: Studio, amount: int, is_taken: bool) -> None:
        def credit() -> None:
            crediting.credit_open(
                member.session, invoice_id=member.invoices[0].id, amount_minor=amount, reason="x", actor_id=None,
                now=member.now,
            )  # fmt: skip

        if is_taken:
            credit()
            return
        with pytest.raises(InvoiceNotCreditable):
            credit()

    def test_the_whole_of_it_is_void_and_not_collected(self, member: Studio, session: Session) -> None:
        crediting.credit_open(
            session, invoice_id=member.invoices[0].id, amount_minor=None, reason="Mistake", actor_id=None,
            now=member.now,
        )  # fmt: skip
        member.collect()
        assert (member.invoices[0].status, member.payments, member.balances()) == ("void", [], {})
        ended = member.told("commerce.collection_ended")
        assert [(one["outcome"], one["attempts"]) for one in ended] == [("credited", 0)]

    @pytest.mark.parametrize("failed", [1, 2, 3, 4])
    def test_the_whole_of_it_between_attempts_ends_them(self, member: Studio, session: Session, failed: int) -> None:
        for _ in range(failed):
            member.collect("insufficient_funds")
            member.now = member.collections[0].next_attempt_at or member.now
        crediting.credit_open(
            session, invoice_id=member.invoices[0].id, amount_minor=None, reason="Mistake", actor_id=None,
            now=member.now,
        )  # fmt: skip
        member.collect()
        assert (len(member.bank.charged), member.collections[0].next_attempt_at) == (failed, None)
        ended = member.told("commerce.collection_ended")
        assert [(one["outcome"], one["attempts"]) for one in ended] == [("credited", failed)]
        assert collection.open_of(session, member.customer_id) == []
        assert (member.invoices[0].status, member.member.status, member.balances()) == ("void", "active", {})
