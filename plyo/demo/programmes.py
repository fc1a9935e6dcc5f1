"""What coaches plan: programmes of eight weeks, their days and exercises, and the weights that a client can lift."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from contracts.events.training import ProgrammeAssigned
from plyo.demo.batch import Batch
from plyo.demo.catalogue import DAY_PATTERNS, FULL_BODY_PATTERNS, GOAL_PROGRAMMES, GOAL_REPS, GOALS, MOVEMENTS
from plyo.demo.clock import DAY, HOUR, Clock
from plyo.demo.columns import Bools, Coded, Floats, Ids, Ints, Maybe, Times
from plyo.demo.journey import ACTIVE, LEAVING, PAUSED, PLANNED, TRIAL, Journey
from plyo.demo.people import Coaches, Customers

WEEKS = 8
DAYS, POSITIONS = 4, 6
SETS = np.array([4, 4, 4, 3, 3, 3])
DELOAD_SETS = 2
WAVE_RPE = np.array([7.0, 7.5, 8.5, 6.0])
"""Target effort of the first set through a wave of four weeks; the fourth is a deload."""
_PATTERNS = sorted({movement.pattern for movement in MOVEMENTS})
_LOAD = np.array([movement.load for movement in MOVEMENTS])
_STEP = np.array(
    [{"barbell": 2.5, "machine": 5.0, "cable": 2.5, "sled": 10.0}.get(each.equipment, 2.0) for each in MOVEMENTS]
)
_STRETCH = np.array([movement.stretch for movement in MOVEMENTS])
_IS_HELD = np.array([movement.measure == "time" for movement in MOVEMENTS])
_SECONDS_PER_METRE = np.where(np.array([movement.load for movement in MOVEMENTS]) > 0, 0.9, 0.25)
"""Of a carry and of a machine."""
_POOLS = [
    sorted((n for n, each in enumerate(MOVEMENTS) if each.pattern == name), key=lambda n: MOVEMENTS[n].load == 0)
    for name in _PATTERNS
]
_POOL = np.array([(pool * 20)[:60] for pool in _POOLS])
_POOL_SIZE = np.array([len(pool) for pool in _POOLS])
_TITLES = tuple(day[0] for day in (*FULL_BODY_PATTERNS, *DAY_PATTERNS))
_LAYOUT = np.array([[_PATTERNS.index(each) for each in day[1]] for day in (*FULL_BODY_PATTERNS, *DAY_PATTERNS)])
"""Shape (8 kinds of day, POSITIONS): the pattern trained at each position."""


@dataclass
class Programmes:
    """Programmes as parallel columns; `of` (customers, weeks) is each week's programme, -1 for none.

    `exercise` has shape (programmes, DAYS, POSITIONS) and counts from 0; `layout` is the kind of each day.
    """

    of: NDArray[np.int64]
    customer: Ints
    first_week: Ints
    ids: Ids
    created_at: Times
    exercise: NDArray[np.int64]
    layout: Ints
    capacity: Floats


def in_training(journey: Journey) -> NDArray[np.bool_]:
    """Weeks in which a customer has a programme to follow."""
    return np.isin(journey.state, (TRIAL, ACTIVE, LEAVING))


def positions(customers: Customers) -> Ints:
    """Exercises a day: five for beginners, six for others."""
    count: Ints = np.where(customers.level == 0, POSITIONS - 1, POSITIONS)
    return count


def target_reps(customers: Customers, customer: Ints, position: Ints) -> Ints:
    """Repetitions a set: the goal's on main lifts, three more on the rest."""
    reps: Ints = np.array(GOAL_REPS)[customers.goal[customer]]
    reps = np.minimum(reps + np.where(position < 2, 0, 3), 15)
    return reps


def fraction_of_max(reps: Ints, rpe: Floats) -> Floats:
    """Part of a one-repetition maximum that leaves `10 - rpe` repetitions in reserve (Epley, inverted)."""
    share: Floats = 1 / (1 + (reps + 10 - rpe) / 30)
    return share


def rounded_load(kg: Floats, exercise: Ints) -> Floats:
    """As plates and dumbbells allow; NaN for movements without external load."""
    step = _STEP[exercise]
    return np.where(_LOAD[exercise] > 0, np.maximum(np.round(kg / step), 1) * step, np.nan)


def stretch(exercise: Ints, share: Floats) -> tuple[Bools, Floats, Maybe]:
    """Of sets of so much of what each movement is at first: which have no repetitions, their metres (NaN where there
    are none) and their seconds. Metres stay, and are gone faster; what is held is held longer, by five seconds.
    """
    metres = np.where(_IS_HELD[exercise] | (_STRETCH[exercise] == 0), np.nan, _STRETCH[exercise])
    held = np.maximum(np.round(_STRETCH[exercise] * share / 5), 1) * 5
    seconds = np.where(_IS_HELD[exercise], held, np.round(np.nan_to_num(metres) * _SECONDS_PER_METRE[exercise] / share))
    is_stretch: Bools = _STRETCH[exercise] > 0
    return is_stretch, metres, Maybe(seconds.astype(int), is_stretch)


def max_load(customers: Customers, customer: Ints, exercise: Ints) -> Floats:
    """One-repetition maximum in kg on the first day."""
    kilograms: Floats = _LOAD[exercise] * customers.weight_kg[customer] * customers.strength[customer]
    return kilograms


def _capacity(customers: Customers, journey: Journey, random: np.random.Generator) -> Floats:
    """(customers, weeks): strength over that of the first day. Grows with work done, rests on plateaus, fades idle."""
    trains = in_training(journey)
    n, weeks = trains.shape
    starts = random.integers(6, 26, (n, 8)).cumsum(axis=1)
    stalled = ((np.arange(weeks) >= starts[:, :, None]) & (np.arange(weeks) < starts[:, :, None] + 5)).any(axis=1)
    gained = journey.adherence * trains * ~stalled - 0.35 * (journey.state == PAUSED)
    work = np.maximum(np.cumsum(gained, axis=1), 0)
    ceiling = np.array([0.55, 0.28, 0.15])[customers.level] * np.clip(random.normal(1, 0.15, n), 0.6, 1.4)
    grown = 1 + ceiling[:, None] * (1 - np.exp(-work / 32))
    return np.asarray(grown * (1 - 0.12 * journey.severity))


def plan(batch: Batch, *, customers: Customers, coaches: Coaches, journey: Journey, clock: Clock) -> Programmes:
    """Programmes of a block with their exercises into the batch."""
    random, spells = batch.random, journey.spells
    trains = in_training(journey) & (np.arange(clock.weeks) <= clock.current + 1)
    week = np.arange(clock.weeks)
    second = np.where(np.isnat(spells.start[:, 1]), clock.weeks, clock.week_of(spells.start[:, 1]))
    turn = week >= second[:, None]
    since = np.where(turn, second[:, None], customers.joined_week[:, None])
    block = np.where(trains, (week - since) // WEEKS, -1)
    key = np.where(trains, (np.arange(len(customers))[:, None] * 2 + turn) * 64 + block, -1)
    unique, first, of = np.unique(key, return_index=True, return_inverse=True)
    if unique[0] < 0:
        unique, first, of = unique[1:], first[1:], of - 1
    customer, first_week = first // clock.weeks, first % clock.weeks
    n = len(unique)
    number = (unique % 64).astype(int)
    begins = (unique // 64 % 2).astype(int)
    opened = spells.start[customer, begins]
    monday = clock.start + first_week * 7 * DAY
    created = np.minimum(np.maximum(monday - 20 * HOUR, opened + HOUR), clock.until)
    ids = batch.ids(created)
    layout = np.where(PLANNED[customers.offer[customer]] > 3, 4, 0)
    exercise = _choose(customers, customer, number, layout, random)
    capacity = _capacity(customers, journey, random)
    programmes = Programmes(
        of=np.asarray(of).reshape(trains.shape), customer=customer, first_week=first_week, ids=ids,
        created_at=created, exercise=exercise, layout=layout, capacity=capacity,
    )  # fmt: skip
    over = spells.end[customer, begins] <= clock.until
    last = np.zeros(n, int)
    rows, weeks = np.nonzero(programmes.of >= 0)
    np.maximum.at(last, programmes.of[rows, weeks], weeks)
    finished = (last - first_week >= WEEKS - 1) & (last <= clock.current)
    status = np.select([finished | (~over & (last < clock.current)), over], [1, 2], 0)
    coach_ids = coaches.ids[journey.coach[customer, first_week]]
    customer_ids = customers.ids[customer]
    names = tuple(name for goal in GOAL_PROGRAMMES for name in goal)
    batch.add(
        "training.programmes", id=ids, customer_id=customer_ids, coach_id=coach_ids,
        name=Coded(customers.goal[customer] * 3 + number % 3, names), goal=Coded(customers.goal[customer], GOALS),
        starts_on=monday, weeks=WEEKS, sessions_per_week=PLANNED[customers.offer[customer]],
        status=Coded(status, ("active", "completed", "abandoned")), created_at=created,
    )  # fmt: skip
    batch.announce(ProgrammeAssigned, created, programme_id=ids, customer_id=customer_ids, coach_id=coach_ids)
    _write_exercises(batch, programmes, customers)
    return programmes


def _choose(
    customers: Customers, customer: Ints, number: Ints, layout: Ints, random: np.random.Generator
) -> NDArray[np.int64]:
    """Main lifts stay through all of a client's programmes, the rest changes with each."""
    favourite = random.integers(0, 4, (len(customers), len(_PATTERNS)))
    patterns = _LAYOUT[layout[:, None] + np.arange(DAYS)]
    liking = favourite[customer[:, None, None], patterns] % _POOL_SIZE[patterns]
    earlier = np.tril(np.ones((POSITIONS, POSITIONS), int), -1)
    earlier[:, :2] = 0
    same = patterns[..., :, None] == patterns[..., None, :]
    repeats = (same * earlier).sum(axis=-1)
    shifted = liking + 1 + (number[:, None, None] * 2 + repeats) % (_POOL_SIZE[patterns] - 1)
    is_main = np.arange(POSITIONS) < 2
    chosen: NDArray[np.int64] = _POOL[patterns, np.where(is_main, liking, shifted % _POOL_SIZE[patterns])]
    return chosen


def _write_exercises(batch: Batch, programmes: Programmes, customers: Customers) -> None:
    days = PLANNED[customers.offer[programmes.customer]]
    wide = np.arange(DAYS)[:, None] < days[:, None, None]
    wide = wide & (np.arange(POSITIONS) < positions(customers)[programmes.customer][:, None, None])
    row, day, position = np.nonzero(wide)
    customer, exercise = programmes.customer[row], programmes.exercise[row, day, position]
    reps = target_reps(customers, customer, position)
    strength = programmes.capacity[customer, programmes.first_week[row]]
    load = max_load(customers, customer, exercise) * strength * fraction_of_max(reps, np.full(len(row), 7.5))
    is_stretch, metres, seconds = stretch(exercise, strength)
    seconds = Maybe(seconds.values, is_stretch & np.isnan(metres))
    batch.add(
        "training.planned_exercises", id=batch.ids(programmes.created_at[row]), programme_id=programmes.ids[row],
        day=day + 1, position=position + 1, exercise_id=exercise + 1, sets=SETS[position],
        reps=np.where(is_stretch, 1, reps), weight_kg=rounded_load(load, exercise),
        target_rpe=np.where(position < 2, 8.0, 7.5), distance_m=metres, duration_seconds=seconds,
    )  # fmt: skip


def titles() -> tuple[str, ...]:
    """Names of the kinds of day, in the order of `Programmes.layout` plus the day."""
    return _TITLES
