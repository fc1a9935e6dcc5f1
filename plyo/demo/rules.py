"""The automation rule of the demo, the runs it has had, and what coaches did with them.

Every fifth customer met is held out, so that the effect of writing to the others can be estimated; the truth is
`plyo.demo.journey.TREATMENT`.
"""

import json

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from contracts.events import automation as facts
from plyo.demo import words
from plyo.demo.batch import Batch
from plyo.demo.clock import DAY, HOUR, MINUTE, Clock
from plyo.demo.columns import Coded, Floats, Ids, joined, no_ids
from plyo.demo.conversation import Conversation, Occasions
from plyo.demo.journey import Journey
from plyo.demo.people import Coaches, Customers

MODEL_ID = "baseline-before-first-training"
ACTED, DISMISSED, EXPIRED, HELD_OUT = range(4)
_STATUSES = ("acted", "dismissed", "expired", "held_out")
_DISMISSALS = ("Already spoke on the phone", "On holiday, back soon", "Knows what they are doing")
_NAT = np.datetime64("NaT", "us")


def write_rule(batch: Batch, clock: Clock) -> Ids:
    """The rule `churn-check-in` into the batch."""
    at = np.array([clock.start - 20 * DAY])
    ids = batch.ids(at)
    batch.add(
        "automation.rules", id=ids, code=["churn-check-in"], name="Check in before somebody leaves",
        trigger="churn_score", condition=[json.dumps({"probability_at_least": 0.1})], action="suggest_nudge",
        message_template=words.NUDGE, holdout_percent=20, cooldown_days=30, outcome_days=14, is_active=True,
        created_at=at,
    )  # fmt: skip
    return ids


def write_runs(
    batch: Batch,
    talk: Conversation,
    rule: Ids,
    *,
    customers: Customers,
    coaches: Coaches,
    journey: Journey,
    clock: Clock,
) -> None:
    """Scores, runs, the nudges that coaches sent, and the events of all of them."""
    who, week, probability, seen, missed, since, held, fated, coached = journey.runs.columns(9)
    who, week, fate, coach = (column.astype(int) for column in (who, week, fated, coached))
    random, n = batch.random, len(who)
    if n == 0:
        return
    started = clock.start + (week * 7 + 1) * DAY + 6 * HOUR + random.integers(0, 90, n) * MINUTE
    scored = started - 3 * MINUTE
    decided = started + random.integers(60, 40 * 60, n) * MINUTE
    decided = np.where(fate <= DISMISSED, decided, _NAT)
    score_ids, run_ids = batch.ids(scored), batch.ids(started)
    customer_ids, coach_ids = customers.ids[who], coaches.ids[coach]
    rounded = np.round(probability, 4)
    batch.add(
        "automation.churn_scores", id=score_ids, customer_id=customer_ids, coach_id=coach_ids, model_id=MODEL_ID,
        probability=rounded, reasons=_reasons(seen, missed, since), scored_at=scored, received_at=scored + MINUTE,
    )  # fmt: skip
    batch.announce(facts.ChurnScored, scored + MINUTE, customer_id=customer_ids, probability=rounded, model_id=MODEL_ID)
    is_held = held > 0
    first = pa.array(customers.first[who].tolist(), pa.large_string())
    before, after = words.NUDGE.split("{first_name}")
    text = joined(before, first, after)
    acted = fate == ACTED
    messages = no_ids(n)
    messages[acted] = talk.write(
        Occasions(who[acted], coach[acted], decided[acted]), coach_ids[acted], text.filter(pa.array(acted)), kind=1,
        runs=run_ids[acted],
    )  # fmt: skip
    reason = np.where(fate == DISMISSED, random.integers(0, len(_DISMISSALS), n), -1)
    arm = Coded(is_held.astype(int), ("treatment", "holdout"))
    batch.add(
        "automation.runs", id=run_ids, rule_id=rule[0], customer_id=customer_ids, coach_id=coach_ids,
        score_id=score_ids, arm=arm, status=Coded(fate, _STATUSES),
        suggested_message=pc.if_else(pa.array(is_held), pa.scalar(None, pa.large_string()), text),
        message_id=messages, started_at=started, decided_at=decided,
        decided_by=np.where(fate <= DISMISSED, coach_ids, no_ids(n)), dismiss_reason=Coded(reason, _DISMISSALS),
    )  # fmt: skip
    batch.announce(facts.RunStarted, started, run_id=run_ids, rule_id=rule[0], customer_id=customer_ids, arm=arm)
    batch.announce(
        facts.RunActed, decided[acted], run_id=run_ids[acted], customer_id=customer_ids[acted],
        message_id=messages[acted],
    )  # fmt: skip
    gone = fate == DISMISSED
    batch.announce(
        facts.RunDismissed, decided[gone], run_id=run_ids[gone], customer_id=customer_ids[gone],
        reason=Coded(reason[gone], _DISMISSALS),
    )  # fmt: skip


def _reasons(seen: Floats, missed: Floats, since: Floats) -> pa.Array:
    """JSON of what raised each score, largest first."""
    share, no_shows = 5.5 * (0.72 - seen), 0.55 * missed
    new_coach = np.where(since < 8, 0.8, 0.0)
    parts = [
        _reason("adherence_28d", "Workouts done of those planned, last four weeks", seen, share),
        _reason("no_shows_28d", "Missed sessions, last four weeks", missed, no_shows),
        _reason("weeks_since_coach_change", "Weeks since the coach changed", since, new_coach),
    ]
    order = np.argsort(-np.stack([share, no_shows, new_coach], axis=1), axis=1, kind="stable")
    stacked = pa.chunked_array(parts).combine_chunks()
    ranked = [stacked.take(pa.array(order[:, rank] * len(seen) + np.arange(len(seen)))) for rank in range(3)]
    return joined("\x01[", ranked[0], ",", ranked[1], ",", ranked[2], "]")


def _reason(feature: str, label: str, value: Floats, contribution: Floats) -> pa.Array:
    return joined(
        f'{{"feature":"{feature}","label":"{label}","value":',
        pa.array(np.round(value, 3)).cast(pa.large_string()),
        ',"contribution":',
        pa.array(np.round(contribution, 3)).cast(pa.large_string()),
        "}",
    )
