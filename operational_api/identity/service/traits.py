"""What a sign-in looks like, at every grain that is compared: network, place, browser, hour."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from operational_api.identity.agents import read_agent
from operational_api.identity.models import Account
from operational_api.identity.places import network_of
from operational_api.identity.risk import LEVELS
from operational_api.identity.service.login import Browser


@dataclass(frozen=True, slots=True)
class Traits:
    """Columns of a sign-in attempt that tell what it looks like; empty texts where nothing is known."""

    account_key: str
    address: str
    block: str
    prefix: str
    region: str
    country: str
    agent: str
    program: str
    kind: str
    hour: str
    part: str

    def levels(self) -> Iterator[tuple[str, str]]:
        """Level and value, in the order of `risk.LEVELS`."""
        return ((level, getattr(self, level)) for level in LEVELS)


def account_key(email: str) -> str:
    """Names an address typed, without telling it to who reads the table."""
    return hashlib.sha256(email.strip().lower().encode()).hexdigest()[:32]


def device_key(browser: Browser) -> str:
    """Names a browser; empty where it has no id."""
    told = browser.device_id or browser.device or ""
    return hashlib.sha256(told.encode()).hexdigest()[:32] if told else ""


def traits_of(browser: Browser, account: Account | None, now: datetime, *, email: str = "") -> Traits:
    """What this sign-in looks like.

    Args:
        account: Whose hours count; of an address that nobody has, `email` as typed and hours in UTC.
    """
    network, agent = network_of(browser.address), read_agent(browser.user_agent)
    hour, part = hours_of(now, account.time_zone if account else "UTC")
    return Traits(
        account_key=account_key(account.email if account else email),
        address=network.address, block=network.block, prefix=network.prefix,
        region=browser.place, country=browser.place[:2],
        agent=agent.agent, program=agent.program, kind=agent.kind, hour=hour, part=part,
    )  # fmt: skip


def hours_of(now: datetime, time_zone: str) -> tuple[str, str]:
    """Hour and part of a week as a person lives it: "weekday 07" and "day 04-07"."""
    try:
        local = now.astimezone(ZoneInfo(time_zone))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        local = now
    day, begin = "weekend" if local.weekday() >= 5 else "weekday", local.hour // 4 * 4
    return f"{day} {local.hour:02}", f"{day[-3:]} {begin:02}-{begin + 3:02}"
