"""The decision about every message, as a pure function: caps, quiet hours over clock changes, wishes, bounces."""

from datetime import UTC, datetime, time, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operational_api.engagement.sending import (
    CAPS,
    CHANNELS,
    LOCKED,
    PURPOSES,
    Channel,
    Postpone,
    Purpose,
    Send,
    Wishes,
    Withhold,
    decide,
    is_quiet,
    quiet_end,
    zone_of,
)

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
ZONES = (
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Ho_Chi_Minh",
    "Africa/Casablanca",
    "No/Where",
)
CLOCK_CHANGES = (
    datetime(2026, 3, 28, 22, tzinfo=UTC),  # Berlin forward
    datetime(2026, 10, 24, 22, tzinfo=UTC),  # Berlin back
    datetime(2026, 3, 8, 4, tzinfo=UTC),  # New York forward
    datetime(2026, 11, 1, 3, tzinfo=UTC),  # New York back
    datetime(2026, 10, 3, 12, tzinfo=UTC),  # Lord Howe forward, by half an hour
    datetime(2026, 4, 4, 12, tzinfo=UTC),  # Lord Howe back
)
minutes = st.integers(0, 24 * 12 - 1).map(lambda n: time(n // 12, n % 12 * 5))
moments = st.builds(
    lambda base, offset: base + timedelta(minutes=offset), st.sampled_from(CLOCK_CHANGES), st.integers(0, 12 * 60)
)
channels, purposes = st.sampled_from(CHANNELS), st.sampled_from(PURPOSES)


class TestQuietEnd:
    @settings(max_examples=250, deadline=None)
    @given(now=moments, start=minutes, end=minutes, zone=st.sampled_from(ZONES))
    def test_is_the_first_minute_that_the_wall_clock_calls_loud(
        self, now: datetime, start: time, end: time, zone: str
    ) -> None:
        def quiet(at: datetime) -> bool:
            return is_quiet(at.astimezone(zone_of(zone)).time(), quiet_from=start, quiet_until=end)

        at = now
        while quiet(at):
            at += timedelta(minutes=1)
        assert quiet_end(now, start, end, zone) == (None if at == now else at)

    @pytest.mark.parametrize(
        ("at", "until", "expected"),
        [
            # 02:30 does not exist that night: the clock goes from 01:59 to 03:00.
            (datetime(2026, 3, 28, 23, tzinfo=UTC), time(2, 30), datetime(2026, 3, 29, 1, tzinfo=UTC)),
            # 02:30 exists twice: the first one ends the quiet time.
            (datetime(2026, 10, 24, 23, tzinfo=UTC), time(2, 30), datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),
            (datetime(2026, 3, 28, 23, tzinfo=UTC), time(7), datetime(2026, 3, 29, 5, tzinfo=UTC)),
            (datetime(2026, 10, 24, 23, tzinfo=UTC), time(7), datetime(2026, 10, 25, 6, tzinfo=UTC)),
        ],
    )
    def test_survives_both_clock_changes(self, at: datetime, until: time, expected: datetime) -> None:
        assert quiet_end(at, time(22), until, "Europe/Berlin") == expected


class TestDecide:
    @given(channel=channels, now=moments, zone=st.sampled_from(ZONES), start=minutes, end=minutes)
    @settings(max_examples=100, deadline=None)
    def test_what_is_postponed_leaves_at_its_time(
        self, channel: Channel, now: datetime, zone: str, start: time, end: time
    ) -> None:
        wishes = Wishes(
            {(channel, "reminders"): True}, quiet_from=start, quiet_until=end, time_zone=zone,
        )  # fmt: skip
        decision = decide(channel=channel, purpose="reminders", now=now, wishes=wishes)
        if isinstance(decision, Postpone):
            assert decision.until > now
            decision = decide(channel=channel, purpose="reminders", now=decision.until, wishes=wishes)
        assert decision == Send()

    @given(
        purpose=st.sampled_from([one for one in PURPOSES if one != "transactional"]),
        wanted=st.lists(st.tuples(st.integers(0, 14 * 24 * 60), channels), max_size=120),
    )
    @settings(max_examples=60, deadline=None)
    def test_no_sequence_over_any_channels_breaks_a_cap(
        self, purpose: Purpose, wanted: list[tuple[int, Channel]]
    ) -> None:
        wishes = Wishes({(channel, purpose): True for channel in CHANNELS})
        sent: list[datetime] = []
        for minute, channel in sorted(wanted):
            now = NOON + timedelta(minutes=minute)
            if decide(channel=channel, purpose=purpose, now=now, wishes=wishes, sent_lately=sent) == Send():
                sent.append(now)
        cap = CAPS[purpose]
        for at in sent:
            assert sum(at <= one < at + timedelta(days=1) for one in sent) <= cap.a_day
            assert sum(at <= one < at + timedelta(days=7) for one in sent) <= cap.a_week

    @given(channel=channels, count=st.integers(0, 500), hour=st.integers(0, 23))
    def test_transactional_knows_neither_caps_nor_night(self, channel: Channel, count: int, hour: int) -> None:
        now = NOON.replace(hour=hour)
        wishes = Wishes({(channel, "transactional"): True}, quiet_from=time(0), quiet_until=time(23, 59))
        assert decide(
            channel=channel, purpose="transactional", now=now, wishes=wishes, sent_lately=[now] * count
        ) == Send()  # fmt: skip

    @given(channel=channels, purpose=purposes, reason=st.sampled_from(["bounce", "stop", "complaint", "unsubscribe"]))
    def test_a_dead_address_gets_nothing(self, channel: Channel, purpose: Purpose, reason: str) -> None:
        wishes = Wishes({(channel, purpose): True})
        decision = decide(channel=channel, purpose=purpose, now=NOON, wishes=wishes, suppressed_by=reason)
        if reason == "complaint" and purpose == "transactional":
            assert decision == Send()
        else:
            assert decision == Withhold(f"suppressed:{reason}")

    @given(channel=channels, purpose=purposes)
    def test_a_no_is_a_no_and_silence_is_no_yes_to_marketing_or_the_phone(
        self, channel: Channel, purpose: Purpose
    ) -> None:
        refused = Wishes({(channel, purpose): False}, allows_marketing=True)
        assert refused.allows(channel, purpose) is ((channel, purpose) in LOCKED)
        if purpose == "marketing" or channel in ("sms", "whatsapp"):
            assert not Wishes().allows(channel, purpose)
        else:
            assert Wishes().allows(channel, purpose)

    def test_what_would_come_too_late_is_not_sent(self) -> None:
        asleep = Wishes(quiet_from=time(11), quiet_until=time(14))
        given_ = {"channel": "email", "purpose": "reminders", "now": NOON, "wishes": asleep}
        assert decide(**given_) == Postpone(NOON.replace(hour=14))  # type: ignore[arg-type]
        assert decide(**given_, expires_at=NOON.replace(hour=13)) == Withhold("too_late")  # type: ignore[arg-type]
        assert decide(**given_, expires_at=NOON) == Withhold("too_late")  # type: ignore[arg-type]
