"""Judges a sign-in whose password was right, by this person's history and everybody's; `identity.risk` has the model.

Two statements a score: the person's last sign-ins by index, and a dozen counts by key. Nothing here scans all sign-ins:
everybody's counts are folded into a table by the worker (`service.attempts.fold`).
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np
from sqlalchemy import text
from sqlalchemy.orm import Session

from contracts.ids import new_id
from contracts.telemetry import get_logger
from operational_api.identity import places, risk
from operational_api.identity.models import Account
from operational_api.identity.risk import Decision, Velocity
from operational_api.identity.service.login import Browser
from operational_api.identity.service.traits import Traits, device_key, traits_of
from operational_api.identity.settings import risk_settings
from operational_api.web.language import word

log = get_logger(__name__)
HISTORY = 200
"""Sign-ins of a person that count, the newest."""
JUST_BEFORE = timedelta(hours=1)
WORTH_SAYING = 0.7
"""Points from which a feature is named as a reason."""

_WORDS = {
    "device": word("A browser that has not signed in to your account before"),
    "network": word("A network you have not used before"),
    "browser": word("Another browser or system than usual"),
    "hour": word("An unusual time for you"),
    "many_accounts": word("Several accounts were tried from the same network just before"),
    "wrong_passwords": word("Several wrong passwords just before"),
    "travel": word("Too far from your last sign-in to have travelled there since"),
}


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing that spoke against the owner.

    Args:
        feature: Its stable name.
        text: For the person, in plain words.
        points: What it added to the score, natural logarithm.
        numbers: What it was computed from, for the admin.
    """

    feature: str
    text: str
    points: float
    numbers: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Assessment:
    """What a sign-in looks like and what follows. `id` becomes the id of its attempt (`service.attempts.note`)."""

    id: UUID
    decision: Decision
    score: float
    reasons: tuple[Reason, ...]


def assess(session: Session, *, account: Account, browser: Browser, now: datetime) -> Assessment:
    """Judge a sign-in with the right password. Reads only; say what came of it with `service.attempts.note`.

    Somebody who never signed in before is allowed, whatever they look like: there is nothing to compare with.
    """
    traits = traits_of(browser, account, now)
    known = _History.read(session, account, browser, traits, now)
    everybody = _everybody(session, traits)
    counts = risk.Counts(
        own=known.own,
        logins=known.logins,
        new_devices=known.new_devices,
        everybody=[everybody.get((level, value), 0) for level, value in traits.levels()],
        all_logins=everybody.get(("all", ""), 0),
        is_known_device=known.is_known_device,
        is_told=[value != "" for _, value in traits.levels()],
    )
    by_feature = {name: float(value) for name, value in risk.points(counts).items()}
    haste = risk.velocity_points(known.velocity(traits, now))
    score = sum(by_feature.values()) + sum(haste.values())
    told = risk_settings()
    decision = risk.decide(score, step_up_at=told.step_up_at, refuse_at=told.refuse_at)
    reasons = tuple(_reasons(by_feature | haste, counts, known, traits, now))
    log.info("sign_in_judged", account=str(account.id), decision=decision, score=round(score, 2), logins=known.logins)
    return Assessment(new_id(), decision, round(score, 4), reasons)


# Written out: SQLAlchemy takes ten times as long to build the two as PostgreSQL to answer them.
_OWN = ", ".join(f"count(*) filter (where {level} = :{level}) as own_{level}" for level in risk.LEVELS)
_KNOWN = text(f"""
    with mine as (
        select * from identity.sign_in_attempts
        where account_id = :account_id and outcome = 'signed_in' and disputed_at is null and attempted_at <= :now
        order by attempted_at desc limit :history
    )
    select count(*) as logins, count(*) filter (where not is_known_device) as new_devices, {_OWN},
        max(attempted_at) as last_at,
        (array_agg(country order by attempted_at desc) filter (where country <> ''))[1] as last_country,
        :has_cookie and not exists (
            select from identity.sign_in_attempts
            where account_id = :account_id and disputed_at is not null and device_key = :device_key
        ) as is_known_device,
        (select count(distinct account_key) from identity.sign_in_attempts
         where address = :address and address <> '' and attempted_at > :just_before and attempted_at <= :now
            and outcome <> 'signed_in' and account_key <> :account_key) as accounts_of_address,
        (select count(*) from identity.sign_in_attempts
         where account_key = :account_key and attempted_at > :just_before and attempted_at <= :now
            and outcome = 'wrong_password' and not is_known_device) as wrong_passwords
    from mine""")  # noqa: S608 - names of our own columns
_EVERYBODY = text("""
    select feature, value, logins
    from unnest(cast(:features as text[]), cast(:values as text[])) as wanted (feature, value)
    join identity.sign_in_population using (feature, value)""")


@dataclass(frozen=True, slots=True)
class _History:
    """What is known of a person, in numbers; `own` has a column per level."""

    logins: int
    new_devices: int
    own: list[int]
    last_at: datetime | None
    last_country: str
    is_known_device: bool
    accounts_of_address: int
    wrong_passwords: int

    @classmethod
    def read(cls, session: Session, account: Account, browser: Browser, traits: Traits, now: datetime) -> "_History":
        given = asdict(traits) | {
            "account_id": account.id, "now": now, "just_before": now - JUST_BEFORE, "history": HISTORY,
            "device_key": device_key(browser), "has_cookie": browser.device is not None,
        }  # fmt: skip
        row = session.execute(_KNOWN, given).one()
        return cls(
            logins=row.logins, new_devices=row.new_devices, own=[getattr(row, f"own_{level}") for level in risk.LEVELS],
            last_at=row.last_at, last_country=row.last_country or "", is_known_device=row.is_known_device,
            accounts_of_address=row.accounts_of_address, wrong_passwords=row.wrong_passwords,
        )  # fmt: skip

    def velocity(self, traits: Traits, now: datetime) -> Velocity:
        speed = 0.0
        if self.last_at is not None and self.last_country and traits.country:
            hours = max((now - self.last_at).total_seconds() / 3600, 1 / 60)
            speed = places.kilometres(self.last_country, traits.country) / hours
        # From a browser that we know, wrong passwords are typing errors and neighbours are colleagues.
        if self.is_known_device:
            return Velocity(kilometres_per_hour=speed)
        return Velocity(self.accounts_of_address, self.wrong_passwords, speed)


def _everybody(session: Session, traits: Traits) -> dict[tuple[str, str], int]:
    wanted = [("all", ""), *((level, value) for level, value in traits.levels() if value)]
    features, values = zip(*wanted, strict=True)
    found = session.execute(_EVERYBODY, {"features": list(features), "values": list(values)})
    return {(feature, value): logins for feature, value, logins in found}


def _reasons(
    points: dict[str, float], counts: risk.Counts, known: _History, traits: Traits, now: datetime
) -> Sequence[Reason]:
    levels = {level: at for at, level in enumerate(risk.LEVELS)}
    everybody = np.asarray(counts.everybody)
    found = []
    for name, value in sorted(points.items(), key=lambda one: -one[1]):
        if value < WORTH_SAYING:
            continue
        feature = next((one for one in risk.FEATURES if one.name == name), None)
        numbers: dict[str, Any] = {"logins": known.logins}
        if feature is not None:
            numbers["levels"] = {
                level: {"own": known.own[levels[level]], "everybody": int(everybody[levels[level]])}
                for level in feature.levels
            }
        elif name == "device":
            numbers["new_devices"] = known.new_devices
        else:
            numbers |= asdict(known.velocity(traits, now))
        found.append(Reason(name, _text(name, known, levels), round(value, 2), numbers))
    return found


def _text(name: str, known: _History, levels: dict[str, int]) -> str:
    if name == "place":
        is_abroad = known.own[levels["country"]] == 0
        return word("From another country than usual") if is_abroad else word("From another region than usual")
    if name == "network" and known.own[levels["prefix"]]:
        return word("Another address of a network you have used")
    return _WORDS[name]
