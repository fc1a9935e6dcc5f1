"""Who works and who trains at the simulated business: coaches with their hours, customers with their habits."""

import unicodedata
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from contracts.ids import ids_at
from plyo.demo import words
from plyo.demo.catalogue import OFFERS, SPECIALITIES, STUDIOS
from plyo.demo.clock import HOUR, MINUTE, Clock
from plyo.demo.columns import Bools, Floats, Ids, Ints, Times
from plyo.logins import LOGINS

CLIENTS_PER_COACH = 15
CELLS = 40
"""Hours a week in which a coach sees one client; `GROUP_CELLS` more belong to classes."""
GROUP_CELLS = 3
NEVER = 1 << 20
"""A week that does not come."""
_SHIFTS = np.array(
    # start and end of a weekday's two stretches of work
    [[6, 11, 12, 15], [9, 13, 15, 19], [7, 11, 16, 20], [12, 15, 16, 21]]
)
CLASS_DAYS = np.array([1, 3, 5])
CLASS_HOUR = np.array([11, 19, 20, 11])
"""Hour of the Tuesday and Thursday class by kind of shift, outside its one-to-one hours; Saturday's is at ten."""
DEMO_COACH, DEMO_CUSTOMER = 0, 0
Texts = NDArray[np.object_]


@dataclass
class Coaches:
    """A block's coaches, ordered by studio.

    `cell_weekday` and `cell_hour` have shape (coaches, CELLS + GROUP_CELLS), local time; classes come last.
    `away` has shape (coaches, weeks) and marks holiday weeks.
    """

    ids: Ids
    studio: Ints
    first: Texts
    names: Texts
    emails: Texts
    bios: list[str]
    specialities: list[list[str]]
    hired_week: Ints
    left_week: Ints
    shift: Ints
    created_at: Times
    cell_weekday: Ints
    cell_hour: Ints
    away: Bools

    def __len__(self) -> int:
        return len(self.ids)


@dataclass
class Customers:
    """One block's customers. Arrays have one entry each; `coaches` are indices into the block's coaches."""

    ids: Ids
    studio: Ints
    names: Texts
    first: Texts
    emails: Texts
    joined_at: Times
    joined_week: Ints
    goal: Ints
    level: Ints
    birth_year: Ints
    distance_km: Floats
    weight_kg: Floats
    strength: Floats
    motivation: Floats
    price_sensitivity: Floats
    offer: Ints
    has_trial: Bools
    has_wearable: Bools
    protected: Bools
    fades_week: Ints

    def __len__(self) -> int:
        return len(self.ids)


def _plain(text: str) -> str:
    """Letters of an e-mail address: lower case without marks."""
    text = text.lower().replace("ß", "ss").replace("đ", "d").replace("ı", "i").replace(" ", "")
    return "".join(char for char in unicodedata.normalize("NFKD", text) if char.isascii() and char.isalnum())


class _Pool:
    """Names of all cities in one array, so that many people are named at once."""

    def __init__(self, cities: tuple[tuple[str, ...], ...]) -> None:
        self.sizes = np.array([len(city) for city in cities])
        self.starts = np.concatenate([[0], np.cumsum(self.sizes)[:-1]])
        self.names = np.array([name for city in cities for name in city], object)
        self.plain = np.array([_plain(name) for name in self.names], object)

    def draw(self, studio: Ints, random: np.random.Generator) -> Ints:
        chosen: Ints = self.starts[studio] + (random.random(len(studio)) * self.sizes[studio]).astype(np.int64)
        return chosen


_FIRST, _LAST = _Pool(words.FIRST_NAMES), _Pool(words.LAST_NAMES)


def name_people(
    studio: Ints, random: np.random.Generator, *, suffix: str, offset: int = 0
) -> tuple[Texts, Texts, Texts]:
    """First names, full names and unique e-mail addresses of people in these cities."""
    first, last = _FIRST.draw(studio, random), _LAST.draw(studio, random)
    number = np.arange(offset, offset + len(studio)).astype(str).astype(object)
    emails = _FIRST.plain[first] + "." + _LAST.plain[last] + "." + number + f"{suffix}@plyo.test"
    return _FIRST.names[first], _FIRST.names[first] + " " + _LAST.names[last], emails


def hire(*, customers: int, block: int, clock: Clock, random: np.random.Generator) -> Coaches:
    """The coaches of a block of so many customers: at least two per studio, some hired later, some leaving.

    The first of each studio stays all along; the first of the first block is the demo coach.
    """
    sizes = [max(2, round(customers * place.share * 0.62 / CLIENTS_PER_COACH)) for place in STUDIOS]
    where = np.repeat(np.arange(len(STUDIOS)), sizes)
    count = len(where)
    anchor = np.r_[True, np.diff(where) != 0]
    weeks = clock.current + 1
    hired = np.where(random.random(count) < 0.75, -1, random.integers(0, max(1, round(weeks * 0.5)), count))
    hired = np.where(anchor, -1, hired)
    # Where there are three or more, some leave; of the first block's, one in the first studio always does.
    team = np.array(sizes)[where]
    left = np.where(random.random(count) < 0.3, hired + random.integers(20, max(21, weeks), count), NEVER)
    if block == 0 and weeks > 16 and sizes[0] > 2:
        left[sizes[0] - 1] = max(hired[sizes[0] - 1] + 8, round(weeks * 0.6))
    left = np.where(anchor | (team < 3) | (left >= weeks - 2), NEVER, left)
    created = clock.start + (hired * 7 - 30).astype("timedelta64[D]").astype("timedelta64[us]") + 10 * HOUR
    first, names, emails = name_people(where, random, suffix=".coach", offset=block * 1000)
    if block == 0:
        names[DEMO_COACH], first[DEMO_COACH], emails[DEMO_COACH] = "Katja Vogel", "Katja", LOGINS["coach"]
    picks = np.argsort(random.random((count, len(SPECIALITIES))), axis=1)[:, :3]
    specialities = [[SPECIALITIES[each] for each in row] for row in picks]
    style = (random.integers(0, len(words.BIOS)) + np.arange(count)) % len(words.BIOS)
    years = random.integers(4, 16, count)
    bios = [
        words.BIOS[kind].format(years=year, first=known[0], second=known[1])
        for kind, year, known in zip(style, years, specialities, strict=True)
    ]
    shift = random.integers(0, len(_SHIFTS), count)
    weekday, hour = _cells(shift, random)
    away = np.zeros((count, clock.weeks), bool)
    for _ in range(max(1, round(weeks / 20))):
        begins = random.integers(0, clock.weeks, count)
        length = random.integers(1, 3, count)
        week = np.arange(clock.weeks)
        away |= (week >= begins[:, None]) & (week < (begins + length)[:, None])
    away[DEMO_COACH, clock.current - 3 :] = False
    return Coaches(
        ids=ids_at(created.astype("datetime64[ms]").astype(np.int64), random), studio=where,
        first=first, names=names, emails=emails, bios=bios, specialities=specialities, hired_week=hired,
        left_week=left, shift=shift, created_at=created, cell_weekday=weekday, cell_hour=hour, away=away,
    )  # fmt: skip


def shifts(kind: int) -> NDArray[np.int64]:
    """Start and end hours of both stretches of a weekday."""
    hours: NDArray[np.int64] = _SHIFTS[kind]
    return hours


def _cells(shift: Ints, random: np.random.Generator) -> tuple[Ints, Ints]:
    hours = np.array([[*range(row[0], row[1]), *range(row[2], row[3])] for row in _SHIFTS])
    order = np.argsort(random.random((len(shift), CELLS)), axis=1)
    class_days = np.broadcast_to(CLASS_DAYS, (len(shift), GROUP_CELLS))
    class_hours = np.stack([CLASS_HOUR[shift], CLASS_HOUR[shift], np.full(len(shift), 10)], axis=1)
    return (
        np.concatenate([order // 8, class_days], axis=1),
        np.concatenate([hours[shift[:, None], order % 8], class_hours], axis=1),
    )


def enrol(*, count: int, offset: int, is_first: bool, clock: Clock, random: np.random.Generator) -> Customers:
    """One block's customers.

    Four in nine were there when the story begins; the others join with the seasons: many in January, few in
    summer.

    Args:
        offset: Customers in the blocks before.
        is_first: Whether the demo customer is among them.
    """
    studio = _spread(count, np.array([place.share for place in STUDIOS]), random)
    week = _joining_weeks(count, clock, random)
    if is_first:
        studio[DEMO_CUSTOMER] = 0
        week[DEMO_CUSTOMER] = max(0, clock.current - max(20, round(clock.current * 0.7)))
    minute = random.integers(8 * 60, 21 * 60, count)
    joined = clock.utc(studio, clock.day(week, random.integers(0, 7, count)), minute)
    joined = np.minimum(joined, clock.until - 2 * HOUR - random.integers(0, 600, count) * MINUTE)
    joined = np.maximum(joined, clock.start + 8 * HOUR)
    first, names, emails = name_people(studio, random, suffix="", offset=offset)
    level = random.choice(3, count, p=[0.45, 0.4, 0.15])
    male = random.random(count) < 0.48
    weight = np.where(male, random.normal(82, 11, count), random.normal(66, 10, count)).clip(46, 125)
    strength = np.array([0.62, 0.82, 1.05])[level] * np.where(male, 1.0, 0.72) * random.normal(1, 0.10, count)
    offer = _spread(count, np.array([offer.share for offer in OFFERS]), random)
    trial = (random.random(count) < 0.7) & np.array([each.trial_days > 0 for each in OFFERS])[offer]
    customers = Customers(
        ids=ids_at(joined.astype("datetime64[ms]").astype(np.int64), random), studio=studio, names=names, first=first,
        emails=emails, joined_at=joined, joined_week=np.maximum(clock.week_of(joined), 0),
        goal=random.choice(5, count, p=[0.22, 0.24, 0.26, 0.1, 0.18]), level=level,
        birth_year=int(str(clock.until)[:4]) - random.gamma(9, 4, count).clip(18, 74).astype(int),
        distance_km=random.lognormal(1.25, 0.75, count).clip(0.3, 40).round(1), weight_kg=weight,
        strength=strength.clip(0.35, 1.4), motivation=random.beta(8.5, 2.2, count).clip(0.3, 0.97),
        price_sensitivity=random.beta(2, 3, count), offer=offer, has_trial=trial,
        has_wearable=random.random(count) < 0.45, protected=np.zeros(count, bool), fades_week=np.full(count, NEVER),
    )  # fmt: skip
    if is_first:
        _cast_demo_customer(customers, DEMO_CUSTOMER)
    return customers


def _joining_weeks(count: int, clock: Clock, random: np.random.Generator) -> Ints:
    day = clock.day(np.arange(clock.current + 1), np.zeros(clock.current + 1, int))
    month = day.astype("datetime64[M]").astype(int) % 12
    season = np.array([1.9, 1.35, 1.1, 1.0, 0.95, 0.8, 0.6, 0.65, 1.25, 1.1, 0.9, 0.6])[month]
    weight = season * np.linspace(0.85, 1.15, len(season))
    weight[-1] *= 0.5
    founding = random.random(count) < 0.44
    early = random.integers(0, min(4, clock.current + 1), count)
    return np.where(founding, early, _spread(count, weight, random))


def _spread(count: int, weight: Floats, random: np.random.Generator) -> Ints:
    """Choices in the proportions of `weight`, evenly drawn so that small businesses have them too, shuffled."""
    edges = np.cumsum(weight) / np.sum(weight)
    points = (np.arange(count) + random.random(count)) / count
    chosen: Ints = np.minimum(np.searchsorted(edges, random.permutation(points)), len(weight) - 1)
    return chosen


def _cast_demo_customer(customers: Customers, who: int) -> None:
    customers.names[who], customers.first[who] = "Mia Sommer", "Mia"
    customers.emails[who] = LOGINS["customer"]
    customers.offer[who] = [offer.code for offer in OFFERS].index("coach-2")
    customers.motivation[who], customers.strength[who], customers.weight_kg[who] = 0.9, 0.74, 64.0
    customers.goal[who], customers.level[who], customers.birth_year[who] = 0, 1, 1993
    customers.distance_km[who], customers.has_trial[who] = 2.4, True
    customers.has_wearable[who] = customers.protected[who] = True
