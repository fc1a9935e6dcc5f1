"""The calendar: slots with their seats, bookings with their fates, waitlists, and the events of all of them.

Who trains when was decided in `plyo.demo.journey`; here it becomes hours in a city.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from contracts.events import scheduling as facts
from plyo.demo.batch import Batch
from plyo.demo.catalogue import CLASSES, OFFERS
from plyo.demo.clock import BOOKED_DAYS, DAY, HOUR, MINUTE, Clock
from plyo.demo.columns import Bools, Coded, Ids, Ints, Times, has_id, no_ids
from plyo.demo.journey import ACTIVE, CANCELLED, DONE, LATE, LEAVING, NO_SHOW, NONE, SKIPPED, TRIAL, Journey
from plyo.demo.people import CELLS, GROUP_CELLS, Coaches, Customers

STATUSES = ("booked", "attended", "no_show", "cancelled", "late_cancelled")
BOOKED, ATTENDED, MISSED, IS_CANCELLED, IS_LATE = range(5)
LATE_WINDOW = 12 * HOUR
CAPACITY = np.array([6, 8, 10])
GROUPS = np.array([offer.group for offer in OFFERS])
_NAT = np.datetime64("NaT", "us")


@dataclass
class Bookings:
    """Bookings as parallel columns. `turn` is the one-to-one session of the week, -1 for a class."""

    customer: Ints
    coach: Ints
    week: Ints
    turn: Ints
    cell: Ints
    starts_at: Times
    booked_at: Times
    cancelled_at: Times
    outcome_at: Times
    status: Ints
    ids: Ids
    pack: Ids

    def take(self, index: Ints | Bools) -> "Bookings":
        """The chosen rows."""
        return Bookings(**{name: column[index] for name, column in vars(self).items()})

    def joined(self, other: "Bookings") -> "Bookings":
        """These rows, then the other's."""
        return Bookings(**{name: np.concatenate([column, getattr(other, name)]) for name, column in vars(self).items()})


def alive(journey: Journey, customer: Ints, at: Times) -> tuple[Bools, Times]:
    """Whether each customer was under contract and not paused at an instant, and when that contract began."""
    spells = journey.spells
    turn = (spells.start[customer, 1] <= at).astype(int)
    start, end = spells.start[customer, turn], spells.end[customer, turn]
    paused = (at >= spells.pause_from[customer, turn]) & (at < spells.pause_to[customer, turn])
    return (start < at) & ~(at >= end) & ~paused, start


def book(
    *, customers: Customers, coaches: Coaches, journey: Journey, clock: Clock, random: np.random.Generator
) -> tuple[Bookings, "Waiting"]:
    """All bookings of a block, those of the next days included, and who waited for a seat.

    Ids are still null; packs too.
    """
    single = _one_to_one(customers, coaches, journey, clock, random)
    classes, waiting = _classes(customers, coaches, journey, clock, random)
    return single.joined(classes), waiting


@dataclass
class Waiting:
    """Waitlist entries. `promoted_at` NaT: no seat came free."""

    customer: Ints
    coach: Ints
    week: Ints
    cell: Ints
    starts_at: Times
    joined_at: Times
    promoted_at: Times


def _drawn(
    customer: Ints,
    coach: Ints,
    week: Ints,
    turn: Ints,
    cell: Ints,
    fate: Ints,
    *,
    customers: Customers,
    coaches: Coaches,
    journey: Journey,
    clock: Clock,
    random: np.random.Generator,
) -> Bookings:
    """Bookings with times and statuses as of `until`, for sessions and their fates."""
    day = clock.day(week, coaches.cell_weekday[coach, cell])
    starts = clock.utc(customers.studio[customer], day, coaches.cell_hour[coach, cell] * 60)
    lives, since = alive(journey, customer, starts)
    keep = lives & (starts < clock.until + BOOKED_DAYS * DAY) & (starts > since + 3 * HOUR)
    customer, coach, week, turn, cell, fate, starts, since = (
        column[keep] for column in (customer, coach, week, turn, cell, fate, starts, since)
    )
    n = len(starts)
    booked = starts - ((1.2 + 10 * random.random(n)) * 24 * 60).astype(int) * MINUTE
    recent = clock.until - random.integers(10, 36 * 60, n) * MINUTE
    booked = np.maximum(np.where(booked > clock.until, recent, booked), since + 20 * MINUTE)
    lead = np.where(fate == LATE, random.integers(1, 11, n), random.integers(14, 96, n))
    cancelled = starts - lead * HOUR - random.integers(0, 50, n) * MINUTE
    too_early = booked + ((starts - booked).astype(np.int64) * (0.2 + 0.7 * random.random(n))).astype("timedelta64[us]")
    cancelled = np.where(cancelled > booked, cancelled, too_early)
    gave_up = ((fate == CANCELLED) | (fate == LATE)) & (cancelled <= clock.until)
    outcome = starts + HOUR + random.integers(2, 150, n) * MINUTE
    known = ~gave_up & (outcome <= clock.until)
    status = np.select(
        [gave_up & (starts - cancelled < LATE_WINDOW), gave_up, known & (fate == NO_SHOW), known],
        [IS_LATE, IS_CANCELLED, MISSED, ATTENDED],
        BOOKED,
    )
    return Bookings(
        customer=customer, coach=coach, week=week, turn=turn, cell=cell, starts_at=starts, booked_at=booked,
        cancelled_at=np.where(gave_up, cancelled, _NAT), outcome_at=np.where(known, outcome, _NAT), status=status,
        ids=no_ids(n), pack=no_ids(n),
    )  # fmt: skip


def _one_to_one(
    customers: Customers, coaches: Coaches, journey: Journey, clock: Clock, random: np.random.Generator
) -> Bookings:
    outcome = journey.outcome[:, :2, :]
    is_booked = (journey.cell >= 0) & (outcome != NONE) & (outcome != SKIPPED)
    customer, turn, week = np.nonzero(is_booked)
    return _drawn(
        customer, journey.coach[customer, week].astype(int), week, turn,
        journey.cell[customer, turn, week].astype(int), outcome[customer, turn, week],
        customers=customers, coaches=coaches, journey=journey, clock=clock, random=random,
    )  # fmt: skip


def leads(coaches: Coaches) -> Bools:
    """Which coaches hold classes: every second one of a studio, beginning with the one who never leaves."""
    rank = np.arange(len(coaches)) - np.searchsorted(coaches.studio, coaches.studio)
    is_lead: Bools = rank % 2 == 0
    return is_lead


def works(coaches: Coaches, clock: Clock) -> Bools:
    """Shape (coaches, weeks): hired, not gone, not on holiday."""
    week = np.arange(clock.weeks)
    return (coaches.hired_week[:, None] <= week) & (coaches.left_week[:, None] > week) & ~coaches.away


def _classes(
    customers: Customers, coaches: Coaches, journey: Journey, clock: Clock, random: np.random.Generator
) -> tuple[Bookings, Waiting]:
    trains = np.isin(journey.state, (TRIAL, ACTIVE, LEAVING)) & (GROUPS[customers.offer] > 0)[:, None]
    customer, week = np.nonzero(trains)
    is_lead = leads(coaches)
    lead_of = np.full(len(customers), 0)
    for studio in np.unique(customers.studio):
        mine = np.flatnonzero(customers.studio == studio)
        choice = np.flatnonzero(is_lead & (coaches.studio == studio))
        lead_of[mine] = choice[np.arange(len(mine)) % len(choice)]
    coach = lead_of[customer]
    taste = random.random((len(customer), GROUP_CELLS)) + np.array([0.35, 0, 0.15])
    wanted = np.argsort(-taste, axis=1).argsort(axis=1) < GROUPS[customers.offer[customer]][:, None]
    p = journey.adherence[customer, week][:, None]
    wanted &= random.random(wanted.shape) < 0.1 + 0.85 * p
    wanted &= works(coaches, clock)[coach, week][:, None]
    row, group = np.nonzero(wanted)
    customer, week, coach, cell = customer[row], week[row], coach[row], CELLS + group
    free = ~_is_busy(customer, week, coach, cell, coaches, journey)
    customer, week, coach, cell, p = customer[free], week[free], coach[free], cell[free], p[row, 0][free]
    draw, slack = random.random(len(p)), 1 - p
    fate = np.select(
        [draw < 0.02 + 0.1 * slack, draw < 0.09 + 0.16 * slack, draw < 0.12 + 0.2 * slack], [NO_SHOW, CANCELLED, LATE],
        DONE,
    )  # fmt: skip
    asked = _drawn(
        customer, coach, week, np.full(len(p), -1), cell, fate,
        customers=customers, coaches=coaches, journey=journey, clock=clock, random=random,
    )  # fmt: skip
    return _seat(asked, clock)


def _is_busy(customer: Ints, week: Ints, coach: Ints, cell: Ints, coaches: Coaches, journey: Journey) -> Bools:
    """Whether the customer sees their own coach at the hour of the class."""
    busy = np.zeros(len(customer), bool)
    for turn in range(2):
        own, held = journey.coach[customer, week], journey.cell[customer, turn, week]
        same_day = coaches.cell_weekday[own, held] == coaches.cell_weekday[coach, cell]
        same_hour = coaches.cell_hour[own, held] == coaches.cell_hour[coach, cell]
        busy |= (held >= 0) & same_day & same_hour
    return busy


def _seat(asked: Bookings, clock: Clock) -> tuple[Bookings, Waiting]:
    """First come, first served: those past a class's capacity wait, and get the seats that others give back."""
    slot = (asked.coach * clock.weeks + asked.week) * GROUP_CELLS + asked.cell - CELLS
    order = np.lexsort((asked.booked_at, slot))
    asked, slot = asked.take(order), slot[order]
    rank = np.arange(len(slot)) - np.searchsorted(slot, slot)
    capacity = CAPACITY[asked.cell - CELLS]
    seated = rank < capacity
    given_back = np.bincount(slot[seated & (asked.status == IS_CANCELLED)], minlength=slot.max(initial=0) + 1)
    last = np.full(slot.max(initial=0) + 1, np.datetime64(0, "us"))
    gives = seated & (asked.status == IS_CANCELLED)
    np.maximum.at(last, slot[gives], asked.cancelled_at[gives])
    # A seat goes to the one who waits longest, once the last of those given back is free: nobody is seated too early.
    promoted = ~seated & (rank - capacity < given_back[slot]) & (asked.booked_at < last[slot])
    at = np.where(promoted, np.maximum(last[slot], asked.booked_at) + 2 * MINUTE, _NAT)
    promoted &= at < np.minimum(asked.starts_at, clock.until)
    waits = ~seated
    waiting = Waiting(
        customer=asked.customer[waits], coach=asked.coach[waits], week=asked.week[waits], cell=asked.cell[waits],
        starts_at=asked.starts_at[waits], joined_at=asked.booked_at[waits],
        promoted_at=np.where(promoted, at, _NAT)[waits],
    )  # fmt: skip
    asked.booked_at = np.where(promoted, at, asked.booked_at)
    is_over = asked.starts_at + 4 * HOUR < clock.until
    asked.status = np.where(promoted, np.where(is_over, ATTENDED, BOOKED), asked.status)
    asked.outcome_at = np.where(promoted, np.where(is_over, asked.starts_at + 75 * MINUTE, _NAT), asked.outcome_at)
    asked.cancelled_at = np.where(promoted, _NAT, asked.cancelled_at)
    return asked.take(seated | promoted), waiting


def write(
    batch: Batch,
    bookings: Bookings,
    waiting: Waiting,
    *,
    customers: Customers,
    coaches: Coaches,
    locations: Ids,
    clock: Clock,
) -> NDArray[np.void]:
    """Slots, bookings, waitlist entries and their events into the batch; gives the bookings their ids. Returns those of
    slots by coach, week and cell."""
    slots = _write_slots(batch, bookings, coaches, locations, clock)
    key = (bookings.coach, bookings.week, bookings.cell)
    bookings.ids = batch.ids(bookings.booked_at)
    slot_ids, holds = slots[key], bookings.status <= MISSED
    common = {"booking_id": bookings.ids, "slot_id": slot_ids, "customer_id": customers.ids[bookings.customer],
              "coach_id": coaches.ids[bookings.coach]}  # fmt: skip
    batch.add(
        "scheduling.bookings", id=bookings.ids, slot_id=slot_ids, customer_id=common["customer_id"],
        coach_id=common["coach_id"], seat=_seats(key, holds, clock), starts_at=bookings.starts_at,
        ends_at=bookings.starts_at + HOUR, status=Coded(bookings.status, STATUSES), session_pack_id=bookings.pack,
        booked_at=bookings.booked_at, cancelled_at=bookings.cancelled_at, outcome_at=bookings.outcome_at,
    )  # fmt: skip
    batch.announce(facts.SessionBooked, bookings.booked_at, **common)
    for event, status, at in (
        (facts.SessionAttended, ATTENDED, bookings.outcome_at), (facts.SessionMissed, MISSED, bookings.outcome_at),
    ):  # fmt: skip
        these = bookings.status == status
        batch.announce(event, at[these], **{name: column[these] for name, column in common.items()})
    off = bookings.status >= IS_CANCELLED
    batch.announce(
        facts.SessionCancelled, bookings.cancelled_at[off], **{name: column[off] for name, column in common.items()},
        is_late=(bookings.status == IS_LATE)[off],
    )  # fmt: skip
    _write_waiting(batch, waiting, slots, customers, clock)
    return slots


@dataclass
class Assists:
    """Classes that somebody assists, as parallel columns. `held_at`: when the first who came to one, or missed it, was
    marked; not a time where nobody was."""

    coach: Ints
    classes: Ids
    starts_at: Times
    held_at: Times


def write_assistants(
    batch: Batch, bookings: Bookings, slots: NDArray[np.void], *, coaches: Coaches, locations: Ids,
    since: np.datetime64, clock: Clock,
) -> Assists:  # fmt: skip
    """Who leads no class assists the one on Saturdays of who does, where both are there, from a day on."""
    last, weeks = CELLS + GROUP_CELLS - 1, np.arange(clock.weeks)
    follows = np.zeros(len(coaches), bool)
    follows[1:] = leads(coaches)[:-1] & ~leads(coaches)[1:] & (coaches.studio[1:] == coaches.studio[:-1])
    helps = follows[:, None] & works(coaches, clock) & (clock.monday + weeks * np.timedelta64(7, "D") >= since)
    coach, week = np.nonzero(helps)
    lead = coach - 1
    starts = clock.utc(
        coaches.studio[lead], clock.day(week, coaches.cell_weekday[lead, last]), coaches.cell_hour[lead, last] * 60
    )
    there = has_id(slots[lead, week, last])
    coach, week, lead, starts = coach[there], week[there], lead[there], starts[there]
    classes = slots[lead, week, last]
    created = np.minimum(starts - 28 * DAY, clock.until - HOUR)
    batch.add(
        "scheduling.slots", id=batch.ids(created), coach_id=coaches.ids[coach],
        location_id=locations[coaches.studio[coach]], kind="assist",
        title=Coded((lead * 3 + last) % len(CLASSES), CLASSES), starts_at=starts, ends_at=starts + HOUR,
        capacity=np.zeros(len(coach), int), status="open", assists_id=classes, created_at=created,
    )  # fmt: skip
    marked = np.full((len(coaches), clock.weeks), _NAT)
    came = np.flatnonzero((bookings.cell == last) & np.isin(bookings.status, (ATTENDED, MISSED)))
    came = came[np.argsort(bookings.outcome_at[came])[::-1]]  # of those at one place the last is kept: the earliest
    marked[bookings.coach[came], bookings.week[came]] = bookings.outcome_at[came]
    return Assists(coach, classes, starts, marked[lead, week])


def _write_slots(batch: Batch, bookings: Bookings, coaches: Coaches, locations: Ids, clock: Clock) -> NDArray[np.void]:
    """Every booked hour and class, a part of the hours nobody took, all hours ahead. Ids by coach, week, cell."""
    offered = batch.random.random((len(coaches), clock.weeks, CELLS + GROUP_CELLS)) < 0.05
    offered[:, clock.current :, :] = True
    offered[:, :, CELLS:] = leads(coaches)[:, None, None]
    offered &= works(coaches, clock)[:, :, None]
    offered[bookings.coach, bookings.week, bookings.cell] = True
    coach, week, cell = np.nonzero(offered)
    starts = clock.utc(
        coaches.studio[coach], clock.day(week, coaches.cell_weekday[coach, cell]), coaches.cell_hour[coach, cell] * 60
    )
    created = np.minimum(starts - 28 * DAY, clock.until - HOUR)
    ids, is_class = batch.ids(created), cell >= CELLS
    slots = np.zeros(offered.shape, "V16")
    slots[coach, week, cell] = ids
    titles = ("Personal training", *CLASSES)
    batch.add(
        "scheduling.slots", id=ids, coach_id=coaches.ids[coach], location_id=locations[coaches.studio[coach]],
        kind=Coded(is_class.astype(int), ("one_to_one", "group")),
        title=Coded(np.where(is_class, 1 + (coach * 3 + cell) % len(CLASSES), 0), titles), starts_at=starts,
        ends_at=starts + HOUR, capacity=np.where(is_class, CAPACITY[np.maximum(cell - CELLS, 0)], 1), status="open",
        assists_id=no_ids(len(ids)), created_at=created,
    )  # fmt: skip
    return slots


def _seats(key: tuple[Ints, Ints, Ints], holds: Bools, clock: Clock) -> Ints:
    """A seat for each booking, counted from 1 among those that hold one and, apart, among those given back."""
    slot = (key[0] * clock.weeks + key[1]) * (CELLS + GROUP_CELLS) + key[2]
    group = slot * 2 + ~holds
    order = np.argsort(group, kind="stable")
    ordered = group[order]
    seat = np.empty(len(slot), int)
    seat[order] = np.arange(len(slot)) - np.searchsorted(ordered, ordered) + 1
    return seat


def _write_waiting(batch: Batch, waiting: Waiting, slots: NDArray[np.void], customers: Customers, clock: Clock) -> None:
    slot_ids = slots[waiting.coach, waiting.week, waiting.cell]
    known = has_id(slot_ids)
    ids = batch.ids(waiting.joined_at)
    over = waiting.starts_at < clock.until
    promoted = ~np.isnat(waiting.promoted_at)
    batch.add(
        "scheduling.waitlist_entries", id=ids[known], slot_id=slot_ids[known],
        customer_id=customers.ids[waiting.customer][known],
        status=Coded(np.where(promoted, 1, np.where(over, 2, 0))[known], ("waiting", "promoted", "expired")),
        joined_at=waiting.joined_at[known],
        closed_at=np.where(promoted, waiting.promoted_at, np.where(over, waiting.starts_at, _NAT))[known],
    )  # fmt: skip
    batch.announce(
        facts.WaitlistJoined, waiting.joined_at[known], waitlist_entry_id=ids[known], slot_id=slot_ids[known],
        customer_id=customers.ids[waiting.customer][known],
    )  # fmt: skip
