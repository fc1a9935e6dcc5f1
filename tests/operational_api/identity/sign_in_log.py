"""A generated year of sign-ins, and attackers who know the password. Seeded and vectorised; no row is made by hand.

Honest people have homes whose address is fixed or changes, phones on mobile networks that share and change addresses,
offices and gyms with one address for many, several devices, new devices, cleared cookies and private windows, updates
of browsers, trips inside and outside their country, and VPNs. Attackers:

naive     another country, any browser, any hour
vpn       an exit in the victim's own region, any browser, any hour
targeted  a home connection in the victim's city from one of its providers, the victim's very browser and version, at
          hours of the victim
insider   the victim's home address and browser, a device of their own: no aim is set for it, it is only told
"""

from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import insert, text
from sqlalchemy.orm import Session

from contracts.ids import new_id
from operational_api.identity import places, risk
from operational_api.identity.agents import read_agent
from operational_api.identity.models import Account, SignInAttempt
from operational_api.identity.service import attempts
from operational_api.identity.service.login import Browser
from operational_api.identity.service.risk import Assessment, assess
from operational_api.identity.service.traits import device_key, traits_of

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
BEGIN = datetime(2026, 1, 5, tzinfo=UTC)
COUNTRIES = ("DE", "GB", "FR", "ES", "US", "VN", "PL", "NL")
SHARES = np.array([0.4, 0.15, 0.1, 0.08, 0.1, 0.07, 0.05, 0.05])
UTC_HOURS = np.array([1, 0, 1, 1, -5, 7, 1, 1])
REGIONS, PROVIDERS, CARRIERS = 6, 6, 3
PROVIDER_SHARES = np.array([0.38, 0.22, 0.16, 0.12, 0.07, 0.05])
KINDS = ("naive", "vpn", "targeted", "insider")
PROGRAMS = (
    ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1 Version/{}.0 Mobile Safari/604", 0.3),
    ("Mozilla/5.0 (Linux; Android 15; K) AppleWebKit/537.36 Chrome/{}.0.0.0 Mobile Safari/537.36", 0.28),
    ("Mozilla/5.0 (Linux; Android 14; SM-S911B) SamsungBrowser/{}.0 Chrome/121.0.0.0 Mobile Safari/537.36", 0.07),
    ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/{}.0.0.0 Safari/537.36", 0.14),
    ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/131.0.0.0 Safari/537.36 Edg/{}.0", 0.06),
    ("Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:1) Gecko/20100101 Firefox/{}.0", 0.04),
    ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/{}.0 Safari/605.1.15", 0.05),
    ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 Chrome/{}.0.0.0 Safari/537.36", 0.04),
    ("Mozilla/5.0 (X11; Linux x86_64; rv:1) Gecko/20100101 Firefox/{}.0", 0.02),
)  # fmt: skip
PROGRAM_SHARES = np.array([share for _, share in PROGRAMS])
IS_PHONE = np.array([True, True, True, False, False, False, False, False, False])
VERSIONS = 20
UPDATE_DAYS = 30


@dataclass(frozen=True)
class Log:
    """Sign-ins in the order of their time, a row each. `attack` is 0 for the owner, else 1 + the index in `KINDS`."""

    user: Ints
    day: Floats
    address: Ints
    region: Ints
    program: Ints
    version: Ints
    is_known_device: NDArray[np.bool_]
    attack: Ints
    country_of_user: Ints

    def rows(self, chosen: NDArray[np.bool_] | Ints) -> "Log":
        """Some rows."""
        columns = ("user", "day", "address", "region", "program", "version", "is_known_device", "attack")
        return replace(self, **{name: getattr(self, name)[chosen] for name in columns})

    def at(self, row: int) -> datetime:
        """When a row was."""
        return BEGIN + timedelta(seconds=int(self.day[row] * 86400))

    def user_agent(self, row: int) -> str:
        """As the browser sends it."""
        return PROGRAMS[self.program[row]][0].format(100 + self.version[row])

    def place(self, row: int) -> str:
        """ISO 3166-2, with invented regions."""
        return f"{COUNTRIES[self.region[row] // REGIONS]}-{self.region[row] % REGIONS}"

    def ip(self, row: int) -> str:
        """As text."""
        return str(IPv4Address(int(self.address[row])))

    def zone(self, row: int) -> str:
        """The person's time zone, without summer time."""
        hours = -UTC_HOURS[self.country_of_user[self.user[row]]]
        return f"Etc/GMT{hours:+d}"


def generate(seed: int, *, users: int = 4000, days: int = 270) -> Log:
    """A log of honest sign-ins and, in its last third, one attack of each kind on every person who signed in before."""
    world = np.random.default_rng(seed)
    people = _People.make(world, users)
    honest = _honest(world, people, days)
    attacks = [_attack(world, people, honest, kind, days) for kind in range(len(KINDS))]
    columns = {
        name: np.concatenate([getattr(part, name) for part in (honest, *attacks)])
        for name in ("user", "day", "address", "region", "program", "version", "is_known_device", "attack")
    }
    log = Log(**columns, country_of_user=people.country)
    return log.rows(np.argsort(log.day, kind="stable"))


@dataclass(frozen=True)
class _People:
    country: Ints
    region: Ints
    provider: Ints
    home: Ints
    is_moving: NDArray[np.bool_]
    office: Ints
    gym: Ints
    carrier: Ints
    devices: Ints
    weekly: Floats
    hours: Floats
    is_private: NDArray[np.bool_]
    has_vpn: NDArray[np.bool_]
    joined: Floats

    @classmethod
    def make(cls, world: np.random.Generator, users: int) -> "_People":
        country = world.choice(len(COUNTRIES), users, p=SHARES)
        region = country * REGIONS + world.integers(0, REGIONS, users)
        provider = world.choice(PROVIDERS, users, p=PROVIDER_SHARES)
        main = world.choice(len(PROGRAMS), users, p=PROGRAM_SHARES)
        second = world.choice(np.flatnonzero(~IS_PHONE), users)
        return cls(
            country, region, provider,
            home=_home(world, region, provider),
            is_moving=world.random(users) < 0.4,
            office=np.where(world.random(users) < 0.35, _address(3, region, world.integers(0, 12, users), 7), -1),
            gym=_address(4, region, world.integers(0, 2, users), 9),
            carrier=world.integers(0, CARRIERS, users),
            devices=np.stack([main, second], axis=1),
            weekly=np.clip(world.gamma(1.5, 0.6, users), 0.1, 4.0),
            hours=world.choice([7.0, 12.0, 18.0, 20.5], users),
            is_private=world.random(users) < 0.03,
            has_vpn=world.random(users) < 0.05,
            joined=np.where(world.random(users) < 0.7, 0.0, world.uniform(0, 250, users)),
        )  # fmt: skip


def _address(pool: int, region: Ints, block: Ints, host: Ints | int) -> Ints:
    """One prefix per pool and region; 4 pools of mobile carriers and such are below 40, homes above."""
    return ((20 + pool * 48 + region) << 16 | (block & 255) << 8 | np.asarray(host)).astype(np.int64) + (1 << 28)


def _home(world: np.random.Generator, region: Ints, provider: Ints) -> Ints:
    return _address(5 + provider, region, world.integers(0, 256, region.size), world.integers(1, 255, region.size))


def _honest(world: np.random.Generator, people: _People, days: int) -> Log:
    users = people.country.size
    count = np.minimum(world.poisson(people.weekly * (days - people.joined) / 7) + 1, 200)
    user = np.repeat(np.arange(users), count)
    n = user.size
    local = np.floor(world.uniform(people.joined[user], days, n))
    hour = (
        people.hours[user] + world.normal(0, 2.2, n) + np.where(world.random(n) < 0.1, world.uniform(0, 24, n), 0)
    ) % 24
    day = local + (hour - UTC_HOURS[people.country[user]]) / 24
    order = np.lexsort((day, user))
    user, day = user[order], day[order]

    # Trips: two windows of a week each year and person, half of them abroad.
    trips = world.uniform(-20, days, (users, 2))
    is_away = (day[:, None] >= trips[user]) & (day[:, None] < trips[user] + world.uniform(3, 12, (users, 2))[user])
    goes_abroad = world.random((users, 2)) < 0.5
    target = np.where(
        goes_abroad, world.integers(0, len(COUNTRIES) * REGIONS, (users, 2)),
        people.country[:, None] * REGIONS + world.integers(0, REGIONS, (users, 2)),
    )  # fmt: skip
    trip = is_away.argmax(axis=1)
    away = is_away.any(axis=1)
    region = np.where(away, target[user, trip], people.region[user])

    # Where they are: home, mobile, office, gym; on trips a hotel or a mobile network there.
    draw = world.random(n)
    is_mobile = draw < np.where(IS_PHONE[people.devices[user, 0]], 0.33, 0.1)
    is_office = (draw > 0.8) & (people.office[user] >= 0) & ~away
    is_gym = (draw > 0.62) & (draw < 0.72) & ~away
    lease = np.floor((day + user * 7) / 9).astype(np.int64)  # who gets a new address gets it about every nine days
    moved = people.home[user] ^ (lease * 2654435761 & 0xFFFF)
    address = np.where(people.is_moving[user], moved, people.home[user])
    address = np.where(is_office, people.office[user], address)
    address = np.where(is_gym, people.gym[user], address)
    hotel = _address(4, region, world.integers(100, 250, n), world.integers(1, 200, n))
    address = np.where(away, hotel, address)
    mobile = _address(people.carrier[user] % CARRIERS, region, world.integers(0, 40, n), world.integers(1, 255, n))
    address = np.where(is_mobile, mobile, address)
    by_vpn = people.has_vpn[user] & (world.random(n) < 0.4)
    exit_region = world.integers(0, len(COUNTRIES) * REGIONS, n)
    address = np.where(by_vpn, _vpn(world, exit_region), address)
    region = np.where(by_vpn, exit_region, region)
    # Mobile networks are often placed elsewhere in the country.
    is_misplaced = is_mobile & (world.random(n) < 0.1)
    region = np.where(is_misplaced, region // REGIONS * REGIONS + world.integers(0, REGIONS, n), region)

    # Which device: the first on the move and mostly elsewhere; each is replaced or cleared now and then.
    slot = np.where(is_mobile | is_gym | (world.random(n) < 0.7), 0, 1)
    losses = np.sort(world.exponential(260.0, (users, 2, 4)).cumsum(axis=2), axis=2)
    generation = (losses[user, slot] < day[:, None]).sum(axis=1)
    is_replaced = generation % 3 == 2  # the third browser of a slot is a new machine with another program
    program = people.devices[user, slot]
    same_kind = np.where(IS_PHONE[program], (program + 1) % 3, 3 + (program - 3 + 1) % 6)
    program = np.where(is_replaced, same_kind, program)
    version = np.minimum(((day + user % 23) / UPDATE_DAYS).astype(np.int64), VERSIONS - 1)
    device = (user * 2 + slot) * 8 + generation
    _, first = np.unique(device, return_index=True)
    is_known = np.ones(n, bool)
    is_known[first] = False
    is_known &= ~people.is_private[user]
    zeros = np.zeros(n, np.int64)
    return Log(user, day, address, region, program, version, is_known, zeros, people.country)


def _vpn(world: np.random.Generator, region: Ints) -> Ints:
    return _address(12, region, world.integers(0, 6, region.size), world.integers(1, 255, region.size))


def _attack(world: np.random.Generator, people: _People, honest: Log, kind: int, days: int) -> Log:
    first = np.full(people.country.size, np.inf)
    np.minimum.at(first, honest.user, honest.day)
    day = world.uniform(days * 2 / 3, days, people.country.size)
    user = np.flatnonzero(first < day)
    day, n = day[user], user.size
    region = people.region[user]
    last = np.searchsorted(honest.user, user, side="right") - 1
    program, version = honest.program[last], np.minimum((day / UPDATE_DAYS).astype(np.int64), VERSIONS - 1)
    any_program = world.choice(len(PROGRAMS), n, p=PROGRAM_SHARES)
    if KINDS[kind] == "naive":
        elsewhere = (people.country[user] + world.integers(1, len(COUNTRIES), n)) % len(COUNTRIES)
        region = elsewhere * REGIONS + world.integers(0, REGIONS, n)
        address = np.where(world.random(n) < 0.5, _vpn(world, region), _home(world, region, world.integers(0, 6, n)))
        program = any_program
    elif KINDS[kind] == "vpn":
        address, program = _vpn(world, region), any_program
    elif KINDS[kind] == "targeted":
        address = _home(world, region, world.choice(PROVIDERS, n, p=PROVIDER_SHARES))
    else:
        address = people.home[user]
    if KINDS[kind] in ("targeted", "insider"):
        hour = (people.hours[user] + world.normal(0, 2.2, n)) % 24
        day = np.floor(day) + (hour - UTC_HOURS[people.country[user]]) / 24
        version = np.minimum(((day + user % 23) / UPDATE_DAYS).astype(np.int64), VERSIONS - 1)
    is_known = np.zeros(n, bool)
    return Log(user, day, address, region, program, version, is_known, np.full(n, kind + 1), people.country)


def values_of(log: Log) -> Ints:
    """Each row's value at each level of the model, as numbers: shape (rows, levels)."""
    kinds = {kind: at for at, kind in enumerate(("phone", "tablet", "computer", "other"))}
    kind_of = np.array([kinds[read_agent(text.format(100)).kind] for text, _ in PROGRAMS])
    # The second is cut off as `Log.at` cuts it off, so that both fall into the same hour.
    seconds = (log.day * 86400).astype(np.int64) + UTC_HOURS[log.country_of_user[log.user]] * 3600
    hour, weekend = seconds // 3600 % 24, (seconds // 86400) % 7 >= 5
    return np.stack(
        [
            log.address, log.address >> 8, log.address >> 16, log.region, log.region // REGIONS,
            log.program * 100 + log.version, log.program, kind_of[log.program], weekend * 24 + hour,
            weekend * 6 + hour // 4,
        ],
        axis=1,
    )  # fmt: skip


def _earlier(groups: Ints, is_honest: NDArray[np.bool_]) -> Ints:
    """How many honest rows of its group come before each row; rows are in the order of time."""
    order = np.argsort(groups, kind="stable")
    told = np.cumsum(is_honest[order]) - is_honest[order]
    starts = np.r_[True, groups[order][1:] != groups[order][:-1]]
    before = told - np.maximum.accumulate(np.where(starts, told, 0))
    found = np.empty(groups.size, np.int64)
    found[order] = before
    return found


def counts_of(log: Log) -> risk.Counts:
    """What the service would know at each row, for all rows at once. Attacks are judged and never become history."""
    honest, values = log.attack == 0, values_of(log)
    own, everybody = np.empty_like(values), np.empty_like(values)
    for level in range(values.shape[1]):
        _, value = np.unique(values[:, level], return_inverse=True)
        everybody[:, level] = _earlier(value, honest)
        own[:, level] = _earlier(log.user * (value.max() + 1) + value, honest)
    return risk.Counts(
        own=own,
        logins=_earlier(log.user, honest),
        new_devices=_earlier(log.user, honest & ~log.is_known_device),
        everybody=everybody,
        all_logins=_earlier(np.zeros_like(log.user), honest),
        is_known_device=log.is_known_device,
        is_told=np.ones(values.shape, bool),
    )


def scores_of(log: Log, *, has_places: bool = True) -> Floats:
    """The score of every row by the model alone.

    Args:
        has_places: Whether the gateway tells where addresses are.
    """
    counts = counts_of(log)
    if not has_places:
        told = np.ones(len(risk.LEVELS), bool)
        told[[risk.LEVELS.index("region"), risk.LEVELS.index("country")]] = False
        counts = replace(counts, is_told=np.broadcast_to(told, np.shape(counts.own)))
    total: Floats = np.sum(list(risk.points(counts).values()), axis=0)
    return total + (_travel(log) if has_places else 0.0)


def _travel(log: Log) -> Floats:
    """Points for travel that nobody can have made since the last honest sign-in."""
    order = np.argsort(log.user, kind="stable")
    user, day, country = log.user[order], log.day[order], log.region[order] // REGIONS
    honest = np.where(log.attack[order] == 0, np.arange(order.size), -1)
    last = np.maximum.accumulate(np.r_[-1, honest[:-1]])
    is_own = (last >= 0) & (user[last] == user)
    apart = np.array([[places.kilometres(one, other) for other in COUNTRIES] for one in COUNTRIES])
    speed = apart[country, country[last]] / np.maximum((day - day[last]) * 24, 1 / 60)
    points = risk.velocity_points(risk.Velocity(kilometres_per_hour=risk.FASTEST_KMH + 1))["travel"]
    found = np.empty(order.size)
    found[order] = np.where(is_own & (speed > risk.FASTEST_KMH), points, 0.0)
    return found


@dataclass(frozen=True)
class Judged:
    """Shares of the last third of a log.

    Args:
        asked: Share of honest sign-ins that reach the threshold.
        caught: Share of attacks of each kind that reach it.
    """

    threshold: float
    asked: float
    caught: dict[str, float]


def judged(log: Log, scores: Floats, threshold: float, *, days: int = 270) -> Judged:
    """What a threshold does."""
    late = log.day >= days * 2 / 3
    honest = scores[(log.attack == 0) & late]
    return Judged(
        threshold,
        float((honest >= threshold).mean()),
        {kind: float((scores[log.attack == at + 1] >= threshold).mean()) for at, kind in enumerate(KINDS)},
    )


def threshold_for(log: Log, scores: Floats, asked: float, *, days: int = 270) -> float:
    """The lowest threshold that asks at most this share of honest sign-ins of the last third."""
    late = scores[(log.attack == 0) & (log.day >= days * 2 / 3)]
    return float(np.quantile(late, 1 - asked)) + 1e-9


def first_after(log: Log, day: float, count: int) -> Log:
    """Everything honest before a day and, judged but never learned from, the first thing of each of `count` people
    after it, be it honest or an attack."""
    late = log.day >= day
    _, first = np.unique(log.user[late], return_index=True)
    asked = np.sort(np.flatnonzero(late)[first[:: max(first.size // count, 1)][:count]])
    found = log.rows(np.r_[np.flatnonzero(~late & (log.attack == 0)), asked])
    attack = np.where(found.day >= day, np.maximum(found.attack, 1), 0)
    return replace(found, attack=attack)


class Stored:
    """A log in PostgreSQL, through the code that reads it: honest sign-ins as attempts, folded."""

    def __init__(self, session: Session, log: Log) -> None:
        self.session, self.log = session, log
        self.accounts: dict[int, Account] = {}
        for user in np.unique(log.user):
            row = int(np.flatnonzero(log.user == user)[0])
            self.accounts[int(user)] = Account(
                id=new_id(), email=f"user{user}@plyo.test", display_name="A person", role="customer",
                time_zone=log.zone(row), created_at=BEGIN,
            )  # fmt: skip
        session.add_all(self.accounts.values())
        session.flush()
        history = [self._attempt(int(row)) for row in np.flatnonzero(log.attack == 0)]
        session.execute(insert(SignInAttempt), history)
        attempts.fold(session, BEGIN)
        session.execute(text("analyze identity.sign_in_attempts"))

    def browser(self, row: int) -> Browser:
        """As the request of that row would tell it."""
        device = f"device of {self.log.user[row]}" if self.log.is_known_device[row] else None
        return Browser(self.log.ip(row), self.log.user_agent(row), device, device or "new", self.log.place(row))

    def assess(self, row: int) -> Assessment:
        """The real function's word on a row."""
        account = self.accounts[int(self.log.user[row])]
        return assess(self.session, account=account, browser=self.browser(row), now=self.log.at(row))

    def _attempt(self, row: int) -> dict[str, Any]:
        account, browser, at = self.accounts[int(self.log.user[row])], self.browser(row), self.log.at(row)
        return asdict(traits_of(browser, account, at)) | {
            "id": new_id(), "account_id": account.id, "attempted_at": at, "device_key": device_key(browser),
            "is_known_device": browser.device is not None, "outcome": "signed_in",
        }  # fmt: skip
