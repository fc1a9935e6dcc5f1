"""Who and what is there before customers come: studios, price list, movements, the rule, staff with their hours."""

from dataclasses import dataclass
from functools import cache

import numpy as np
import pyarrow as pa
from pwdlib.hashers.argon2 import Argon2Hasher

from contracts.events import identity as facts
from operational_api.training import vietnamese
from plyo.demo.batch import Batch
from plyo.demo.catalogue import MEASURED, MOVEMENTS, STUDIOS
from plyo.demo.clock import DAY, HOUR, Clock
from plyo.demo.columns import Coded, Ids, Ints, Times
from plyo.demo.people import CLASS_DAYS, CLASS_HOUR, NEVER, Coaches, Texts, shifts
from plyo.demo.prices import Prices, write_coupons, write_prices
from plyo.demo.rules import write_rule
from plyo.demo.wallets import write_top_up
from plyo.logins import LOGINS, PASSWORD

_HOUR = 3600 * 10**6
_TIME_ZONES = tuple(place.time_zone for place in STUDIOS)
_ROLES = ("customer", "coach", "admin", "data")


@dataclass
class Foundation:
    """Ids that all blocks refer to."""

    locations: Ids
    prices: Prices
    rule: Ids
    desk: Ids


@cache
def password_hash() -> str:
    """Argon2id of the demo password with a fixed salt, so that one seed gives one business."""
    return Argon2Hasher().hash(PASSWORD, salt=b"plyo demo salt 1")


def write_accounts(
    batch: Batch, ids: Ids, names: Texts, emails: Texts, role: int, studio: Ints, created: Times
) -> None:
    """Verified accounts with the demo password, and their events."""
    batch.add(
        "identity.accounts", id=ids, email=pa.array(emails.tolist()), email_verified_at=created + 2 * HOUR / 60,
        password_hash=password_hash(), display_name=pa.array(names.tolist()), role=_ROLES[role],
        time_zone=Coded(studio, _TIME_ZONES), locale="en", created_at=created,
    )  # fmt: skip
    words, codes = np.unique(names.astype(str), return_inverse=True)
    batch.announce(
        facts.AccountRegistered, created, account_id=ids, role=_ROLES[role],
        display_name=Coded(codes, tuple(words.tolist())),
        time_zone=Coded(studio, _TIME_ZONES),
    )  # fmt: skip
    batch.announce(facts.EmailVerified, created + 2 * HOUR / 60, account_id=ids)


def lay(batch: Batch, clock: Clock) -> Foundation:
    """Studios, price list, movements, the accounts of the front desk and of an analyst, and the rule into the batch."""
    opening = clock.start - 90 * DAY
    locations = batch.ids(np.full(len(STUDIOS), opening))
    batch.add(
        "scheduling.locations", id=locations, name=[place.name for place in STUDIOS],
        city=[place.city for place in STUDIOS], country_code=[place.country_code for place in STUDIOS],
        time_zone=list(_TIME_ZONES), currency=[place.currency for place in STUDIOS],
        created_at=np.full(len(STUDIOS), opening),
    )  # fmt: skip
    movements = [*MOVEMENTS, *MEASURED]
    batch.add(
        "training.exercises", id=np.arange(1, len(movements) + 1),
        slug=[each.name.lower().replace("'", "").replace(" & ", "-").replace(" ", "-") for each in movements],
        name=[each.name for each in movements], pattern=[each.pattern for each in movements],
        primary_muscle=[each.muscle for each in movements], equipment=[each.equipment for each in movements],
        is_loaded=[each.load > 0 for each in movements], measure=[each.measure for each in movements],
    )  # fmt: skip
    batch.add(
        "training.exercise_names", exercise_id=np.arange(1, len(movements) + 1),
        language=np.full(len(movements), vietnamese.LANGUAGE),
        name=[vietnamese.name_of(each.name) for each in movements],
        words=[vietnamese.words_of(each.name, [each.muscle], each.equipment) for each in movements],
    )  # fmt: skip
    desk = batch.ids(np.array([opening]))
    write_accounts(
        batch, desk, np.array(["Noor Haddad"], object), np.array([LOGINS["admin"]], object), 2, np.zeros(1, int),
        np.array([opening]),
    )  # fmt: skip
    analyst = batch.ids(np.array([opening]))
    write_accounts(
        batch, analyst, np.array(["Ines Duarte"], object), np.array([LOGINS["analyst"]], object), 3,
        np.zeros(1, int), np.array([opening]),
    )  # fmt: skip
    made = Foundation(locations=locations, prices=write_prices(batch, clock), rule=write_rule(batch, clock), desk=desk)
    write_coupons(batch, desk, clock)
    write_top_up(batch, clock)
    return made


def write_coaches(batch: Batch, coaches: Coaches, peak: Ints, locations: Ids, clock: Clock) -> None:
    """A block's coaches with accounts, hours and holidays.

    Args:
        peak: Most clients each coach has at once, which their capacity allows for.
    """
    write_accounts(batch, coaches.ids, coaches.names, coaches.emails, 1, coaches.studio, coaches.created_at)
    hired = clock.monday + (coaches.hired_week * 7).astype("timedelta64[D]")
    left = np.where(
        coaches.left_week >= NEVER, np.datetime64("NaT", "D"),
        clock.monday + (np.minimum(coaches.left_week, clock.weeks) * 7 - 1).astype("timedelta64[D]"),
    )  # fmt: skip
    batch.add(
        "scheduling.coaches", id=coaches.ids, display_name=pa.array(coaches.names.tolist()), bio=coaches.bios,
        specialities=coaches.specialities, location_id=locations[coaches.studio],
        client_capacity=np.maximum(-(-(peak + 1) // 5) * 5, 15), hired_on=hired, left_on=left,
        created_at=coaches.created_at,
    )  # fmt: skip
    stretches = np.array([shifts(kind) for kind in range(4)])[coaches.shift]
    n = len(coaches)
    day = np.concatenate([np.tile(np.repeat(np.arange(5), 2), (n, 1)), np.tile(CLASS_DAYS, (n, 1))], axis=1)
    classes = np.stack([CLASS_HOUR[coaches.shift]] * 2 + [np.full(n, 9)], axis=1)
    begins = np.concatenate([np.tile(stretches[:, [0, 2]], (1, 5)), classes], axis=1)
    ends = np.concatenate([np.tile(stretches[:, [1, 3]], (1, 5)), classes + np.array([1, 1, 4])], axis=1)
    coach = np.repeat(np.arange(n), day.shape[1])
    batch.add(
        "scheduling.availability_rules", id=batch.ids(coaches.created_at[coach]), coach_id=coaches.ids[coach],
        weekday=day.ravel(), starts_at=pa.array(begins.ravel() * _HOUR, pa.time64("us")),
        ends_at=pa.array(ends.ravel() * _HOUR, pa.time64("us")), valid_from=hired[coach], valid_to=left[coach],
    )  # fmt: skip
    # A run of holiday weeks is one absence.
    edges = np.diff(np.pad(coaches.away.astype(int), ((0, 0), (1, 1))), axis=1)
    coach, first = np.nonzero(edges == 1)
    _, after = np.nonzero(edges == -1)
    starts = clock.monday + (first * 7).astype("timedelta64[D]")
    batch.add(
        "scheduling.time_off", id=batch.ids(np.maximum(starts - 60, clock.monday)), coach_id=coaches.ids[coach],
        starts_on=starts, ends_on=clock.monday + (after * 7 - 1).astype("timedelta64[D]"), kind="holiday",
    )  # fmt: skip
