"""Week by week: who trains, who fades, who is hurt, who leaves and why. All customers of a block move at once.

The hazard of leaving is a sum of causes that were visible before (adherence of the four weeks past, missed sessions,
a new coach, a price rise, distance, an injury) and of unexplained noise; `Journey.hazard` is the truth of it. Only
states and draws live here; rows of tables are made from them elsewhere.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from plyo.demo.catalogue import OFFERS, PACK
from plyo.demo.clock import DAY, HOUR, Clock, add_months, periods_between
from plyo.demo.columns import Bools, Floats, Ints, Times
from plyo.demo.people import CELLS, DEMO_COACH, DEMO_CUSTOMER, NEVER, Coaches, Customers

ABSENT, TRIAL, ACTIVE, PAUSED, LEAVING, GONE = range(6)
NONE, DONE, NO_SHOW, CANCELLED, LATE, SKIPPED = range(6)
CAUSES = ("unexplained", "adherence", "coach_change", "price_rise", "no_shows", "distance", "injury")
SESSIONS = 4
TRIAL_DAYS = 14
ONE_TO_ONE = np.array([offer.one_to_one for offer in OFFERS])
PLANNED = np.array([offer.one_to_one + offer.own for offer in OFFERS])
TREATMENT = 0.65
"""What a sent nudge leaves of the hazard in the four weeks after it; it also ends a decline of motivation."""
_NAT = np.datetime64("NaT", "us")


@dataclass
class Spells:
    """Up to two stays of each customer, shape (customers, 2): first, and after winning back. NaT: did not happen."""

    start: Times
    paid_from: Times
    requested: Times
    end: Times
    pause_from: Times
    pause_to: Times
    is_involuntary: Bools
    is_trial_only: Bools
    cause: Ints

    @classmethod
    def none(cls, count: int) -> "Spells":
        start, paid, requested, end, pause_from, pause_to = (np.full((count, 2), _NAT) for _ in range(6))
        return cls(
            start=start, paid_from=paid, requested=requested, end=end, pause_from=pause_from, pause_to=pause_to,
            is_involuntary=np.zeros((count, 2), bool), is_trial_only=np.zeros((count, 2), bool),
            cause=np.full((count, 2), -1),
        )  # fmt: skip


@dataclass
class Log:
    """Happenings as parallel columns; a row is one customer at one week."""

    rows: list[tuple[NDArray[np.float64], ...]] = field(default_factory=list)

    def note(self, *columns: Ints | Floats | Bools | float) -> None:
        """Append rows; single values are repeated."""
        wide = np.broadcast_arrays(*columns)
        if wide[0].size:
            self.rows.append(tuple(np.asarray(column, float).ravel() for column in wide))

    def columns(self, count: int) -> list[NDArray[np.float64]]:
        """All rows noted so far, `count` columns."""
        if not self.rows:
            return [np.zeros(0) for _ in range(count)]
        return [np.concatenate(parts) for parts in zip(*self.rows, strict=True)]


@dataclass
class Journey:
    """What happened. Matrices have shape (customers, weeks) or as said.

    Attributes:
        outcome: (customers, SESSIONS, weeks): what became of each planned session; the first `ONE_TO_ONE[offer]` are
            with the coach.
        cell: (customers, 2, weeks): the coach's hour held by each one-to-one session, -1 for none.
        hazard: (customers, weeks, causes): weekly probability of deciding to leave, by cause.
        moves: columns customer, week, new coach, old coach (-1 for none), whether the old one left the business.
        injuries: columns customer, week, severity, weeks until healed.
        runs: columns customer, week, probability, adherence, no-shows, weeks since coach change, arm, fate, coach.
    """

    state: NDArray[np.int8]
    adherence: Floats
    coach: NDArray[np.int16]
    outcome: NDArray[np.int8]
    cell: NDArray[np.int16]
    severity: NDArray[np.int8]
    hazard: NDArray[np.float32]
    spells: Spells
    moves: Log
    injuries: Log
    runs: Log
    protected_from: Ints


class _Simulation:
    """The moving parts of a block between one week and the next."""

    def __init__(
        self,
        customers: Customers,
        coaches: Coaches,
        is_first: bool,
        clock: Clock,
        rises: list[Times],
        random: np.random.Generator,
    ) -> None:
        n, weeks = len(customers), clock.weeks
        self.who, self.coaches, self.clock, self.random = customers, coaches, clock, random
        self.n, self.rises, self.is_first = n, rises, is_first
        self.state = np.zeros(n, np.int8)
        self.spell = np.full(n, -1)
        self.coach = np.full(n, -1)
        self.cells = np.full((n, 2), -1)
        self.free = np.ones((len(coaches), CELLS), bool)
        self.mood = customers.motivation.copy()
        self.fade, self.shock = np.zeros(n), np.zeros(n)
        self.fading = np.zeros(n, bool)
        self.severity, self.healed = np.zeros(n, np.int8), np.zeros(n, int)
        self.changed_coach, self.saw_rise = np.full(n, -NEVER), np.full(n, -NEVER)
        self.last_run, self.treated = np.full(n, -NEVER), np.full(n, -NEVER)
        self.pause_until = np.zeros(n, int)
        self.returned = np.zeros(n, bool)
        self.planned, self.done, self.missed = (np.zeros((n, weeks)) for _ in range(3))
        self.journey = Journey(
            state=np.zeros((n, weeks), np.int8), adherence=np.zeros((n, weeks)),
            coach=np.full((n, weeks), -1, np.int16), outcome=np.zeros((n, SESSIONS, weeks), np.int8),
            cell=np.full((n, 2, weeks), -1, np.int16), severity=np.zeros((n, weeks), np.int8),
            hazard=np.zeros((n, weeks, len(CAUSES)), np.float32), spells=Spells.none(n), moves=Log(),
            injuries=Log(), runs=Log(), protected_from=np.where(customers.protected, 0, NEVER),
        )  # fmt: skip

    def moment(self, week: int, count: int) -> Times:
        """A random instant of the week for each, before now."""
        monday = self.clock.start + week * 7 * DAY
        length = max(min(7 * DAY, self.clock.until - monday - HOUR), 0 * DAY)
        moments: Times = monday + (self.random.random(count) * length.astype(np.int64)).astype("timedelta64[us]")
        return moments

    def begin(self, who: Ints, start: Times, week: int, *, is_return: bool) -> None:
        """Start a spell for customers: the first with a trial for some, a return without."""
        turn = int(is_return)
        spells = self.journey.spells
        spells.start[who, turn] = start
        trial = self.who.has_trial[who] & (not is_return)
        spells.paid_from[who, turn] = np.where(trial, start + TRIAL_DAYS * DAY, start)
        self.state[who] = np.where(trial, TRIAL, ACTIVE)
        self.spell[who] = turn
        self.fade[who], self.shock[who], self.fading[who] = 0, 0, False
        self.mood[who] = np.minimum(self.who.motivation[who] + 0.06, 0.97)
        self.assign(who, week, left=False)

    def assign(self, who: Ints, week: int, *, left: bool) -> None:
        """Give customers a coach of their studio, the least busy first, never the one they had."""
        works = (self.coaches.hired_week <= week) & (self.coaches.left_week > week)
        live = (self.state >= TRIAL) & (self.state <= LEAVING) & (self.coach >= 0)
        load = np.bincount(self.coach[live], minlength=len(works)) + self.random.random(len(works))
        if self.is_first:
            load[DEMO_COACH] *= 0.6
        for studio in np.unique(self.who.studio[who]):
            those = who[self.who.studio[who] == studio]
            choice = np.flatnonzero(works & (self.coaches.studio == studio))
            choice = choice[np.argsort(load[choice])]
            new = choice[np.arange(len(those)) % len(choice)]
            new = np.where(new == self.coach[those], choice[(np.arange(len(those)) + 1) % len(choice)], new)
            if self.is_first:
                new = np.where(self.who.protected[those] & (those == DEMO_CUSTOMER), DEMO_COACH, new)
            old = self.coach[those]
            moved = new != old
            self.journey.moves.note(those[moved], week, new[moved], old[moved], left)
            self.release(those)
            self.coach[those] = new

    def release(self, who: Ints) -> None:
        """Give back the hours that customers held."""
        for turn in range(2):
            held = who[self.cells[who, turn] >= 0]
            self.free[self.coach[held], self.cells[held, turn]] = True
            self.cells[held, turn] = -1

    def take_cells(self) -> None:
        """Give a fixed hour to everybody whose plan has one-to-one sessions and who lacks it, while hours last."""
        trains = (self.state == TRIAL) | (self.state == ACTIVE)
        for turn in range(2):
            for attempt in range(3):
                who = np.flatnonzero(trains & (ONE_TO_ONE[self.who.offer] > turn) & (self.cells[:, turn] < 0))
                if not len(who):
                    break
                who = who[np.argsort(self.coach[who], kind="stable")]
                coach = self.coach[who]
                rank = np.arange(len(who)) - np.searchsorted(coach, coach)
                order = np.argsort(self.random.random(self.free.shape) + ~self.free, axis=1)
                fits = rank < self.free.sum(axis=1)[coach]
                cell = order[coach, np.minimum(rank, CELLS - 1)]
                if turn and attempt < 2:
                    first = self.coaches.cell_weekday[coach, self.cells[who, 0]]
                    fits &= self.coaches.cell_weekday[coach, cell] != first
                who, coach, cell = who[fits], coach[fits], cell[fits]
                self.cells[who, turn] = cell
                self.free[coach, cell] = False

    def change_states(self, week: int) -> None:
        """Joiners, returners, ends of trials, pauses and notice periods."""
        spells, random = self.journey.spells, self.random
        joins = np.flatnonzero(self.who.joined_week == week)
        if len(joins):
            self.begin(joins, self.who.joined_at[joins], week, is_return=False)
        turn = np.maximum(self.spell, 0)
        everyone = np.arange(self.n)
        ends = spells.end[everyone, turn]
        gone = (self.state != ABSENT) & (self.state != GONE) & (ends < self.clock.start + week * 7 * DAY)
        self.release(np.flatnonzero(gone))
        self.state[gone] = GONE
        away = week - self.clock.week_of(np.where(np.isnat(ends), self.clock.start, ends))
        chance = np.where(away >= 5, 0.016 * np.exp(-away / 25), 0)
        back = np.flatnonzero((self.state == GONE) & ~self.returned & (random.random(self.n) < chance))
        back = back[~spells.is_trial_only[back, 0]]
        if len(back) and week < self.clock.current:
            self.returned[back] = True
            self.begin(back, self.moment(week, len(back)), week, is_return=True)
        converts = np.flatnonzero(
            (self.state == TRIAL) & (spells.paid_from[:, 0] < self.clock.start + (week + 1) * 7 * DAY)
        )
        keeps = random.random(len(converts)) < 0.66 + 0.3 * self.mood[converts]
        keeps |= self.who.protected[converts]
        self.state[converts] = np.where(keeps, ACTIVE, LEAVING)
        spells.end[converts[~keeps], 0] = spells.paid_from[converts[~keeps], 0]
        spells.is_trial_only[converts[~keeps], 0] = True
        resumes = (self.state == PAUSED) & (self.pause_until <= week)
        self.state[resumes] = ACTIVE

    def change_moods(self, week: int) -> None:
        """Motivation, declines, injuries and new coaches of this week."""
        random, live = self.random, (self.state >= TRIAL) & (self.state <= LEAVING)
        left = np.flatnonzero(live & (self.coaches.left_week[self.coach] <= week))
        whim = np.flatnonzero(live & (random.random(self.n) < 0.0015) & ~self.who.protected)
        for who, has_left in ((left, True), (np.setdiff1d(whim, left), False)):
            if len(who):
                self.assign(who, week, left=has_left)
                self.changed_coach[who] = week
                self.shock[who] -= 0.12
        month = int((self.clock.monday + week * 7).astype("datetime64[M]").astype(int) % 12)
        day = (self.clock.monday + week * 7).astype("datetime64[D]")
        holidays = np.datetime64(f"{str(day)[:4]}-12-19") <= day
        season = -0.22 if holidays else (0.03, 0, 0, 0, 0, -0.02, -0.07, -0.07, 0.02, 0, 0, 0)[month]
        starts = (random.random(self.n) < 0.011) & ~self.who.protected | (self.who.fades_week == week)
        stops = random.random(self.n) < 0.05
        self.fading = (self.fading | (starts & live)) & ~(stops & (self.who.fades_week > week))
        self.fade = np.where(self.fading, np.maximum(self.fade - 0.09, -0.6), self.fade * 0.75)
        self.shock *= 0.8
        self.mood += 0.25 * (self.who.motivation - self.mood) + random.normal(0, 0.035, self.n)
        hurt = np.flatnonzero(live & (random.random(self.n) < 0.0045) & (self.severity == 0) & ~self.who.protected)
        self.severity[hurt] = random.choice(3, len(hurt), p=[0.55, 0.33, 0.12]) + 1
        lasts = self.severity[hurt] * 2 + random.integers(0, 3, len(hurt))
        self.healed[hurt] = week + lasts
        self.journey.injuries.note(hurt, week, self.severity[hurt], lasts)
        self.severity[(self.severity > 0) & (self.healed <= week)] = 0
        drive = self.mood + self.fade + self.shock + season - 0.11 * self.severity
        self.journey.adherence[:, week] = np.clip(drive, 0.04, 0.97)

    def train(self, week: int) -> None:
        """Draw what became of each planned session."""
        random, offer, journey = self.random, self.who.offer, self.journey
        p = journey.adherence[:, week]
        trains = (self.state == TRIAL) | (self.state == ACTIVE) | (self.state == LEAVING)
        slack = 1 - p
        chance = np.stack([0.012 + 0.10 * slack**1.3, 0.04 + 0.05 * slack, 0.015 + 0.05 * slack])
        edges = np.cumsum(chance, axis=0)
        for each in range(SESSIONS):
            planned = trains & (PLANNED[offer] > each)
            with_coach = planned & (each < ONE_TO_ONE[offer])
            if each < 2:
                with_coach &= (self.cells[:, each] >= 0) & ~self.coaches.away[self.coach, week]
                journey.cell[:, each, week] = np.where(with_coach, self.cells[:, each], -1)
            booked = with_coach & (random.random(self.n) < 0.66 + 0.33 * p)
            draw = random.random(self.n)
            fate = np.select([draw < edges[0], draw < edges[1], draw < edges[2]], [NO_SHOW, CANCELLED, LATE], DONE)
            own = np.where(random.random(self.n) < p, DONE, SKIPPED)
            result = np.where(with_coach, np.where(booked, fate, SKIPPED), own)
            journey.outcome[:, each, week] = np.where(planned, result, NONE)
        outcome = journey.outcome[:, :, week]
        self.planned[:, week] = (outcome != NONE).sum(axis=1)
        self.done[:, week] = (outcome == DONE).sum(axis=1)
        self.missed[:, week] = (outcome == NO_SHOW).sum(axis=1)

    def decide(self, week: int) -> None:
        """Hazard of the week from what was seen before it; some decide to leave, some pause, rules meet others."""
        journey, who, random = self.journey, self.who, self.random
        past = slice(max(0, week - 4), week)
        planned = self.planned[:, past].sum(axis=1)
        seen = np.where(planned >= 4, self.done[:, past].sum(axis=1) / np.maximum(planned, 1), 0.75)
        missed = self.missed[:, past].sum(axis=1)
        for rise in self.rises:
            begins = self.clock.week_of(rise + 30 * DAY) + np.arange(self.n) % 4
            old = journey.spells.start[np.arange(self.n), np.maximum(self.spell, 0)] < rise
            self.saw_rise = np.where((begins == week) & old & (who.offer != PACK), week, self.saw_rise)
        since_coach, since_rise = week - self.changed_coach, week - self.saw_rise
        causes = np.stack(
            [
                np.full(self.n, 0.0028),
                0.13 * np.clip((0.62 - seen) / 0.62, 0, 1) ** 1.2,
                np.where(since_coach < 12, 0.055 * np.exp(-since_coach.clip(0, 12) / 4), 0),
                np.where(since_rise < 10, 0.040 * who.price_sensitivity * np.exp(-since_rise.clip(0, 10) / 4), 0),
                0.014 * missed,
                0.006 * np.clip((who.distance_km - 6) / 6, 0, 3),
                0.018 * self.severity,
            ],
            axis=1,
        )
        paid = journey.spells.paid_from[np.arange(self.n), np.maximum(self.spell, 0)]
        can_leave = (self.state == ACTIVE) & (paid < self.clock.start + week * 7 * DAY - 2 * HOUR)
        causes *= can_leave[:, None]
        causes *= np.where(week - self.treated <= 4, TREATMENT, 1)[:, None]
        journey.hazard[:, week] = causes
        free = journey.protected_from > week
        leaves = np.flatnonzero(free & (random.random(self.n) < causes.sum(axis=1)))
        self.leave(leaves, week, causes)
        fails = free & can_leave & (self.state == ACTIVE) & (who.offer != PACK) & (random.random(self.n) < 0.0007)
        self.fail(np.flatnonzero(fails), week)
        self.pause(week)
        self.meet_rule(week, seen, missed, since_coach)

    def leave(self, leaves: Ints, week: int, causes: Floats) -> None:
        """Customers ask for the end of their membership at the end of the paid period."""
        spells, turn = self.journey.spells, self.spell[leaves]
        at = np.maximum(self.moment(week, len(leaves)), spells.paid_from[leaves, turn] + HOUR)
        paid = spells.paid_from[leaves, turn]
        end = np.where(self.who.offer[leaves] == PACK, at, add_months(paid, periods_between(paid, at) + 1))
        spells.requested[leaves, turn], spells.end[leaves, turn] = at, end
        share = causes[leaves] / np.maximum(causes[leaves].sum(axis=1, keepdims=True), 1e-9)
        spells.cause[leaves, turn] = (share.cumsum(axis=1) > self.random.random((len(leaves), 1))).argmax(axis=1)
        self.state[leaves] = LEAVING

    def fail(self, fails: Ints, week: int) -> None:
        """Customers whose card gives up: the next invoice is never paid, and 15 days later the membership ends."""
        spells, turn = self.journey.spells, self.spell[fails]
        paid = spells.paid_from[fails, turn]
        at = np.maximum(self.moment(week, len(fails)), paid + HOUR)
        spells.end[fails, turn] = add_months(paid, periods_between(paid, at) + 1) + 15 * DAY
        spells.is_involuntary[fails, turn] = True
        self.state[fails] = LEAVING

    def pause(self, week: int) -> None:
        """Some rest from next Monday on for three to eight weeks."""
        if week >= self.clock.current:
            return
        spells, turn = self.journey.spells, np.maximum(self.spell, 0)
        everyone = np.arange(self.n)
        settled = spells.paid_from[everyone, turn] < self.clock.start + (week - 8) * 7 * DAY
        chance = 0.0045 + 0.02 * (self.severity == 3)
        asks = (self.state == ACTIVE) & settled & np.isnat(spells.pause_from[everyone, turn])
        asks &= (self.who.offer != PACK) & (self.journey.protected_from > week)
        who = np.flatnonzero(asks & (self.random.random(self.n) < chance))
        length = self.random.integers(3, 9, len(who))
        begins = self.clock.start + (week + 1) * 7 * DAY + 9 * HOUR
        spells.pause_from[who, turn[who]] = begins
        spells.pause_to[who, turn[who]] = begins + length * 7 * DAY
        self.pause_until[who] = week + 1 + length
        self.release(who)
        self.state[who] = PAUSED

    def meet_rule(self, week: int, seen: Floats, missed: Floats, since_coach: Ints) -> None:
        """The rule `churn-check-in` meets customers at risk; most in its treatment arm get a message and recover."""
        if not max(8, self.clock.current - 32) <= week < self.clock.current - 1:
            return
        odds = -2.4 + 5.5 * (0.72 - seen) + 0.55 * missed + 0.8 * (since_coach < 8) + 0.5 * (self.severity > 0)
        odds += self.random.normal(0, 0.35, self.n)
        probability = 1 / (1 + np.exp(-odds))
        meets = (self.state == ACTIVE) & (probability >= 0.35) & (week - self.last_run >= 5)
        meets &= self.journey.protected_from > week
        who = np.flatnonzero(meets)
        is_holdout = self.random.random(len(who)) < 0.2
        fate = np.where(is_holdout, 3, self.random.choice(3, len(who), p=[0.68, 0.14, 0.18]))
        self.last_run[who] = week
        acted = who[fate == 0]
        self.treated[acted], self.fading[acted] = week, False
        self.fade[acted] *= 0.4
        self.journey.runs.note(
            who, week, probability[who], seen[who], missed[who], since_coach[who].clip(0, 99), is_holdout, fate,
            self.coach[who],
        )  # fmt: skip

    def cast_clients_at_risk(self, week: int) -> None:
        """Six of the demo coach's clients begin to fade now and are still there today, for the coach to act on."""
        mine = (self.coach == DEMO_COACH) & (self.state == ACTIVE) & ~self.who.protected
        those = np.flatnonzero(mine)[:6]
        self.journey.protected_from[those] = week
        self.who.fades_week[those] = week
        self.fading[those] = True

    def record(self, week: int) -> None:
        """Write this week's states into the matrices."""
        live = (self.state >= TRIAL) & (self.state <= LEAVING)
        self.journey.state[:, week] = self.state
        self.journey.coach[:, week] = np.where(live, self.coach, -1)
        self.journey.severity[:, week] = self.severity


def simulate(
    *,
    customers: Customers,
    coaches: Coaches,
    is_first: bool,
    clock: Clock,
    rises: list[Times],
    random: np.random.Generator,
) -> Journey:
    """Let a block live from its first week to the booking horizon.

    Args:
        coaches: The block's coaches.
        is_first: Whether the demo coach and the demo customer are among them.
        rises: When each later price version became valid.
    """
    simulation = _Simulation(customers, coaches, is_first, clock, rises, random)
    for week in range(clock.weeks):
        if week <= clock.current:
            simulation.change_states(week)
            if is_first and week == max(1, clock.current - 7):
                simulation.cast_clients_at_risk(week)
            simulation.change_moods(week)
        else:
            simulation.journey.adherence[:, week] = simulation.journey.adherence[:, week - 1]
        simulation.take_cells()
        simulation.record(week)
        simulation.train(week)
        if week <= clock.current:
            simulation.decide(week)
    return simulation.journey
