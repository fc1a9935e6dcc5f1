"""What watches and rings saw: sleep, HRV, resting heart rate and steps, with gaps and with second devices."""

from dataclasses import dataclass

import numpy as np

from contracts.events.compliance import ConsentChanged
from operational_api.compliance.service.consents import POLICY_VERSION
from plyo.demo.batch import Batch
from plyo.demo.catalogue import DEVICES
from plyo.demo.clock import DAY, MINUTE, Clock
from plyo.demo.columns import Coded, Floats, Ints, Maybe, Times
from plyo.demo.journey import Journey
from plyo.demo.people import Customers


@dataclass
class _Bodies:
    """What is usual for each customer, and how each week differs: two devices of one person tell nearly the same."""

    hrv: Floats
    heart_rate: Floats
    sleep: Floats
    steps: Floats
    mood: Floats

    @classmethod
    def draw(cls, customers: Customers, clock: Clock, random: np.random.Generator) -> "_Bodies":
        n, age = len(customers), int(str(clock.until)[:4]) - customers.birth_year
        return cls(
            hrv=np.exp(random.normal(4.0, 0.28, n) - 0.011 * (age - 35)),
            heart_rate=random.normal(61, 6, n) - 3 * customers.level,
            sleep=random.normal(432, 32, n),
            steps=random.lognormal(8.95, 0.32, n),
            mood=random.normal(0, 1, (n, clock.weeks)),
        )


def wear(batch: Batch, *, customers: Customers, journey: Journey, clock: Clock) -> None:
    """Wearable days into the batch, from joining until three weeks after leaving, yesterday at the latest."""
    random = batch.random
    body = _Bodies.draw(customers, clock, random)
    owners = np.flatnonzero(customers.has_wearable)
    last = np.where(np.isnat(journey.spells.end[owners, 0]), clock.until, journey.spells.end[owners, 0] + 21 * DAY)
    returned = ~np.isnat(journey.spells.start[owners, 1])
    last = np.where(returned, clock.until, np.minimum(last, clock.until)).astype("datetime64[D]")
    first = customers.joined_at[owners].astype("datetime64[D]")
    count = np.maximum((last - first).astype(int), 0)
    row = np.repeat(np.arange(len(owners)), count)
    day = first[row] + (np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)).astype("timedelta64[D]")
    week = np.maximum((day - clock.monday).astype(int) // 7, 0)
    # Whole weeks without the device, and single days it was not worn.
    off = (random.random((len(owners), clock.weeks)) < 0.06)[row, week] | (random.random(len(row)) < 0.05)
    off &= ~(customers.protected[owners][row] & (random.random(len(row)) < 0.7))
    row, day, week = row[~off], day[~off], week[~off]
    who = owners[row]
    main = random.choice(len(DEVICES), len(owners), p=[0.36, 0.27, 0.14, 0.13, 0.10])
    _write(batch, who, day, week, main[row], customers=customers, journey=journey, clock=clock, body=body)
    has_second = random.random(len(owners)) < 0.12
    twice = has_second[row] & (random.random(len(row)) < 0.6)
    second = (main + 1 + random.integers(0, len(DEVICES) - 1, len(owners))) % len(DEVICES)
    _write(batch, who[twice], day[twice], week[twice], second[row[twice]],
           customers=customers, journey=journey, clock=clock, body=body)  # fmt: skip
    _agree(batch, customers, owners)


def _agree(batch: Batch, customers: Customers, owners: Ints) -> None:
    # Whoever wears something said yes to it being kept on the day they came; some would not have it learned from.
    n, kinds, purposes = len(owners), ("activity", "sleep", "daily"), ("coaching", "modelling")
    learns = (batch.random.random(n) < 0.88) | customers.protected[owners]
    who = np.repeat(owners, len(kinds) * len(purposes))
    kind = np.tile(np.repeat(np.arange(len(kinds)), len(purposes)), n)
    purpose = np.tile(np.arange(len(purposes)), n * len(kinds))
    given = (purpose == 0) | np.repeat(learns, len(kinds) * len(purposes))
    at, consent = customers.joined_at[who], batch.ids(customers.joined_at[who])
    batch.add(
        "compliance.consents", id=consent, customer_id=customers.ids[who], data_kind=Coded(kind, kinds),
        purpose=Coded(purpose, purposes), is_given=given, policy_version=POLICY_VERSION, decided_at=at,
        decided_by=customers.ids[who],
    )  # fmt: skip
    batch.announce(
        ConsentChanged, at, consent_id=consent, customer_id=customers.ids[who], data_kind=Coded(kind, kinds),
        purpose=Coded(purpose, purposes), is_given=given, policy_version=POLICY_VERSION,
    )  # fmt: skip


def _write(
    batch: Batch,
    who: Ints,
    day: Times,
    week: Ints,
    device: Ints,
    *,
    customers: Customers,
    journey: Journey,
    clock: Clock,
    body: _Bodies,
) -> None:
    n = len(who)
    trained = (journey.outcome == 1).sum(axis=1)
    random, weekend = batch.random, (day.astype(np.int64) + 3) % 7 >= 5
    strain = body.mood[who, week] * 0.07 - 0.012 * trained[who, week] - 0.05 * journey.severity[who, week]
    fitness = 0.06 * (1 - np.exp(-np.maximum(week - customers.joined_week[who], 0) / 30))
    hrv = body.hrv[who] * np.exp(strain + fitness + random.normal(0, 0.11, n))
    heart = body.heart_rate[who] * (1 - fitness) - 18 * strain + random.normal(0, 1.6, n)
    sleep = body.sleep[who] + 34 * weekend + random.normal(0, 42, n) + 60 * strain
    steps = body.steps[who] * np.exp(random.normal(0, 0.36, n) - 0.1 * weekend)
    slept = random.random(n) > 0.05
    keeps = ~np.isin(device, (DEVICES.index("fitbit"),)) & slept
    received = day + np.timedelta64(1, "D")
    at = clock.utc(customers.studio[who], received, random.integers(6 * 60, 10 * 60, n))
    batch.add(
        "training.wearable_days", customer_id=customers.ids[who], day=day, device=Coded(device, DEVICES),
        sleep_minutes=Maybe(sleep.clip(180, 660).astype(int), slept),
        hrv_rmssd_ms=np.where(keeps, np.round(hrv.clip(8, 190), 1), np.nan),
        resting_heart_rate_bpm=np.round(heart.clip(38, 95)).astype(int),
        steps=steps.clip(300, 42_000).astype(int), received_at=np.minimum(at, clock.until - MINUTE),
    )  # fmt: skip
