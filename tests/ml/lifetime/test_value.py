"""Values of pack buyers on a real lake: who is valued, from what, and what is written."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import duckdb
import numpy as np
import polars as pl
import pytest

from contracts import warehouse
from ml.churn.settings import ChurnSettings
from ml.lifetime import purchases, value
from ml.marts import MartsMissing
from tests.ml import marts

TODAY = date(2026, 11, 23)
Pack = tuple[int, str, date, int]
"""Who, in which currency, when, for how much."""


def business(
    settings: ChurnSettings, packs: Sequence[Pack], members: dict[int, date] | None = None,
    invoices: Sequence[dict[str, object]] = (), disputed: dict[int, int] | None = None,
) -> None:  # fmt: skip
    """Packs and whose they are.

    Args:
        invoices: What became of those of some packs, by `pack`, the number of each.
        disputed: By pack, what a bank took of its payment.
    """
    members = members or {}
    paid = {"status": "paid", "total_minor": 11_900, "credited_minor": 0, "refunded_minor": 0}
    marts.write(
        settings,
        finance__fct_packs=pl.DataFrame(
            [
                {"session_pack_id": str(UUID(int=n)), "customer_id": str(UUID(int=who)), "currency": currency,
                 "purchased_on": on, "net_minor": amount}
                for n, (who, currency, on, amount) in enumerate(packs)
            ],
            schema={"session_pack_id": pl.String, "customer_id": pl.String, "currency": pl.String,
                    "purchased_on": pl.Date, "net_minor": pl.Int64},
        ),
        finance__fct_invoices=pl.DataFrame(
            [
                paid | one | {"invoice_id": str(UUID(int=int(str(one["pack"])))),
                              "session_pack_id": str(UUID(int=int(str(one["pack"]))))}
                for one in invoices
            ],
            schema={"invoice_id": pl.String, "session_pack_id": pl.String, "status": pl.String,
                    "total_minor": pl.Int64, "credited_minor": pl.Int64, "refunded_minor": pl.Int64},
        ),
        finance__fct_payments=pl.DataFrame(
            [
                {"invoice_id": str(UUID(int=pack)), "disputed_minor": minor}
                for pack, minor in (disputed or {}).items()
            ],
            schema={"invoice_id": pl.String, "disputed_minor": pl.Int64},
        ),
        core__dim_customers=pl.DataFrame(
            [
                {"customer_id": str(UUID(int=who)), "member_since": midnight(members.get(who))}
                for who in sorted({who for who, *_ in packs})
            ],
            schema={"customer_id": pl.String, "member_since": pl.Datetime("us", "UTC")},
        ),
        core__fct_builds=pl.DataFrame({"data_as_of": [datetime(2026, 11, 23, 9, tzinfo=UTC)]}),
    )  # fmt: skip


def midnight(day: date | None) -> datetime | None:
    return datetime(day.year, day.month, day.day, tzinfo=UTC) if day else None


def paced(people: int = 120, *, currency: str = "EUR", first: int = 0, seed: int = 1) -> list[Pack]:
    """People who buy a pack every few weeks for a year, some of whom stop."""
    random = np.random.default_rng(seed)
    packs: list[Pack] = []
    for who in range(first, first + people):
        day, usual = TODAY - timedelta(days=int(random.integers(200, 400))), int(random.integers(8000, 20000))
        while day <= TODAY:
            packs.append((who, currency, day, usual + int(random.integers(-500, 500))))
            if random.random() < 0.15:
                break
            day += timedelta(days=max(1, int(random.exponential(35))))
    return packs


def told(settings: ChurnSettings, table: str = "lifetime_values") -> pl.DataFrame:
    with warehouse.reading(settings) as lake:
        return lake.execute(f"select * from marts.ml.{table} order by all").pl()


class TestRun:
    def test_everybody_who_buys_packs_is_told_a_value_in_their_currency(self, settings):
        business(settings, [*paced(), *paced(60, currency="VND", first=500, seed=2)])
        ran = value.run(settings)
        assert (ran.as_of, ran.rows, ran.buyers) == (TODAY, 180, 180)
        rows = told(settings)
        assert rows.group_by("currency").len().sort("currency").rows() == [("EUR", 120), ("VND", 60)]
        assert rows["probability_alive"].is_between(0, 1).all()
        assert (
            rows["expected_value_minor"] - rows["expected_purchases"] * rows["expected_spend_minor"]
        ).abs().max() < 1e-6
        models = told(settings, "lifetime_models")
        assert models["currency"].to_list() == ["EUR", "VND"]
        assert models["purchase_r"].n_unique() == 1, "how often is learned together"
        assert models["spend_p"].n_unique() == 2, "how much is learned apart"

    def test_who_came_last_week_is_worth_more_than_who_fell_silent(self, settings):
        regular = [(900, "EUR", TODAY - timedelta(days=30 * n), 10000) for n in range(8)]
        silent = [(901, "EUR", TODAY - timedelta(days=150 + 30 * n), 10000) for n in range(8)]
        business(settings, [*paced(), *regular, *silent])
        value.run(settings)
        worth = dict(told(settings).select("customer_id", "expected_value_minor").rows())
        assert worth[str(UUID(int=900))] > 5 * worth[str(UUID(int=901))]

    def test_two_packs_on_a_day_are_one_purchase(self, settings):
        double = [(900, "EUR", TODAY - timedelta(days=10), 5000), (900, "EUR", TODAY - timedelta(days=10), 7000)]
        business(settings, [*paced(), *double])
        value.run(settings)
        row = told(settings).row(by_predicate=pl.col("customer_id") == str(UUID(int=900)), named=True)
        assert (row["purchases"], row["mean_spend_minor"], row["last_purchased_on"]) == (
            1,
            12000,
            TODAY - timedelta(days=10),
        )

    def test_what_was_given_back_or_lost_of_a_pack_is_not_what_it_brought(self, settings):
        """Each buyer has two packs of 100.00 and tax, of the second of which something happened."""
        cases: list[tuple[dict[str, object], int, int | None]] = [
            ({}, 0, 10_000), ({"refunded_minor": 5950}, 0, 5000), ({"credited_minor": 2975}, 0, 7500),
            ({"refunded_minor": 5950, "credited_minor": 5950}, 0, 5000), ({}, 5950, 5000),
            ({"refunded_minor": 5950}, 2975, 2500), ({"refunded_minor": 11_900}, 0, None),
            ({"status": "uncollectible"}, 0, None), ({"status": "void"}, 0, None),
        ]  # fmt: skip
        packs: list[Pack] = []
        for who in range(len(cases)):
            packs += [(900 + who, "EUR", TODAY - timedelta(days=days), 10_000) for days in (90, 30)]
        invoices = [{"pack": 2 * n + 1, **became} for n, (became, _, _) in enumerate(cases)]
        business(settings, packs, invoices=invoices, disputed={2 * n + 1: lost for n, (_, lost, _) in enumerate(cases)})
        with warehouse.reading(settings) as lake:
            frame = purchases.by_currency(lake, TODAY)["EUR"].frame
        for row, (_, _, left) in zip(frame.sort("customer_id").rows(named=True), cases, strict=True):
            assert (row["purchases"], row["mean_spend_minor"]) == ((2, (10_000 + left) / 2) if left else (1, 10_000))
            assert row["mean_of_repeats_minor"] == (left or 0)

    def test_a_member_is_learned_from_until_they_joined_and_told_no_value(self, settings):
        joined = TODAY - timedelta(days=100)
        buyer = [(900, "EUR", TODAY - timedelta(days=days), 10000) for days in (300, 200, 90)]
        business(settings, [*paced(), *buyer], members={900: joined})
        ran = value.run(settings)
        assert (ran.buyers, ran.rows) == (121, 120)
        with warehouse.reading(settings) as lake:
            known = purchases.by_currency(lake, TODAY)["EUR"].where(pl.col("customer_id") == str(UUID(int=900)))
        assert known.frequency.tolist() == [1], "the pack after joining does not count"
        assert known.age.tolist() == [200 / 7], "silence after joining is no silence"

    def test_a_member_who_never_bought_before_is_no_buyer(self, settings):
        business(settings, [*paced(), (900, "EUR", TODAY, 10000)], members={900: TODAY - timedelta(days=5)})
        assert value.run(settings).buyers == 120

    def test_a_day_before_knows_nothing_of_what_came_later(self, settings):
        business(settings, paced())
        early = TODAY - timedelta(days=60)
        value.run(settings, as_of=early)
        assert told(settings)["last_purchased_on"].max() <= early

    def test_few_buyers_are_told_nothing_and_why(self, settings):
        business(settings, paced(20))
        ran = value.run(settings)
        assert ran.rows == 0
        assert "30 are needed" in ran.decision
        assert told(settings, "lifetime_models")["decision"].to_list() == [ran.decision]

    def test_nobody_bought_anything(self, settings):
        business(settings, [])
        assert (value.run(settings).rows, len(told(settings))) == (0, 0)

    def test_again_writes_nothing(self, settings):
        business(settings, paced())
        value.run(settings)
        with warehouse.reading(settings) as lake:
            before = warehouse.snapshot_id(lake, "marts")
        value.run(settings)
        with warehouse.reading(settings) as lake:
            assert warehouse.snapshot_id(lake, "marts") == before

    def test_who_is_not_in_the_marts_any_more_loses_their_value(self, settings):
        business(settings, paced())
        value.run(settings)
        business(settings, [pack for pack in paced() if pack[0] != 7])
        value.run(settings)
        assert str(UUID(int=7)) not in told(settings)["customer_id"].to_list()

    def test_without_marts_it_says_so(self, settings):
        with pytest.raises(MartsMissing, match="not built yet"):
            value.run(settings)
        with warehouse.reading(settings) as lake, pytest.raises(duckdb.CatalogException):
            lake.execute("from marts.ml.lifetime_values")
