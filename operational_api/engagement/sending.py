"""Whether a message may leave now, later or never: one pure decision that every channel obeys.

It knows no table and no provider. What it needs is told to it: what the person allows, what they were sent lately, and
whether their address is dead. Asked when a message is about to leave, not when it was asked for.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

Channel = Literal["email", "sms", "whatsapp", "push"]
Purpose = Literal["transactional", "reminders", "coaching", "marketing"]
CHANNELS: tuple[Channel, ...] = ("email", "sms", "whatsapp", "push")
PURPOSES: tuple[Purpose, ...] = ("transactional", "reminders", "coaching", "marketing")
Place = Literal[Channel, "app"]
PLACES: tuple[Place, ...] = (*CHANNELS, "app")
"""Where a person reads what is for them: by a channel, and in the app's inbox, which no message leaves for."""
LOCKED: frozenset[tuple[Place, Purpose]] = frozenset({("email", "transactional"), ("app", "transactional")})
"""What cannot be switched off: the proof of a booking or a payment, and the way back into an account."""

WAYS: tuple[Channel, ...] = ("push", "whatsapp", "sms", "email")
"""How what is no proof goes out, whatever its purpose: the first that the person lets us use. A phone number is used by
who said yes to it, so that yes comes before the e-mail that everybody gets."""


@dataclass(frozen=True, slots=True)
class Cap:
    """How many messages of a purpose a person gets in any 24 hours and any 7 days, over all channels together."""

    a_day: int
    a_week: int


CAPS: Mapping[Purpose, Cap] = {
    "reminders": Cap(a_day=6, a_week=25),
    "coaching": Cap(a_day=12, a_week=50),
    "marketing": Cap(a_day=1, a_week=3),
}
Digested = Literal["coaching", "marketing"]
DIGESTED: tuple[Digested, ...] = ("coaching", "marketing")
"""What a person may have as a list at an hour of theirs. Proofs, security, what is to be paid (all transactional) and
reminders of sessions are never gathered: they are worth something at their moment only."""
WEEK = timedelta(days=7)
DAY = timedelta(days=1)
DAY_OF_LISTS = timedelta(hours=22)
"""Between two lists of two days: clocks go forward, and a worker may have been late yesterday."""
NUDGES = Cap(a_day=3, a_week=3)
"""Of check-ins, which a person did not ask for; they count in the app, before any channel."""


Pace = Literal["at_once", "daily", "weekly"]
MORNING = 8
"""The hour of lists where nobody says another."""


@dataclass(frozen=True, slots=True)
class Rhythm:
    """When messages of a purpose come as one list: at an hour (0-23) of the person's clock, every day or on Mondays."""

    hour: int
    is_weekly: bool = False

    @property
    def pace(self) -> Pace:
        """How often."""
        return "weekly" if self.is_weekly else "daily"

    def after(self, now: datetime, time_zone: str) -> datetime:
        """The first such instant after `now`, in UTC.

        Once a local day: an hour that clocks leave out is the moment they jump, one that they show twice its first.
        """
        zone = zone_of(time_zone)
        today = now.astimezone(zone).date()
        days = (today + timedelta(days=day) for day in range(-1, 16))
        hours = (
            datetime.combine(day, time(self.hour), zone).astimezone(UTC)
            for day in days
            if not self.is_weekly or day.weekday() == 0
        )
        return next(at for at in hours if at > now)


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a person said.

    Args:
        choices: Yes or no by channel and purpose; what is missing has its default (`allows`).
        undisturbed_until: Nothing but transactional messages arrives before then.
        quiet_from: With `quiet_until` the local time in which nothing but transactional messages arrives.
        time_zone: IANA name; one that nobody knows counts as UTC.
    """

    choices: Mapping[tuple[Place, Purpose], bool] = field(default_factory=dict)
    allows_marketing: bool = False
    quiet_from: time | None = None
    quiet_until: time | None = None
    time_zone: str = "UTC"
    undisturbed_until: datetime | None = None

    def allows(self, channel: Place, purpose: Purpose) -> bool:
        """Marketing needs a yes, and so does everything by SMS and WhatsApp; the rest goes until they say no."""
        if (channel, purpose) in LOCKED:
            return True
        if (said := self.choices.get((channel, purpose))) is not None:
            return said
        if channel in ("sms", "whatsapp"):
            return False
        return purpose != "marketing" or self.allows_marketing


@dataclass(frozen=True, slots=True)
class Send:
    """Now."""


@dataclass(frozen=True, slots=True)
class Postpone:
    """Not before `until`, when it is to be decided anew."""

    until: datetime


@dataclass(frozen=True, slots=True)
class Gather:
    """At `until`, with what else of its purpose waits for the person by then (`service.digests`)."""

    until: datetime


@dataclass(frozen=True, slots=True)
class Withhold:
    """Never by this channel. `reason`: suppressed:…, not_allowed, no_address, read_already, not_so_any_more,
    called_off, too_late, daily_cap, weekly_cap."""

    reason: str

    @property
    def other_channel_may(self) -> bool:
        """Whether the reason is about this channel alone, and a fallback may carry the message."""
        return self.reason.startswith("suppressed") or self.reason in ("not_allowed", "no_address")


Decision = Send | Postpone | Gather | Withhold


def decide(
    *,
    channel: Channel,
    purpose: Purpose,
    now: datetime,
    wishes: Wishes,
    sent_lately: Sequence[datetime] = (),
    suppressed_by: str | None = None,
    expires_at: datetime | None = None,
    rhythm: Rhythm | None = None,
    is_list: bool = False,
) -> Decision:
    """What becomes of a message at `now`.

    Args:
        sent_lately: When the person got messages of this purpose in the last seven days, by whatever channel.
        suppressed_by: Why the address is dead: bounce, complaint, stop or unsubscribe.
        expires_at: When the message is worth nothing any more.
        rhythm: When the person has messages of this purpose as a list; None: at once. What would be worth nothing by
            then does not wait for it.
        is_list: It has waited, and carries what else did. One that a cap holds back waits, and the next list joins it.
    """
    if suppressed_by and not (suppressed_by == "complaint" and purpose == "transactional"):
        return Withhold(f"suppressed:{suppressed_by}")
    if not wishes.allows(channel, purpose):
        return Withhold("not_allowed")
    if expires_at is not None and expires_at <= now:
        return Withhold("too_late")
    if purpose == "transactional":
        return Send()
    if rhythm is not None and purpose in DIGESTED and not is_list:
        gathered_at = rhythm.after(now, wishes.time_zone)
        if expires_at is None or gathered_at < expires_at:
            return Gather(gathered_at)
    until = quiet_end(now, wishes.quiet_from, wishes.quiet_until, wishes.time_zone)
    if wishes.undisturbed_until is not None and wishes.undisturbed_until > now:
        until = wishes.undisturbed_until  # asked again then, when it may be quiet
    if until is not None:
        return Withhold("too_late") if expires_at is not None and expires_at <= until else Postpone(until)
    if is_list:
        free_at = free(CAPS[purpose], sent_lately, now)
        return Send() if free_at is None else Postpone(free_at)
    capped = over(CAPS[purpose], sent_lately, now)
    return Withhold(capped) if capped else Send()


def over(cap: Cap, sent: Iterable[datetime], now: datetime) -> str | None:
    """Which limit one more message at `now` would break: daily_cap, weekly_cap, or None."""
    times = [at for at in sent if now - WEEK < at]
    if sum(now - DAY < at for at in times) >= cap.a_day:
        return "daily_cap"
    return "weekly_cap" if len(times) >= cap.a_week else None


def free(cap: Cap, sent: Iterable[datetime], now: datetime) -> datetime | None:
    """When one more list breaks no limit, where it would at `now`."""
    times = sorted(sent)
    limits = ((cap.a_day, DAY_OF_LISTS), (cap.a_week, WEEK))
    frees = [times[-most] + length for most, length in limits if len(times) >= most]
    return max((at for at in frees if at > now), default=None)


def is_quiet(local: time, *, quiet_from: time | None, quiet_until: time | None) -> bool:
    """Whether a local time of day lies in [quiet_from, quiet_until), which may span midnight."""
    if quiet_from is None or quiet_until is None or quiet_from == quiet_until:
        return False
    if quiet_from < quiet_until:
        return quiet_from <= local < quiet_until
    return local >= quiet_from or local < quiet_until


def quiet_end(now: datetime, quiet_from: time | None, quiet_until: time | None, time_zone: str) -> datetime | None:
    """The first instant after `now` that is not quiet on the person's wall clock; None when `now` is not quiet.

    Clocks that go forward may jump over the end, clocks that go back may jump out of the quiet time or end it twice:
    whatever the wall clock shows decides.
    """
    zone = zone_of(time_zone)

    def quiet(at: datetime) -> bool:
        return is_quiet(at.astimezone(zone).time(), quiet_from=quiet_from, quiet_until=quiet_until)

    if quiet_until is None or not quiet(now):
        return None
    today = now.astimezone(zone).date()
    ends = [
        datetime.combine(today + timedelta(days=day), quiet_until, zone).replace(fold=fold).astimezone(UTC)
        for day in range(-1, 4)
        for fold in (0, 1)
    ]
    candidates = sorted({*ends, *_clock_changes(now, zone)})
    return next(at for at in candidates if at > now and not quiet(at))


def zone_of(name: str) -> ZoneInfo:
    """The zone of this name, UTC where there is none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")


def own_zone(name: str, otherwise: str) -> str:
    """A person's zone; another where they never said one, which is then UTC, or nobody knows the one that they said."""
    return name if name != "UTC" and zone_of(name).key == name else otherwise


def _clock_changes(now: datetime, zone: ZoneInfo) -> list[datetime]:
    """When the zone's clocks change in the three days from `now`, to the minute."""
    found = []
    start = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    for hour in range(73):
        low, high = start + timedelta(hours=hour), start + timedelta(hours=hour + 1)
        if low.astimezone(zone).utcoffset() == high.astimezone(zone).utcoffset():
            continue
        while high - low > timedelta(minutes=1):
            middle = low + timedelta(minutes=(high - low) // timedelta(minutes=2))
            same = middle.astimezone(zone).utcoffset() == low.astimezone(zone).utcoffset()
            low, high = (middle, high) if same else (low, middle)
        found.append(high)
    return found
