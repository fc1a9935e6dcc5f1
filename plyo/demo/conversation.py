"""Leads, what people allow, and what coaches and clients write to each other."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from contracts.events import engagement as facts
from plyo.demo import words
from plyo.demo.batch import Batch
from plyo.demo.catalogue import INJURIES, LEAD_SOURCES, STUDIOS
from plyo.demo.clock import DAY, HOUR, MINUTE, Clock
from plyo.demo.columns import Bools, Coded, Ids, Ints, Times, joined, no_ids
from plyo.demo.journey import ACTIVE, LEAVING, TRIAL, Journey
from plyo.demo.people import Coaches, Customers, name_people
from plyo.demo.sessions import alive

_KINDS = ("chat", "nudge", "system")
_NAT = np.datetime64("NaT", "us")
_QUIET = (22 * 3600 * 10**6, 7 * 3600 * 10**6)


@dataclass
class Occasions:
    """Why somebody wrote: customer, coach and when. `part` is the injured body part, -1 for none."""

    customer: Ints
    coach: Ints
    at: Times
    part: Ints | None = None

    def where(self, which: Bools) -> "Occasions":
        """The chosen ones."""
        part = None if self.part is None else self.part[which]
        return Occasions(self.customer[which], self.coach[which], self.at[which], part)


class Conversation:
    """Writes the messages of a block."""

    def __init__(
        self, batch: Batch, customers: Customers, coaches: Coaches, journey: Journey, clock: Clock, desk: Ids
    ) -> None:
        self._batch, self._customers, self._coaches, self._clock = batch, customers, coaches, clock
        self._journey = journey
        self._desk = desk
        """Id of the account that system messages come from."""

    def weekly(self) -> None:
        """Welcomes, check-ins, praise, worried questions and clients' own, from what each week was like."""
        journey, random, clock = self._journey, self._batch.random, self._clock
        week = np.arange(clock.weeks)
        live = np.isin(journey.state, (TRIAL, ACTIVE, LEAVING)) & (week <= clock.current)
        planned, done = (journey.outcome > 0).sum(axis=1), (journey.outcome == 1).sum(axis=1)
        rate = np.where(planned > 0, done / np.maximum(planned, 1), 0.7)
        draw = random.random(live.shape)
        for exchange, which in (
            (words.MISSED, live & (rate < 0.4) & (planned > 1) & (draw < 0.32)),
            (words.PRAISE, live & (rate == 1) & (planned > 1) & (draw < 0.10)),
            (words.CHECK_IN, live & (rate >= 0.4) & (draw > 0.86)),
            (words.QUESTION, live & (draw > 0.45) & (draw < 0.52)),
        ):
            who, at_week = np.nonzero(which)
            at = clock.utc(
                self._customers.studio[who], clock.day(at_week, random.integers(0, 7, len(who))),
                random.integers(7 * 60, 21 * 60, len(who)),
            )  # fmt: skip
            self.exchange(exchange, Occasions(who, journey.coach[who, at_week].astype(int), at))

    def exchange(self, exchange: words.Exchange, occasions: Occasions) -> None:
        """An opening for each occasion and an answer to two thirds of them."""
        lives, _ = alive(self._journey, occasions.customer, occasions.at)
        occasions = occasions.where(lives & (occasions.at <= self._clock.until) & (occasions.coach >= 0))
        random, n = self._batch.random, len(occasions.at)
        # Nobody reads the same sentence twice in a month.
        chosen = (occasions.customer * 5 + self._clock.week_of(occasions.at)) % len(exchange.openings)
        self._send(exchange.openings, chosen, occasions, by_coach=exchange.starts_with_coach)
        if not exchange.answers:
            return
        later = occasions.at + random.integers(4, 9 * 60, n) * MINUTE
        answered = (random.random(n) < (0.64 if exchange.starts_with_coach else 0.95)) & (later <= self._clock.until)
        # Questions have each their own answer; to other openings any answer fits.
        reply = chosen if len(exchange.answers) == len(exchange.openings) == 6 and not exchange.starts_with_coach else (
            random.integers(0, len(exchange.answers), n)
        )  # fmt: skip
        answers = Occasions(occasions.customer, occasions.coach, later, occasions.part).where(answered)
        self._send(exchange.answers, reply[answered], answers, by_coach=not exchange.starts_with_coach)

    def ask(self, text: str, occasions: Occasions) -> None:
        """A question of customers that nobody has answered or read yet."""
        n = len(occasions.at)
        body = pa.repeat(text, n).cast(pa.large_string())
        self.write(occasions, self._customers.ids[occasions.customer], body, kind=0, is_read=False)

    def announce_to_all(self, exchange: words.Exchange, occasions: Occasions, *, month: str = "") -> None:
        """A system message without answer."""
        occasions = occasions.where(occasions.at <= self._clock.until)
        body = exchange.openings[0].format(month=month)
        n = len(occasions.at)
        self.write(occasions, np.full(n, self._desk), pa.repeat(body, n).cast(pa.large_string()), kind=2)

    def _send(self, texts: tuple[str, ...], chosen: Ints, occasions: Occasions, *, by_coach: bool) -> None:
        first = pa.array(self._customers.first[occasions.customer].tolist(), pa.large_string())
        coach = pa.array(self._coaches.first[occasions.coach].tolist(), pa.large_string())
        body = pa.array(list(texts), pa.large_string()).take(pa.array(chosen))
        body = _filled(body, "{name}", first)
        body = _filled(body, "{coach}", coach)
        if occasions.part is not None:
            body = _filled(body, "{part}", pa.array(INJURIES, pa.large_string()).take(pa.array(occasions.part)))
        senders = self._coaches.ids[occasions.coach] if by_coach else self._customers.ids[occasions.customer]
        self.write(occasions, senders, body, kind=0)

    def write(
        self,
        occasions: Occasions,
        senders: Ids,
        body: pa.Array,
        *,
        kind: int,
        runs: Ids | None = None,
        is_read: bool = True,
    ) -> Ids:
        """Messages and their events into the batch; those of a customer go to their coach, others to the customer.

        Returns:
            Their ids.
        """
        random, until, n = self._batch.random, self._clock.until, len(occasions.at)
        customer_ids = self._customers.ids[occasions.customer]
        recipients = np.where(senders == customer_ids, self._coaches.ids[occasions.coach], customer_ids)
        ids = self._batch.ids(occasions.at)
        read = occasions.at + (random.exponential(4.5 * 60, n) + 2).astype(int) * MINUTE
        read = np.where((read <= until) & (random.random(n) < 0.97), read, _NAT)
        read = read if is_read else np.full(n, _NAT)
        old = occasions.at < until - 12 * DAY
        read = np.where(np.isnat(read) & old, occasions.at + 2 * DAY, read)
        self._batch.add(
            "engagement.messages", id=ids, customer_id=customer_ids, sender_id=senders, recipient_id=recipients,
            kind=Coded(np.full(n, kind), _KINDS), body=body,
            automation_run_id=no_ids(n) if runs is None else runs, sent_at=occasions.at, read_at=read,
        )  # fmt: skip
        self._batch.announce(
            facts.MessageSent, occasions.at, message_id=ids, customer_id=customer_ids, sender_id=senders,
            recipient_id=recipients, kind=_KINDS[kind],
        )  # fmt: skip
        seen = ~np.isnat(read)
        self._batch.announce(facts.MessageRead, read[seen], message_id=ids[seen], customer_id=customer_ids[seen])
        return ids


def _filled(texts: pa.Array, mark: str, values: pa.Array) -> pa.Array:
    """Texts with `mark` replaced by the row's own value; each text has it once at most."""
    # With the mark appended, a split gives exactly two parts or, where the text has its own, three.
    parts = pc.split_pattern(joined(texts, mark), mark)
    has_own, nothing = pc.equal(pc.list_value_length(parts), 3), pa.scalar("", pa.large_string())
    middle = pc.if_else(has_own, values, nothing)
    right = pc.if_else(has_own, pc.list_element(parts, 1), nothing)
    return joined(pc.list_element(parts, 0), middle, right)


def write_preferences(batch: Batch, customers: Customers) -> None:
    """What each customer allows; some want quiet at night."""
    random, n = batch.random, len(customers)
    quiet = random.random(n) < 0.4
    batch.add(
        "engagement.contact_preferences", customer_id=customers.ids, allows_marketing=random.random(n) < 0.35,
        allows_nudges=(random.random(n) < 0.93) | customers.protected,
        quiet_from=pa.array(np.where(quiet, _QUIET[0], 0), mask=~quiet).cast(pa.time64("us")),
        quiet_until=pa.array(np.where(quiet, _QUIET[1], 0), mask=~quiet).cast(pa.time64("us")),
        updated_at=customers.joined_at + 5 * MINUTE,
    )  # fmt: skip


def write_leads(batch: Batch, customers: Customers, locations: Ids, clock: Clock) -> None:
    """Most customers were leads before; about as many others never came."""
    random, n = batch.random, len(customers)
    came = np.flatnonzero(random.random(n) < 0.72)
    before = customers.joined_at[came] - (random.exponential(6 * 24, len(came)) * 60 + 30).astype(int) * MINUTE
    _lead(
        batch, customers.names[came], customers.emails[came], customers.studio[came], before, locations,
        customer=customers.ids[came], converted=customers.joined_at[came],
    )  # fmt: skip
    others = round(n * 0.85)
    studio = random.choice(len(STUDIOS), others, p=[place.share for place in STUDIOS])
    _, names, emails = name_people(studio, random, suffix=".lead", offset=batch.block * 100_000)
    age = random.random(others) * ((clock.until - clock.start) / HOUR - 24)
    created = clock.until - (age * 60 + 10).astype(int) * MINUTE
    lost = created + random.integers(5 * 24, 45 * 24, others) * HOUR
    _lead(batch, names, emails, studio, created, locations, lost=np.where(lost <= clock.until, lost, _NAT))


def _lead(
    batch: Batch,
    names: np.ndarray,
    emails: np.ndarray,
    studio: Ints,
    created: Times,
    locations: Ids,
    *,
    customer: Ids | None = None,
    converted: Times | None = None,
    lost: Times | None = None,
) -> None:
    n = len(names)
    nothing = np.full(n, _NAT)
    ids = batch.ids(created)
    source = Coded(batch.random.choice(6, n, p=[0.27, 0.25, 0.2, 0.1, 0.14, 0.04]), LEAD_SOURCES)
    batch.add(
        "engagement.leads", id=ids, name=names.tolist(), email=emails.tolist(), source=source,
        location_id=locations[studio], customer_id=no_ids(n) if customer is None else customer, created_at=created,
        converted_at=nothing if converted is None else converted, lost_at=nothing if lost is None else lost,
    )  # fmt: skip
    batch.announce(facts.LeadCaptured, created, lead_id=ids, source=source)
