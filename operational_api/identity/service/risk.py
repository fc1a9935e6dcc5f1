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
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy import case, func, literal, select, tuple_
from sqlalchemy.orm import Session

from contracts.ids import new_id
from contracts.telemetry import get_logger
from operational_api.identity import places, risk
from operational_api.identity.models import Account, SignInAttempt, SignInPopulation
from operational_api.identity.risk import Decision, Velocity
from operational_api.identity.service.login import Browser
from operational_api.identity.service.traits import Traits, device_key, traits_of
from operational_api.identity.settings import risk_settings

log = get_logger(__name__)
HISTORY = 200
"""Sign-ins of a person that count, the newest."""
JUST_BEFORE = timedelta(hours=1)
WORTH_SAYING = 0.7
"""Points from which a feature is named as a reason."""

_WORDS = {
    "device": "A browser that has not signed in to your account before",
    "network": "A network you have not used before",
    "browser": "Another browser or system than usual",
    "hour": "An unusual time for you",
    "many_accounts": "Several accounts were tried from the same network just before",
    "wrong_passwords": "Several wrong passwords just before",
    "travel": "Too far from your last sign-in to have travelled there since",
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
        attempt = SignInAttempt
        is_own = (attempt.account_id == account.id, attempt.outcome == "signed_in", attempt.attempted_at <= now)
        columns = [getattr(attempt, level) for level, _ in traits.levels()]
        mine = (
            select(*columns, attempt.is_known_device, attempt.attempted_at)
            .where(*is_own, attempt.disputed_at.is_(None))
            .order_by(attempt.attempted_at.desc())
            .limit(HISTORY)
            .subquery()
        )
        recent = (attempt.attempted_at > now - JUST_BEFORE, attempt.attempted_at <= now)
        others = select(func.count(attempt.account_key.distinct())).where(
            attempt.address == traits.address, *recent, attempt.outcome != "signed_in",
            attempt.account_key != traits.account_key,
        )  # fmt: skip
        wrong = select(func.count()).where(
            attempt.account_key == traits.account_key, *recent, attempt.outcome == "wrong_password",
            attempt.is_known_device.is_(False),
        )  # fmt: skip
        disputed = select(literal(True)).where(
            attempt.account_id == account.id, attempt.disputed_at.is_not(None),
            attempt.device_key == device_key(browser),
        )  # fmt: skip
        row = session.execute(
            select(
                func.count(),
                func.count().filter(mine.c.is_known_device.is_(False)),
                *(func.count().filter(mine.c[level] == value) for level, value in traits.levels()),
                func.max(mine.c.attempted_at),
                func.array_agg(aggregate_order_by(mine.c.country, mine.c.attempted_at.desc())).filter(mine.c.country != "")[1],
                case((literal(browser.device is not None), ~disputed.exists()), else_=False),
                others.scalar_subquery() if traits.address else literal(0),
                wrong.scalar_subquery(),
            ).select_from(mine)
        ).one()
        last_at, last_country, is_known, accounts, tries = row[-5:]
        return cls(row[0], row[1], list(row[2:-5]), last_at, last_country or "", is_known, accounts, tries)

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
    found = session.execute(
        select(SignInPopulation.feature, SignInPopulation.value, SignInPopulation.logins).where(
            tuple_(SignInPopulation.feature, SignInPopulation.value).in_(wanted)
        )
    )
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
        return "From another country than usual" if is_abroad else "From another region than usual"
    if name == "network" and known.own[levels["prefix"]]:
        return "Another address of a network you have used"
    return _WORDS[name]
