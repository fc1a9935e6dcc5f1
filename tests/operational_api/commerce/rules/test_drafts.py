"""How given_back are used on an invoice between rates of tax, to the cent."""

from hypothesis import example, given
from hypothesis import strategies as st

from operational_api.commerce.billing.drafts import Draft, draft
from operational_api.commerce.billing.proration import Item


def item(kind: str, amount: int, tax: int) -> Item:
    return Item(kind, f"{kind} {amount}", amount, tax, 0)


def made(*items: Item) -> Draft:
    found = draft(items)
    assert found is not None
    return found


def left(found: Draft) -> list[tuple[int, int] | None]:
    return [one and (one.amount_minor, one.tax_minor) for one in found.left]


class TestDraft:
    def test_a_charge_after_a_credit_is_charged_too(self) -> None:
        found = made(item("membership", 1000, 160), item("unused", -300, -48), item("fee", 500, 80))
        assert [line.amount_minor for line in found.lines] == [1000, 500, -300]
        assert (found.total_minor, found.tax_minor, left(found)) == (1200, 192, [None, None, None])

    def test_the_oldest_credit_is_used_first_and_each_from_what_is_left(self) -> None:
        given_back = [item("unused", -700, -112), item("unused", -500, -80), item("unused", -9, -1)]
        found = made(*given_back, item("membership", 1000, 160))
        assert [line.amount_minor for line in found.lines] == [1000, -700, -300]
        assert (found.total_minor, found.tax_minor) == (0, 0)
        assert left(found) == [None, (-200, -32), (-9, -1), None]

    def test_a_credit_with_more_tax_than_is_due_is_used_as_far_as_the_tax_goes(self) -> None:
        # 500 back with 100 of tax in it, of 1000 with 40: at 200 the tax is used up, and 202 would still round to it
        found = made(item("unused", -500, -100), item("membership", 1000, 40))
        [_, used] = found.lines
        assert used.tax_minor == -40
        assert found.tax_minor == 0
        assert left(found)[0] == (-500 - used.amount_minor, -60)
        assert 200 <= -used.amount_minor <= 202

    def test_a_credit_with_less_tax_than_is_due_is_used_as_far_as_the_net_goes(self) -> None:
        # 1000 back without tax, of 1000 with 160 of tax: no more than the 840 without it
        found = made(item("unused", -1000, 0), item("membership", 1000, 160))
        assert [line.amount_minor for line in found.lines] == [1000, -840]
        assert (found.total_minor, found.tax_minor, left(found)[0]) == (160, 160, (-160, 0))

    @given(
        credit=st.integers(1, 700).flatmap(lambda amount: st.tuples(st.just(amount), st.integers(0, amount // 4))),
        charge=st.integers(1, 700).flatmap(lambda amount: st.tuples(st.just(amount), st.integers(0, amount // 4))),
    )
    @example(credit=(21, 1), charge=(303, 0))  # 10 of it have no tax yet
    @example(credit=(591, 39), charge=(508, 33))  # one rate, and one cent of net that the rounding of the tax took
    def test_no_more_of_a_credit_would_fit(self, credit: tuple[int, int], charge: tuple[int, int]) -> None:
        found = made(item("unused", -credit[0], -credit[1]), item("membership", *charge))
        used = credit[0] if left(found)[0] is None else credit[0] + found.left[0].amount_minor  # type: ignore[union-attr]
        fitting = [
            part for part in range(min(credit[0], charge[0]) + 1)
            if (tax := (2 * part * credit[1] + credit[0]) // (2 * credit[0])) <= charge[1]
            and part - tax <= charge[0] - charge[1]
        ]  # fmt: skip
        assert used == max(fitting)
        assert (found.total_minor, found.tax_minor >= 0) == (charge[0] - used, True)

    def test_discounts_are_part_of_what_is_charged(self) -> None:
        found = made(item("membership", 1000, 160), item("discount", -1000, -160), item("unused", -50, -8))
        assert (found.total_minor, left(found)) == (0, [None, None, (-50, -8)])
