"""One block of customers, from first lead to last message: the order in which its parts need each other."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from contracts.events.training import CoachAssigned
from plyo.demo import billing, earnings, foundation, rules, sessions, subscriptions, wallets, words, workouts
from plyo.demo.batch import Batch
from plyo.demo.catalogue import CURRENCIES, GOALS, LEVELS, ZONES
from plyo.demo.clock import DAY, HOUR, MINUTE, Clock
from plyo.demo.columns import Coded, Ints, Times, has_id
from plyo.demo.conversation import Conversation, Occasions, write_leads, write_preferences
from plyo.demo.journey import LEAVING, TRIAL, Journey, simulate
from plyo.demo.people import DEMO_COACH, DEMO_CUSTOMER, Coaches, Customers, enrol, hire
from plyo.demo.programmes import plan
from plyo.demo.wearables import wear

_REASONS = ("joined", "coach left", "coach changed", "came back")


@dataclass
class Block:
    """What a block leaves behind: rows to load and the truth about them."""

    batch: Batch
    customers: Customers
    journey: Journey


def live(
    *,
    number: int,
    size: int,
    offset: int,
    base: foundation.Foundation,
    clock: Clock,
    seed: int,
) -> Block:
    """Simulate a block and collect its rows.

    Args:
        number: Counts from 0; the demo coach and the demo customer are in block 0.
        size: Customers in it.
        offset: Customers in the blocks before.
    """
    random = np.random.default_rng([seed, number + 1])
    batch = Batch(block=number + 1, random=random, until=clock.until)
    coaches = hire(customers=size, block=number, clock=clock, random=random)
    customers = enrol(count=size, offset=offset, is_first=number == 0, clock=clock, random=random)
    journey = simulate(
        customers=customers, coaches=coaches, is_first=number == 0, clock=clock, rises=base.prices.rises, random=random
    )
    foundation.write_coaches(batch, coaches, _peak(journey, len(coaches)), base.locations, clock)
    moves = _write_people(batch, customers, coaches, journey, base, clock)
    write_leads(batch, customers, base.locations, clock)
    bookings, waiting = sessions.book(customers=customers, coaches=coaches, journey=journey, clock=clock, random=random)
    packs = billing.sell_packs(batch, bookings, customers=customers, prices=base.prices)
    slots = sessions.write(
        batch, bookings, waiting, customers=customers, coaches=coaches, locations=base.locations, clock=clock
    )
    members = subscriptions.subscribe(
        customers=customers, journey=journey, prices=base.prices, clock=clock, batch=batch,
        adherence=journey.adherence.mean(axis=1),
    )  # fmt: skip
    charges = billing.charge_members(members, random, customers=customers, clock=clock)
    subscriptions.write_memberships(
        batch, members, billing.overdue(members, charges, clock.until), customers=customers, journey=journey,
        prices=base.prices, clock=clock,
    )  # fmt: skip
    spent = billing.collect(batch, [charges, packs], customers=customers, clock=clock)
    programmes = plan(batch, customers=customers, coaches=coaches, journey=journey, clock=clock)
    workouts.train(batch, bookings, programmes, customers=customers, coaches=coaches, journey=journey, clock=clock)
    hurt = workouts.write_injuries(batch, customers=customers, journey=journey, clock=clock)
    wear(batch, customers=customers, journey=journey, clock=clock)
    talk = Conversation(batch, customers, coaches, journey, clock, base.desk[0])
    _talk(talk, customers, journey, moves, hurt, members, base, clock, number == 0)
    rules.write_runs(batch, talk, base.rule, customers=customers, coaches=coaches, journey=journey, clock=clock)
    assists = sessions.write_assistants(
        batch, bookings, slots, coaches=coaches, locations=base.locations, since=earnings.first_days(clock)[0],
        clock=clock,
    )  # fmt: skip
    earnings.earn(batch, bookings, packs, assists, customers=customers, coaches=coaches, desk=base.desk, clock=clock)
    wallets.write(batch, spent, customers=customers, desk=base.desk, clock=clock)
    return Block(batch, customers, journey)


def _peak(journey: Journey, coaches: int) -> Ints:
    """Most clients each coach has in any week."""
    live_weeks = (journey.state >= TRIAL) & (journey.state <= LEAVING)
    _, week = np.nonzero(live_weeks)
    load = np.zeros((coaches, journey.state.shape[1]), int)
    np.add.at(load, (journey.coach[live_weeks], week), 1)
    peak: Ints = load.max(axis=1)
    return peak


def _write_people(
    batch: Batch,
    customers: Customers,
    coaches: Coaches,
    journey: Journey,
    base: foundation.Foundation,
    clock: Clock,
) -> Occasions:
    """Accounts, payers, clients, preferences and coach assignments; returns the changes of coach."""
    created = customers.joined_at - 10 * MINUTE
    foundation.write_accounts(batch, customers.ids, customers.names, customers.emails, 0, customers.studio, created)
    batch.add(
        "commerce.customers", id=customers.ids, currency=Coded(customers.studio, CURRENCIES),
        created_at=customers.joined_at,
    )  # fmt: skip
    write_preferences(batch, customers)
    who, week, new, _, left = (column.astype(int) for column in journey.moves.columns(5))
    order = np.lexsort((np.arange(len(who)), week, who))
    who, week, new, left = who[order], week[order], new[order], left[order]
    # Of two changes in one week the last counts, and a change back to the same coach is none.
    last = np.r_[(who[1:] != who[:-1]) | (week[1:] != week[:-1]), True]
    who, week, new, left = who[last], week[last], new[last], left[last]
    real = np.r_[True, (who[1:] != who[:-1]) | (new[1:] != new[:-1])]
    who, week, new, left = who[real], week[real], new[real], left[real]
    first = np.r_[True, who[1:] != who[:-1]]
    at = np.minimum(clock.start + week * 7 * DAY + 5 * HOUR, clock.until - MINUTE)
    at = np.where(first, customers.joined_at[who] + MINUTE, np.maximum(at, customers.joined_at[who] + 2 * MINUTE))
    returned = journey.spells.start[who, 1]
    is_return = ~first & ~np.isnat(returned) & (clock.week_of(np.where(np.isnat(returned), at, returned)) == week)
    at = np.where(is_return, returned + MINUTE, at)
    ended = np.where(np.r_[first[1:], True], np.datetime64("NaT", "us"), np.r_[at[1:], at[:1]])
    today = np.isnat(ended)
    coach_of = np.zeros(len(customers), "V16")
    coach_of[who[today]] = coaches.ids[new[today]]
    batch.add(
        "training.clients", id=customers.ids, display_name=pa.array(customers.names.tolist()), coach_id=coach_of,
        location_id=base.locations[customers.studio], goal=Coded(customers.goal, GOALS),
        level=Coded(customers.level, LEVELS), birth_year=customers.birth_year,
        home_distance_km=customers.distance_km, time_zone=Coded(customers.studio, ZONES),
        joined_at=customers.joined_at,
    )  # fmt: skip
    batch.add(
        "training.coach_assignments", id=batch.ids(at), customer_id=customers.ids[who], coach_id=coaches.ids[new],
        assigned_at=at, ended_at=ended,
        reason=Coded(np.select([first, is_return, left > 0], [0, 3, 1], 2), _REASONS),
    )  # fmt: skip
    before = np.zeros(len(who), "V16")
    before[~first] = coaches.ids[new[:-1]][~first[1:]]
    batch.announce(
        CoachAssigned, at, customer_id=customers.ids[who], coach_id=coaches.ids[new], previous_coach_id=before
    )
    changed = has_id(before) & ~is_return
    return Occasions(who[changed], new[changed], at[changed] + HOUR)


def _talk(
    talk: Conversation,
    customers: Customers,
    journey: Journey,
    moves: Occasions,
    hurt: tuple[Ints, Times, Ints],
    members: subscriptions.Memberships,
    base: foundation.Foundation,
    clock: Clock,
    is_first: bool,
) -> None:
    everyone = np.arange(len(customers))
    first_coach = journey.coach[everyone, np.minimum(customers.joined_week, clock.current)].astype(int)
    talk.exchange(words.WELCOME, Occasions(everyone, first_coach, customers.joined_at + 3 * HOUR))
    talk.weekly()
    if is_first:
        # The demo customer has written lately, and waits for one answer.
        mia, coach = np.array([DEMO_CUSTOMER]), np.array([DEMO_COACH])
        for exchange, days in ((words.CHECK_IN, 9), (words.PRAISE, 4), (words.QUESTION, 2)):
            talk.exchange(exchange, Occasions(mia, coach, np.array([clock.until - days * DAY - 3 * HOUR])))
        waits = np.array([clock.until - 95 * MINUTE])
        talk.ask("Could we move Friday's session half an hour later?", Occasions(mia, coach, waits))
    talk.exchange(words.HANDOVER, moves)
    who, at, part = hurt
    talk.exchange(words.HURT, Occasions(who, _coach_at(journey, who, at, clock), at + 2 * HOUR, part))
    for rise in base.prices.rises:
        member = np.flatnonzero((members.started < rise) & ~(members.end < rise))
        at = np.full(len(member), rise + 9 * HOUR)
        who = members.customer[member]
        talk.announce_to_all(
            words.PRICE_RISE, Occasions(who, _coach_at(journey, who, at, clock), at),
            month=(rise + 30 * DAY).astype("datetime64[s]").item().strftime("%d %B"),
        )  # fmt: skip
    lost = np.flatnonzero(members.is_involuntary)
    at = members.end[lost] - 15 * DAY + 5 * HOUR
    who = members.customer[lost]
    talk.announce_to_all(words.PAYMENT_FAILED, Occasions(who, _coach_at(journey, who, at, clock), at))


def _coach_at(journey: Journey, who: Ints, at: Times, clock: Clock) -> Ints:
    week = np.clip(clock.week_of(at), 0, clock.weeks - 1)
    coach: Ints = journey.coach[who, week].astype(int)
    return coach
