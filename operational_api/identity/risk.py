"""How likely a sign-in with the right password is not the owner's: a likelihood ratio, feature by feature. Pure.

For each feature the model compares how usual its value is for everybody (what an attacker looks like) with how usual it
is for this person, and adds the logarithms: `score = sum(log(p(value | everybody) / p(value | person)))`. Values are
smoothed by coarser ones (an address by its block, a browser's version by the browser), so that a new address of the
usual provider is less strange than one from elsewhere. Counts come in as numbers or as NumPy arrays of any shape: the
service scores one sign-in, the benchmark a year of them, by the same lines.

Source: Freeman, Jain, Dürmuth, Biggio & Giacinto (2016), Who Are You? A Statistical Approach to Measuring User
Authenticity, NDSS. Ours beside it: attackers imitate, so no level speaks for the owner more than the share of
imitators lets it; a browser's signed cookie is a feature with an attacker's rate of its own; and a short history moves
the score less than a long one.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Decision = Literal["allow", "step_up", "refuse"]
Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Feature:
    """A value with its coarser ones.

    Args:
        levels: Columns of a sign-in attempt, finest first.
        weights: How much each level tells of the person, then what is left for "anything may happen"; they sum to 1.
        sizes: About how many values each level has in the world: what a value that nobody had yet is worth.
        imitated: Share of attackers who show what is usual for the person at each level, on purpose or as neighbours:
            the value is never rarer among attackers than this share of how usual it is for the person.
    """

    name: str
    levels: tuple[str, ...]
    weights: tuple[float, ...]
    sizes: tuple[float, ...]
    imitated: tuple[float, ...]


FEATURES = (
    Feature(
        "network", ("address", "block", "prefix"),
        weights=(0.5, 0.3, 0.17, 0.03), sizes=(5000.0, 2000.0, 500.0), imitated=(0.01, 0.02, 0.3),
    ),
    Feature("place", ("region", "country"), weights=(0.6, 0.38, 0.02), sizes=(200.0, 50.0), imitated=(0.5, 0.7)),
    Feature(
        "browser", ("agent", "program", "kind"),
        weights=(0.5, 0.35, 0.1, 0.05), sizes=(300.0, 30.0, 3.0), imitated=(0.3, 0.5, 0.7),
    ),
    Feature("hour", ("hour", "part"), weights=(0.3, 0.4, 0.3), sizes=(48.0, 12.0), imitated=(0.5, 0.7)),
)  # fmt: skip
LEVELS = tuple(level for feature in FEATURES for level in feature.levels)
"""Every level in the order of `own` and `everybody` below."""

HISTORY_WEIGHT = 2.0
"""A history of so many sign-ins counts half: with fewer, a value is mostly judged as everybody's."""
STOLEN_BROWSER = 0.002
"""Share of attackers with the right password who also have the owner's browser, cookie included. An assumption."""
NEW_DEVICE = 0.04
"""Share of new browsers among sign-ins of people of whom little is known."""
NEW_DEVICE_WEIGHT, NEW_DEVICE_LEAST, NEW_DEVICE_MOST = 8.0, 0.01, 0.3


@dataclass(frozen=True, slots=True)
class Counts:
    """What is known when a sign-in is judged; arrays have one leading shape.

    Args:
        own: Earlier sign-ins of the person with the same value, a column per level of `LEVELS`.
        logins: Earlier sign-ins of the person.
        new_devices: Those of them from a browser not seen before.
        everybody: Sign-ins of all people with the same value, a column per level.
        all_logins: Sign-ins of all people.
        is_known_device: Whether the browser proves that it signed in to this account before.
        is_told: Per level, whether the value is known at all; an unknown place says nothing.
    """

    own: ArrayLike
    logins: ArrayLike
    new_devices: ArrayLike
    everybody: ArrayLike
    all_logins: ArrayLike
    is_known_device: ArrayLike
    is_told: ArrayLike


def points(counts: Counts) -> dict[str, Array]:
    """Log-likelihood ratios by feature; above 0 speaks for somebody else, below 0 for the owner. Without a history
    every feature says 0: there is nothing to compare with."""
    own, everybody = np.asarray(counts.own, float), np.asarray(counts.everybody, float)
    logins, everyone = np.asarray(counts.logins, float), np.asarray(counts.all_logins, float)
    is_told = np.asarray(counts.is_told, bool)
    found: dict[str, Array] = {"device": _device(counts)}
    at = 0
    for feature in FEATURES:
        part = slice(at, at := at + len(feature.levels))
        sizes = np.array(feature.sizes)
        usual = own[..., part] / np.maximum(logins, 1)[..., None]
        world = (everybody[..., part] + 1) / (everyone[..., None] + sizes)
        world = np.maximum(world, usual * np.array(feature.imitated))
        lift = (usual / world) @ np.array(feature.weights[:-1]) + feature.weights[-1]
        lift = (HISTORY_WEIGHT + logins * lift) / (HISTORY_WEIGHT + logins)
        found[feature.name] = np.where(is_told[..., part].all(axis=-1), -np.log(lift), 0.0)
    return found


def _device(counts: Counts) -> Array:
    logins, new = np.asarray(counts.logins, float), np.asarray(counts.new_devices, float)
    # The first sign-in of all is from a new browser, whoever it is: it says nothing of the person.
    later, new = np.maximum(logins - 1, 0), np.maximum(new - 1, 0)
    is_new = np.clip(
        (new + NEW_DEVICE_WEIGHT * NEW_DEVICE) / (later + NEW_DEVICE_WEIGHT), NEW_DEVICE_LEAST, NEW_DEVICE_MOST
    )
    known, unknown = np.log(STOLEN_BROWSER / (1 - is_new)), np.log((1 - STOLEN_BROWSER) / is_new)
    return np.where(logins > 0, np.where(np.asarray(counts.is_known_device, bool), known, unknown), 0.0)


@dataclass(frozen=True, slots=True)
class Velocity:
    """What happened just before, as numbers; each adds to the score by `velocity_points`.

    Args:
        accounts_of_address: Other accounts tried without success from the address within the hour.
        wrong_passwords: Wrong passwords for this account within the hour, from browsers it does not know.
        kilometres_per_hour: Speed since the last sign-in, 0 where a place is not known.
    """

    accounts_of_address: int = 0
    wrong_passwords: int = 0
    kilometres_per_hour: float = 0.0


FASTEST_KMH = 1000.0
"""Faster than an airliner from door to door."""


def velocity_points(velocity: Velocity) -> dict[str, float]:
    """Log-odds that are added for haste; 0 for what people do who mistype twice.

    Unlike the features these are judged, not estimated: an attacker's haste is not in the history of honest people.
    """
    return {
        "many_accounts": min(max(velocity.accounts_of_address - 2, 0) * 1.0, 5.0),
        "wrong_passwords": min(max(velocity.wrong_passwords - 2, 0) * 0.5, 2.0),
        "travel": 4.0 if velocity.kilometres_per_hour > FASTEST_KMH else 0.0,
    }


def decide(score: float, *, step_up_at: float, refuse_at: float) -> Decision:
    """What follows from a score."""
    return "refuse" if score >= refuse_at else "step_up" if score >= step_up_at else "allow"
