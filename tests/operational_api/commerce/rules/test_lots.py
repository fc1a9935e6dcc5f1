"""What of a wallet is used first, and where it goes back to: worked out by hand, and for any wallet."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from operational_api.commerce.lots import Kind, Lot, draw, last_moment, put_back

MADE = datetime(2026, 5, 1, 12, tzinfo=UTC)


def lot(number: int, kind: Kind, minor: int, *, lasts_days: int | None = None, made: datetime = MADE) -> Lot:
    """One that was made on the first of May unless told."""
    expires_at = None if lasts_days is None else MADE + timedelta(days=lasts_days)
    return Lot(UUID(int=number), kind, minor, expires_at, made)


PAID, PAID_LATER = lot(1, "paid", 500), lot(2, "paid", 500, made=MADE + timedelta(hours=1))
GIFT, GIFT_OF_A_MONTH, GIFT_OF_A_WEEK = (
    lot(3, "gift", 200), lot(4, "gift", 300, lasts_days=30), lot(5, "gift", 100, lasts_days=7),
)  # fmt: skip
WALLET = [PAID_LATER, GIFT, PAID, GIFT_OF_A_MONTH, GIFT_OF_A_WEEK]


class TestDraw:
    def test_gifts_come_first_the_soonest_to_run_out_before_one_that_lasts_then_what_was_paid_first(self) -> None:
        assert draw(WALLET, 1200) == [
            (GIFT_OF_A_WEEK, 100), (GIFT_OF_A_MONTH, 300), (GIFT, 200), (PAID, 500), (PAID_LATER, 100),
        ]  # fmt: skip

    def test_no_more_is_named_than_it_takes(self) -> None:
        assert draw(WALLET, 100) == [(GIFT_OF_A_WEEK, 100)]
        assert draw(WALLET, 101) == [(GIFT_OF_A_WEEK, 100), (GIFT_OF_A_MONTH, 1)]

    def test_of_nothing_wanted_and_of_empty_lots_there_is_none(self) -> None:
        assert draw(WALLET, 0) == []
        assert draw([lot(1, "gift", 0), PAID], 1) == [(PAID, 1)]

    def test_what_is_not_there_is_not_drawn(self) -> None:
        assert draw([PAID, GIFT], 900) == [(GIFT, 200), (PAID, 500)]

    def test_of_two_made_at_once_the_key_decides_so_that_two_who_count_agree(self) -> None:
        other = lot(6, "paid", 500)
        assert draw([other, PAID], 1) == draw([PAID, other], 1) == [(PAID, 1)]


class TestPutBack:
    def test_what_was_used_last_is_filled_first(self) -> None:
        taken = draw(WALLET, 1200)
        back = put_back([lot(one.key.int, one.kind, part, made=one.made_at) for one, part in taken], 150)
        assert [(one.key.int, part) for one, part in back] == [(2, 100), (1, 50)]


def test_the_last_day_of_what_can_be_used_until_midnight_is_the_one_before() -> None:
    assert last_moment(datetime(2026, 6, 1, tzinfo=UTC)) == datetime(2026, 5, 31, 23, 59, 59, tzinfo=UTC)


@st.composite
def _wallets(choose: st.DrawFn) -> list[Lot]:
    kinds: tuple[Kind, Kind] = ("gift", "paid")
    parts = st.tuples(st.sampled_from(kinds), st.integers(0, 50), st.none() | st.integers(1, 9))
    of_lots = choose(st.lists(parts, max_size=6))
    return [lot(number, kind, minor, lasts_days=days) for number, (kind, minor, days) in enumerate(of_lots)]


@given(_wallets(), st.integers(0, 200))
def test_of_any_wallet_as_much_as_there_is_up_to_what_is_wanted_each_lot_once(wallet: list[Lot], wanted: int) -> None:
    for way in (draw, put_back):
        parts = way(wallet, wanted)
        assert sum(part for _, part in parts) == min(wanted, sum(one.minor for one in wallet))
        assert all(0 < part <= one.minor for one, part in parts)
        assert len({one.key for one, _ in parts}) == len(parts)
