"""The price list through time: which version of a plan's price somebody pays, what of it is tax, and coupons."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from contracts.events.billing import CouponCreated, CouponRetired
from contracts.events.commerce import PlanUpdated
from plyo.demo.batch import Batch
from plyo.demo.catalogue import CURRENCIES, OFFERS, STUDIOS, price_minor
from plyo.demo.clock import DAY, Clock
from plyo.demo.columns import Ids, Ints, Times

NOTICE = 30 * DAY
"""Members pay a new price from the first period that begins so long after it became valid."""
_TAX = np.array([studio.tax_bp for studio in STUDIOS])


def divide_half_up(numerator: Ints, denominator: Ints | int) -> Ints:
    """Quotients rounded half up, as commerce rounds; nothing negative."""
    return (2 * numerator + denominator) // (2 * denominator)


def net_minor(gross: Ints, studio: Ints) -> Ints:
    """What is left of tax-inclusive amounts without their tax."""
    return gross - divide_half_up(gross * _TAX[studio], 10_000 + _TAX[studio])


@dataclass
class Prices:
    """Amounts and ids, shape (offers, studios, versions); `valid_from` has one entry for each version."""

    amount: NDArray[np.int64]
    ids: NDArray[np.void]
    plan_ids: Ids
    valid_from: Times

    @property
    def rises(self) -> list[Times]:
        """When later versions became valid."""
        return list(self.valid_from[1:])

    def version(self, bought: Times, period: Times) -> Ints:
        """Version that somebody who bought at `bought` pays for a period that begins at `period`."""
        first = np.searchsorted(self.valid_from, bought, side="right") - 1
        later = np.searchsorted(self.valid_from + NOTICE, period, side="right") - 1
        return np.maximum(np.maximum(first, later), 0)


def write_prices(batch: Batch, clock: Clock) -> Prices:
    """Plans and price list into the batch: two rises, 13 and four and a half months ago, where the story is so long."""
    opening = clock.start - 60 * DAY
    rises = [clock.until - back * DAY for back in (396, 137) if clock.until - back * DAY > clock.start + 60 * DAY]
    rises = [each.astype("datetime64[D]").astype("datetime64[us]") for each in rises]
    valid_from = np.array([opening, *rises], "datetime64[us]")
    offers, studios, versions = len(OFFERS), len(STUDIOS), len(valid_from)
    plan_ids = batch.ids(np.full(offers, opening))
    batch.add(
        "commerce.plans", id=plan_ids, code=[each.code for each in OFFERS], name=[each.name for each in OFFERS],
        description=[each.description for each in OFFERS], kind=[each.kind for each in OFFERS],
        interval_months=[1 if each.kind == "membership" else None for each in OFFERS],
        sessions_included=[each.sessions_included for each in OFFERS],
        trial_days=[each.trial_days for each in OFFERS], validity_days=[each.validity_days for each in OFFERS],
        is_active=True, sort_order=np.arange(offers), created_at=np.full(offers, opening),
    )  # fmt: skip
    amount = np.array(
        [[[price_minor(first, version) for version in range(versions)] for first in offer.prices] for offer in OFFERS]
    )
    offer, studio, version = (axis.ravel() for axis in np.indices(amount.shape))
    begins = valid_from[version]
    ids = batch.ids(begins)
    ends = np.append(valid_from[1:], np.datetime64("NaT", "us"))[version]
    batch.add(
        "commerce.plan_prices", id=ids, plan_id=plan_ids[offer], currency=[CURRENCIES[each] for each in studio],
        amount_minor=amount.ravel(), tax_rate_bp=_TAX[studio], valid_from=begins, valid_to=ends,
    )  # fmt: skip
    for each in range(offers):
        for place in range(studios):
            these = (offer == each) & (studio == place)
            batch.announce(
                PlanUpdated, begins[these], plan_id=plan_ids[offer[these]], code=OFFERS[each].code,
                amount_minor=amount.ravel()[these], currency=CURRENCIES[place], valid_from=begins[these],
            )  # fmt: skip
    return Prices(amount=amount, ids=ids.reshape(amount.shape), plan_ids=plan_ids, valid_from=valid_from)


def write_coupons(batch: Batch, desk: Ids, clock: Clock) -> None:
    """Two that can be used, and one of the winter that is taken no more."""
    made = np.maximum(clock.until - np.array([40, 12, 300]) * DAY, clock.start)
    ids, codes = batch.ids(made), ["WELCOME-20", "FRIENDS-10", "NEW-YEAR-25"]
    batch.add(
        "commerce.coupons", id=ids, code=codes, kind="percent", percent_bp=[2000, 1000, 2500],
        duration=["once", "months", "once"], duration_months=[None, 3, None], max_redemptions=[None, 50, 100],
        redeemed_count=0, is_active=[True, True, False], created_at=made, created_by=desk[0],
    )  # fmt: skip
    for number, code in enumerate(codes):
        batch.announce(CouponCreated, made[number : number + 1], coupon_id=ids[number : number + 1], code=code)
    batch.announce(CouponRetired, np.maximum(made[2:] + 30 * DAY, clock.start), coupon_id=ids[2:], code=codes[2])
