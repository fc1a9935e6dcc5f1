"""Comparing books: every planted fault is found and named, and in clean months of any shape there is none."""

import random
import re
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html import unescape
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr
from sqlalchemy import select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from contracts.ids import new_id
from operational_api.commerce.differences import WORDS
from operational_api.commerce.errors import FindingNotFound, FindingResolved, ReasonNeeded
from operational_api.commerce.models import (
    FindingResolution,
    Payment,
    ProviderMovement,
    ReconciliationFinding,
    ReconciliationRun,
)
from operational_api.commerce.providers.kept_books import KeptBooks
from operational_api.commerce.providers.stripe_books import StripeBooks
from operational_api.commerce.reconcile import Span, differences
from operational_api.commerce.service import findings, reconciliation, refunds
from operational_api.commerce.settings import StripeSettings
from operational_api.core.models import AuditEntry, OutboxEvent
from tests.factories import make_account
from tests.fakes.stripe import payouts
from tests.operational_api.commerce.books import END, MARCH, PLANTS, Month
from tests.operational_api.commerce.conftest import Shop
from tests.operational_api.conftest import SignIn
from tests.operational_api.staff.conftest import words


class TestDifferences:
    @pytest.mark.parametrize("kind", PLANTS)
    def test_finds_a_planted_fault_and_nothing_else(self, session: Session, kind: str) -> None:
        month = Month.clean(random.Random(kind), sales=24)
        subject = PLANTS[kind](month)
        month.save(session)
        assert [(one.kind, one.subject) for one in differences(session, MARCH)] == [(kind, subject)]

    def test_finds_all_of_them_at_once(self, session: Session) -> None:
        expected: list[tuple[str, str]] = []
        for kind, function in PLANTS.items():
            month = Month.clean(random.Random(f"{kind} among others"), sales=24)
            expected.append((kind, function(month)))
            month.save(session)
        assert len(PLANTS) == 30
        found = [(one.kind, one.subject) for one in differences(session, MARCH)]
        assert Counter(found) == Counter(expected)

    @pytest.mark.parametrize("seed", range(24))
    def test_of_two_at_once_both_are_found_and_no_third(self, session: Session, seed: int) -> None:
        rng = random.Random(f"two at once {seed}")
        first, second = rng.sample(sorted(PLANTS), 2)
        months = [Month.clean(random.Random(f"{first} {seed}"), sales=24), Month.clean(random.Random(seed), sales=24)]
        planted = Counter({(first, PLANTS[first](months[0])): 1, (second, PLANTS[second](months[1])): 1})
        for month in months:
            month.save(session)
        assert Counter((one.kind, one.subject) for one in differences(session, MARCH)) == planted

    def test_a_payment_booked_twice_and_not_in_the_ledger_is_both(self, session: Session) -> None:
        month = Month.clean(random.Random(4), sales=24)
        subject = PLANTS["wrong_in_ledger"](month)
        assert PLANTS["duplicate_at_us"](month) == subject
        month.save(session)
        found = [(one.kind, one.subject) for one in differences(session, MARCH)]
        assert found == [("duplicate_at_us", subject), ("wrong_in_ledger", subject)]

    @pytest.mark.parametrize(("status", "found"), [("succeeded", ["refund_not_at_provider"]), ("failed", [])])
    def test_a_refund_that_no_bank_took_is_none_at_the_provider(
        self, session: Session, status: str, found: list[str]
    ) -> None:
        """Its money is back in our balance, maybe weeks after it was said to have been given back."""
        month = Month.clean(random.Random("no bank"), sales=24)
        refund = month.refunds[0]
        [payment] = [one for one in month.payments if one["id"] == refund["payment_id"]]
        refund["status"] = status
        month.movement(
            payment, "refund", refund["amount_minor"], object_id=refund["provider_refund_id"],
            occurred_at=refund["refunded_at"] + timedelta(hours=1),
        )  # fmt: skip
        month.save(session)
        assert [one.kind for one in differences(session, MARCH)] == found

    def test_a_win_of_which_another_part_came_back_than_was_booked_says_both_parts(self, session: Session) -> None:
        month = Month.clean(random.Random("in part"), sales=24)
        payment = month.captured()
        month.contest(payment, payment["captured_at"], "won")
        amount = int(payment["amount_minor"])
        month.disputes[-1]["returned_minor"] = amount - 1
        month.save(session)
        [found] = differences(session, MARCH)
        assert (found.kind, found.subject) == ("dispute_win_not_booked", month.disputes[-1]["provider_dispute_id"])
        assert (found.ours_minor, found.theirs_minor) == (amount - 1, amount)

    def test_finds_the_same_in_a_settlement_of_momos(self, session: Session) -> None:
        month = Month.clean(random.Random("another provider"), sales=24)
        month.save(session)
        expected: list[tuple[str, str]] = []
        for kind, function in PLANTS.items():
            theirs = Month.clean(random.Random(f"{kind} at momo"), sales=24, provider="momo")
            expected.append((kind, function(theirs)))
            theirs.save(session)
        span = replace(MARCH, provider="momo")
        assert Counter((one.kind, one.subject) for one in differences(session, span)) == Counter(expected)
        assert differences(session, MARCH) == []

    @settings(
        max_examples=12, deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
    )  # fmt: skip
    @given(seed=st.integers(0, 2**32), sales=st.integers(1, 40))
    def test_invents_nothing_in_a_clean_month(self, session: Session, seed: int, sales: int) -> None:
        with session.begin_nested() as savepoint:
            Month.clean(random.Random(seed), sales).save(session)
            assert differences(session, MARCH) == []
            savepoint.rollback()

    def test_says_by_how_much(self, session: Session) -> None:
        month = Month.clean(random.Random(1), sales=24)
        PLANTS["wrong_amount"](month)
        month.save(session)
        [found] = differences(session, MARCH)
        assert found.theirs_minor is not None
        assert found.ours_minor is not None
        assert found.theirs_minor - found.ours_minor == 500
        assert found.customer_id is not None

    @pytest.mark.parametrize(
        ("kind", "ours", "theirs"), [("wrong_currency", None, "CHF"), ("fx_difference", "GBP", None)]
    )
    def test_says_each_amount_in_its_own_currency(
        self, session: Session, kind: str, ours: str | None, theirs: str | None
    ) -> None:
        month = Month.clean(random.Random(7), sales=24)
        subject = PLANTS[kind](month)
        [payment] = [one for one in month.payments if one["provider_payment_id"] == subject]
        month.save(session)
        found = next(one for one in differences(session, MARCH) if one.kind == kind)
        assert (found.currency, found.theirs_currency) == (ours or payment["currency"], theirs)
        findings.record(session, [found], now=MARCH.until)
        [kept] = session.scalars(select(ReconciliationFinding)).all()
        assert (kept.currency, kept.theirs_currency) == (found.currency, theirs)

    def test_a_right_exchange_is_no_difference(self, session: Session) -> None:
        month = Month.clean(random.Random(2), sales=24)
        payment = month.captured()
        exponent = 1 if payment["currency"] == "VND" else 0.01
        settled = round(payment["amount_minor"] * exponent * 0.037 * 100)
        month.line(payment).update(settled_currency="GBP", settled_minor=settled, exchange_rate=0.037)
        month.save(session)
        assert differences(session, MARCH) == []

    def test_what_happened_outside_the_span_is_not_told(self, session: Session) -> None:
        month = Month.clean(random.Random(3), sales=24)
        PLANTS["missing_at_provider"](month)
        month.save(session)
        later = Span("stripe", END + timedelta(days=5), END + timedelta(days=9), is_live=True, tells_fees=True)
        assert differences(session, later) == []


NOON = datetime(2026, 3, 20, 12, tzinfo=UTC)
SHORT = findings.Difference("stripe", "wrong_amount", "pi_1", currency="EUR", ours_minor=100, theirs_minor=90)


def resolve(session: Session, finding_id: UUID, outcome: str, reason: str = "Asked the bank") -> None:
    findings.resolve(session, finding_id=finding_id, outcome=outcome, reason=reason, actor_id=new_id(), now=NOON)


class TestFindings:
    def test_is_written_down_and_announced_once(self, session: Session) -> None:
        assert len(findings.record(session, [SHORT], now=NOON)) == 1
        assert findings.record(session, [SHORT], now=NOON) == []
        assert findings.record(session, [SHORT], now=NOON + timedelta(days=1)) == []
        assert list(session.scalars(select(OutboxEvent.type))) == ["commerce.difference_found"]

    @pytest.mark.parametrize(("outcome", "again"), [
        ("accepted", 0), ("no_fault", 0), ("booked", 1), ("provider_corrected", 1),
    ])  # fmt: skip
    def test_what_was_said_to_be_corrected_is_raised_again_when_it_was_not(
        self, session: Session, outcome: str, again: int
    ) -> None:
        [first] = findings.record(session, [SHORT], now=NOON)
        resolve(session, first, outcome)
        assert len(findings.record(session, [SHORT], now=NOON + timedelta(days=1))) == again
        worse = replace(SHORT, theirs_minor=10)
        assert len(findings.record(session, [worse], now=NOON + timedelta(days=2))) == 1 - again

    def test_is_resolved_once_with_a_reason_and_stays_so(self, session: Session) -> None:
        [id_] = findings.record(session, [SHORT], now=NOON)
        with pytest.raises(ReasonNeeded):
            resolve(session, id_, "booked", "  ")
        resolve(session, id_, "booked")
        with pytest.raises(FindingResolved):
            resolve(session, id_, "accepted")
        with pytest.raises(FindingNotFound):
            resolve(session, new_id(), "booked")
        [entry] = session.scalars(select(AuditEntry).where(AuditEntry.action == "commerce.resolve_difference"))
        assert entry.details["reason"] == "Asked the bank"
        with pytest.raises(DBAPIError), session.begin_nested():
            session.execute(update(FindingResolution).values(reason="another"))

    def test_pages_keep_their_place(self, session: Session) -> None:
        made = [replace(SHORT, subject=f"pi_{number}") for number in range(5)]
        findings.record(session, made, now=NOON)
        first, cursor = findings.page(session, is_resolved=False, limit=3)
        second, end = findings.page(session, is_resolved=False, limit=3, cursor=cursor)
        assert [len(first), len(second), end] == [3, 2, None]
        assert {line.finding.subject for line in (*first, *second)} == {one.subject for one in made}


class TestRun:
    def test_stripes_own_books_agree_and_a_missing_payment_is_found_once(self, own_shop: Shop) -> None:
        shop = own_shop
        shop.buy(shop.plan(kind="pack"))
        payment = shop.one(Payment)
        refunds.refund_payment(
            shop.session, shop.provider, payment_id=payment.id, amount_minor=1000, reason="Ill", now=datetime.now(UTC)
        )
        shop.stripe.client().v1.payouts.create({"amount": 500, "currency": "eur"})
        key = SecretStr(shop.stripe.secret_key)
        books = StripeBooks(StripeSettings(api_base=shop.stripe.url, secret_key=key))
        tomorrow = datetime.now(UTC) + timedelta(days=1)
        assert books.is_live is False
        [outcome] = reconciliation.run_due(shop.session, [books], now=tomorrow)
        assert (outcome.movements, outcome.found) == (3, 0)
        assert reconciliation.run_due(shop.session, [books], now=tomorrow) == []
        client = shop.stripe.client()
        client.v1.payment_intents.create(
            {"amount": 700, "currency": "eur", "payment_method": "pm_card_visa", "confirm": True}
        )
        outcomes = [reconciliation.run(shop.session, books, now=tomorrow) for _ in range(2)]
        assert [(one.found, len(one.new)) for one in outcomes] == [(1, 1), (1, 0)]
        [line], _ = findings.page(shop.session, is_resolved=False, limit=5)
        assert (line.finding.kind, line.finding.theirs_minor) == ("missing_at_us", 700)

    def test_stripe_tells_of_a_refund_that_came_back(self, own_shop: Shop) -> None:
        shop, now = own_shop, datetime.now(UTC)
        shop.buy(shop.plan(kind="pack"))
        refunds.refund_payment(
            shop.session, shop.provider, payment_id=shop.one(Payment).id, amount_minor=1000, reason="Ill", now=now
        )
        store = shop.stripe.store
        [line] = [one for one in store.all("balance_transaction") if one["reporting_category"] == "refund"]
        with store.transaction():
            back = {"amount": 1000, "net": 1000, "reporting_category": "refund_failure", "type": "refund_failure"}
            store.put(line | {"id": "txn_came_back"} | back)
        books = StripeBooks(StripeSettings(api_base=shop.stripe.url, secret_key=SecretStr(shop.stripe.secret_key)))
        outcome = reconciliation.run(shop.session, books, now=now + timedelta(days=1))
        [row], _ = findings.page(shop.session, is_resolved=False, limit=5)
        assert (outcome.found, row.finding.kind, row.finding.ours_minor) == (1, "refund_not_at_provider", 1000)

    def test_a_provider_that_does_not_answer_keeps_no_other_waiting(self, session: Session) -> None:
        nowhere = StripeBooks(StripeSettings(api_base="http://127.0.0.1:9", secret_key=SecretStr("sk"), max_retries=0))
        now = datetime(2026, 4, 2, 12, tzinfo=UTC)
        for hour, ran in ((0, 1), (1, 0)):
            made = reconciliation.run_due(session, [nowhere, KeptBooks("momo")], now=now + timedelta(hours=hour))
            assert len(made) == ran
        assert session.scalars(select(ReconciliationRun.provider)).all() == ["momo"]

    def test_a_payout_took_along_what_was_paid_before_the_span(self, own_shop: Shop) -> None:
        """The first comparison of an account that has a past: its first payout is not short."""
        shop = own_shop
        shop.buy(shop.plan(kind="pack"))
        shop.stripe.advance(days=40)
        shop.buy(shop.plan(kind="pack"))
        store = shop.stripe.store
        with store.transaction():
            payout = payouts.automatic(store, "eur")
        books = StripeBooks(StripeSettings(api_base=shop.stripe.url, secret_key=SecretStr(shop.stripe.secret_key)))
        tomorrow = datetime.fromtimestamp(store.now(), UTC) + timedelta(days=1)
        outcome = reconciliation.run(shop.session, books, now=tomorrow)
        known = shop.session.scalars(
            select(ProviderMovement.settled_minor - ProviderMovement.fee_minor).where(
                ProviderMovement.payout_id == payout["id"]
            )
        ).all()
        assert (len(known), sum(known)) == (2, payout["amount"])
        assert (outcome.found, shop.session.scalars(select(ReconciliationFinding)).all()) == (0, [])


class TestPages:
    def test_say_how_much_was_compared_whenever_it_was_told(self, session: Session, sign_in: SignIn) -> None:
        """Also in a run in which the provider tells nothing: it counts what is compared, not what is news."""
        month = Month.clean(random.Random("compared"), sales=24)
        month.save(session)
        until = max(one["occurred_at"] for one in month.movements)
        reconciliation.run(session, KeptBooks("stripe"), now=until)
        reconciliation.run(session, KeptBooks("momo"), now=until)
        [momo, stripe] = sign_in(make_account(session, role="finance")).get("/api/commerce/comparisons").json()["items"]
        since = datetime.fromisoformat(stripe["since"])
        lines = sum(since <= one["occurred_at"] < until - reconciliation.GRACE for one in month.movements)
        assert (lines > 24, stripe["lines"], momo["lines"]) == (True, lines, 0)
        page = words(sign_in(make_account(session, role="finance")).get("/staff/books").text)
        assert f", {lines} of its lines since {since.day} {since:%b}" in page
        assert re.search(r"MoMo: compared [^.]+, but it has no line since", page)

    def test_finance_resolves_a_difference(self, session: Session, sign_in: SignIn) -> None:
        [id_] = findings.record(session, [SHORT], now=NOON)
        client = sign_in(make_account(session, role="finance"))
        assert "Another amount" in client.get("/staff/books").text
        [item] = client.get("/api/commerce/differences").json()["items"]
        assert (item["id"], item["ours_minor"], item["resolution"]) == (str(id_), 100, None)
        form = {"outcome": "accepted", "reason": "A cent of the bank's"}
        assert client.post(f"/staff/books/{id_}/resolve", data=form).status_code == 303
        assert "The books agree" in client.get("/staff/books").text
        assert "A cent of the bank" in client.get("/staff/books?show=resolved").text
        again = client.post(f"/api/commerce/differences/{id_}/resolution", json=form)
        assert (again.status_code, again.json()["code"]) == (409, "commerce.finding_resolved")

    def test_each_kind_is_shown_in_words_and_resolved_by_its_form(self, session: Session, sign_in: SignIn) -> None:
        for kind, function in PLANTS.items():
            month = Month.clean(random.Random(kind), sales=24)
            function(month)
            month.save(session)
        found = differences(session, MARCH)
        waiting = dict(zip(findings.record(session, found, now=NOON), found, strict=True))
        client = sign_in(make_account(session, role="finance"))
        outcomes = ("booked", "provider_corrected", "accepted", "no_fault")
        seen: dict[str, str] = {}
        path: str | None = "/staff/books"
        while path:
            page = client.get(path).text
            cards = re.findall(
                r'<article class="card difference" aria-labelledby="d-([^"]+)">(.*?)</article>', page, re.S
            )
            seen |= dict(cards)
            older = re.search(r'href="(/staff/books\?cursor=[^"]+)"', page)
            path = older[1] if older else None
        assert set(seen) == {str(id_) for id_ in waiting}
        for number, (id_, one) in enumerate(waiting.items()):
            card = unescape(seen[str(id_)])
            assert WORDS[one.kind] in card
            assert one.subject in card
            assert ('href="/staff/invoices/' in card) == (one.payment_id is not None)
            action = re.search(r'action="([^"]+)"', card)
            assert action is not None
            form = {"outcome": outcomes[number % 4], "reason": f"Looked into {one.kind}"}
            assert client.post(action[1], data=form).status_code == 303
        assert {one.kind for one in waiting.values()} == set(PLANTS)
        assert "The books agree" in client.get("/staff/books").text

    def test_support_does_not_see_the_books(self, session: Session, sign_in: SignIn) -> None:
        client = sign_in(make_account(session, role="support"))
        assert client.get("/staff/books").status_code == 403
        assert client.get("/api/commerce/differences").status_code == 403
