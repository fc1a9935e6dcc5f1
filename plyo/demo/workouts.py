"""What clients did with their programmes: workouts done, skipped and ahead, every set of them, and injuries."""

import numpy as np
from numpy.typing import NDArray

from contracts.events import training as facts
from plyo.demo import programmes as plans
from plyo.demo.batch import Batch
from plyo.demo.catalogue import INJURIES
from plyo.demo.clock import DAY, HOUR, MINUTE, Clock
from plyo.demo.columns import Bools, Coded, Floats, Ids, Ints, Maybe, Times
from plyo.demo.journey import DONE, NONE, ONE_TO_ONE, SKIPPED, Journey
from plyo.demo.people import Coaches, Customers
from plyo.demo.programmes import DELOAD_SETS, POSITIONS, SETS, WAVE_RPE, Programmes
from plyo.demo.sessions import ATTENDED, BOOKED, Bookings, alive

PLANNED, COMPLETED, WAS_SKIPPED = range(3)
_NAT = np.datetime64("NaT", "us")
_OWN_DAYS = np.array([2, 4, 6, 1, 3, 5])
"""Days after the first session with the coach on which people train alone, in the order they are taken."""
_NOTES = (
    "Felt strong today.", "Slept badly, kept it easy.", "Grip gave up first.", "New best on the last set!",
    "Gym was packed, swapped the order.", "Lower back a little tight.", "Short on time, no conditioning.",
    "Best session in weeks.",
)  # fmt: skip


def train(
    batch: Batch,
    bookings: Bookings,
    programmes: Programmes,
    *,
    customers: Customers,
    coaches: Coaches,
    journey: Journey,
    clock: Clock,
) -> None:
    """Workouts and sets of a block into the batch, with the events of those completed."""
    random = batch.random
    customer, turn, week = np.nonzero((journey.outcome != NONE) & (programmes.of[:, None, :] >= 0))
    outcome = journey.outcome[customer, turn, week]
    row = _booking_of(bookings, len(customers), clock)[customer, np.minimum(turn, 1), week]
    row = np.where(turn < ONE_TO_ONE[customers.offer[customer]], row, -1)
    cell = np.where(turn < 2, journey.cell[customer, np.minimum(turn, 1), week], -1)
    with_coach = (turn < ONE_TO_ONE[customers.offer[customer]]) & (cell >= 0)
    day = clock.day(week, _weekday(customers, coaches, journey, customer, turn, week, cell, random))
    studio = customers.studio[customer]
    habit = random.integers(6 * 60, 19 * 60, len(customers))[customer] + random.integers(-40, 41, len(customer))
    own_start = clock.utc(studio, day, habit)
    has_booking = row >= 0
    start = np.where(has_booking, bookings.starts_at[np.maximum(row, 0)], own_start)
    minutes = np.where(has_booking, 60, random.integers(38, 85, len(customer)))
    done_at = start + minutes * MINUTE
    booking = np.where(has_booking, bookings.status[np.maximum(row, 0)], -1)
    today = clock.local_day(studio, np.full(len(studio), clock.until))
    done = np.where(has_booking, booking == ATTENDED, (outcome == DONE) & ~with_coach) & (done_at <= clock.until)
    still_today = (day == today) & (done_at > clock.until)
    ahead = (day > today) | np.where(has_booking, booking == BOOKED, still_today)
    status = np.select([done, ahead], [COMPLETED, PLANNED], WAS_SKIPPED)
    lives, _ = alive(journey, customer, start)
    # A session that was to be with the coach but never reached the calendar before the contract began is no workout.
    keep = lives & (has_booking | ~with_coach | (outcome == SKIPPED))
    customer, turn, week, day, start, done_at, minutes, status, row = (
        column[keep] for column in (customer, turn, week, day, start, done_at, minutes, status, row)
    )
    programme = programmes.of[customer, week]
    created = np.maximum(programmes.created_at[programme], clock.start + (week * 7 - 1) * DAY + 18 * HOUR)
    created = np.minimum(created, np.minimum(clock.until, start))
    ids, n = batch.ids(created), len(customer)
    is_done = status == COMPLETED
    deload = (week - programmes.first_week[programme]) % 4 == 3
    effort = WAVE_RPE[(week - programmes.first_week[programme]) % 4] - 0.5 + random.normal(0, 0.6, n)
    by_coach = row >= 0
    coach_ids = coaches.ids[journey.coach[customer, week]]
    note = np.where(is_done & (random.random(n) < 0.06), random.integers(0, len(_NOTES), n), -1)
    batch.add(
        "training.workouts", id=ids, customer_id=customers.ids[customer], programme_id=programmes.ids[programme],
        booking_id=_ids_where(by_coach, bookings.ids[np.maximum(row, 0)]) if len(bookings.ids) else None,
        title=Coded(programmes.layout[programme] + turn, plans.titles()), programme_day=turn + 1, scheduled_on=day,
        status=Coded(status, ("planned", "completed", "skipped")), started_at=np.where(is_done, start, _NAT),
        completed_at=np.where(is_done, done_at, _NAT), duration_minutes=Maybe(minutes, is_done),
        session_rpe=np.where(is_done, np.round(effort.clip(3, 10) * 2) / 2, np.nan), note=Coded(note, _NOTES),
        logged_by=_ids_where(is_done, np.where(by_coach, coach_ids, customers.ids[customer])), created_at=created,
    )  # fmt: skip
    finished = np.flatnonzero(is_done)
    count, volume = _write_sets(
        batch, ids[finished], customer[finished], turn[finished], week[finished], programme[finished],
        deload[finished], programmes, customers,
    )  # fmt: skip
    batch.announce(
        facts.WorkoutLogged, done_at[finished], workout_id=ids[finished],
        customer_id=customers.ids[customer[finished]], set_count=count, volume_kg=volume,
    )  # fmt: skip


def _ids_where(which: Bools, ids: Ids) -> Ids:
    chosen = np.zeros(len(which), "V16")
    chosen[which] = ids[which]
    return chosen


def _booking_of(bookings: Bookings, customers: int, clock: Clock) -> NDArray[np.int64]:
    """(customers, 2, weeks): row of the booking of each one-to-one session, -1 for none."""
    row = np.full((customers, 2, clock.weeks), -1)
    single = np.flatnonzero(bookings.turn >= 0)
    row[bookings.customer[single], bookings.turn[single], bookings.week[single]] = single
    return row


def _weekday(
    customers: Customers,
    coaches: Coaches,
    journey: Journey,
    customer: Ints,
    turn: Ints,
    week: Ints,
    cell: Ints,
    random: np.random.Generator,
) -> Ints:
    """The coach's day for sessions with the coach; own days are spread around it."""
    habit = random.integers(0, 7, len(customers))[customer]
    held = journey.cell[customer, 0, week]
    coach = journey.coach[customer, week]
    anchor = np.where(held >= 0, coaches.cell_weekday[coach, np.maximum(held, 0)], habit)
    second = np.maximum(journey.cell[customer, 1, week], 0)
    taken = np.where(journey.cell[customer, 1, week] >= 0, coaches.cell_weekday[coach, second] - anchor, 0) % 7
    rank = np.maximum(turn - ONE_TO_ONE[customers.offer[customer]], 0)
    own = (anchor + _OWN_DAYS[rank + (_OWN_DAYS.argsort()[taken - 1] <= rank) * (taken > 0)]) % 7
    return np.where(cell >= 0, coaches.cell_weekday[coach, np.maximum(cell, 0)], own)


def _shapes() -> tuple[Ints, NDArray[np.int64], NDArray[np.int64]]:
    """For each shape of workout (exercises, deload): how many sets, then exercise and number of each set."""
    counts, exercises, numbers = [], np.zeros((4, 24), int), np.zeros((4, 24), int)
    for shape in range(4):
        per = np.full(POSITIONS, DELOAD_SETS) if shape % 2 else SETS
        per = per[: POSITIONS - 1 + shape // 2]
        counts.append(per.sum())
        exercises[shape, : per.sum()] = np.repeat(np.arange(len(per)), per)
        numbers[shape, : per.sum()] = np.concatenate([np.arange(each) for each in per])
    return np.array(counts), exercises, numbers


_COUNTS, _EXERCISES, _NUMBERS = _shapes()


def _write_sets(
    batch: Batch,
    workout_ids: Ids,
    customer: Ints,
    turn: Ints,
    week: Ints,
    programme: Ints,
    deload: Bools,
    programmes: Programmes,
    customers: Customers,
) -> tuple[Ints, Floats]:
    """All sets; returns how many each workout has and the kilograms moved in it."""
    random = batch.random
    shape = (plans.positions(customers)[customer] == POSITIONS) * 2 + deload
    count: Ints = _COUNTS[shape]
    row = np.repeat(np.arange(len(count)), count)
    position = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
    at, number = _EXERCISES[shape[row], position], _NUMBERS[shape[row], position]
    exercise = programmes.exercise[programme[row], turn[row], at]
    reps = plans.target_reps(customers, customer[row], at)
    effort = WAVE_RPE[(week - programmes.first_week[programme]) % 4][row] - 0.5 * (at >= 2)
    form = random.normal(1, 0.02, len(count)).clip(0.93, 1.06) * programmes.capacity[customer, week]
    best = plans.max_load(customers, customer[row], exercise) * form[row]
    load = plans.rounded_load(best * plans.fraction_of_max(reps, effort), exercise)
    chance = random.random(len(row))
    missed = (chance < 0.13) & (number >= 2)
    extra = (chance > 0.94) & (number == 0)
    done = np.maximum(reps - missed * (1 + (chance < 0.04)) + extra, 1)
    is_stretch, metres, seconds = plans.stretch(exercise, form[row] * done / reps)
    done = np.where(is_stretch, 0, done)
    felt = effort + 0.35 * number + missed * 0.8 + (chance - 0.5)
    rpe = (np.round(felt.clip(5, 10) * 2) / 2).astype(np.float32)
    batch.add(
        "training.workout_sets", workout_id=workout_ids[row], position=position + 1, exercise_id=exercise + 1,
        reps=done, weight_kg=load, rpe=rpe, distance_m=metres, duration_seconds=seconds,
    )  # fmt: skip
    moved = np.bincount(row, weights=np.nan_to_num(load) * done, minlength=len(count)).astype(np.float64)
    return count, moved


def write_injuries(batch: Batch, *, customers: Customers, journey: Journey, clock: Clock) -> tuple[Ints, Times, Ints]:
    """Injuries into the batch; returns customer, when it was reported and which part hurts, for the conversation."""
    who, week, severity, lasts = (column.astype(int) for column in journey.injuries.columns(4))
    at = clock.start + week * 7 * DAY + batch.random.integers(8 * 60, 6 * 24 * 60, len(who)) * MINUTE
    lives, _ = alive(journey, who, at)
    keep = lives & (at <= clock.until)
    who, week, severity, lasts, at = (column[keep] for column in (who, week, severity, lasts, at))
    part = batch.random.choice(len(INJURIES), len(who), p=[0.22, 0.2, 0.2, 0.1, 0.07, 0.08, 0.08, 0.05])
    healed = clock.start + (week + lasts) * 7 * DAY
    ids = batch.ids(at)
    batch.add(
        "training.injuries", id=ids, customer_id=customers.ids[who], body_part=Coded(part, INJURIES),
        severity=severity, occurred_on=at, resolved_on=np.where(healed <= clock.until, healed, _NAT),
    )  # fmt: skip
    batch.announce(facts.InjuryReported, at, injury_id=ids, customer_id=customers.ids[who])
    over = healed <= clock.until
    batch.announce(facts.InjuryResolved, healed[over], injury_id=ids[over], customer_id=customers.ids[who[over]])
    return who, at, part
