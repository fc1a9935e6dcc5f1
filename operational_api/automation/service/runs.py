"""A run: one rule met one customer. Starting many at once, acting on one, dismissing, undoing, expiring.

open -> acted       the coach sent the message
     -> dismissed   the coach would not; back to open within a minute
     -> expired     nobody decided while it mattered
held_out            drawn into the holdout: nobody is told, the outcome is compared
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import exists, func, insert, or_, select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from contracts.events.automation import RunActed, RunDismissed, RunExpired, RunReopened, RunStarted
from contracts.ids import new_id
from operational_api.automation.errors import RunClosed, RunNotFound, TooLateToUndo
from operational_api.automation.models import ChurnScore, Rule, Run
from operational_api.automation.service import wording
from operational_api.automation.service.arms import arm_of
from operational_api.core.outbox import publish
from operational_api.engagement import public as engagement
from operational_api.training import public as training

OPEN_FOR = timedelta(days=7)
FRESH_FOR = timedelta(days=7)
"""An older score may be of somebody who has left meanwhile."""
UNDO_WITHIN = timedelta(minutes=1)
_EVALUATION_LOCK = 0x706C796F10


def start_runs(session: Session, *, score_ids: Sequence[UUID], now: datetime) -> list[Run]:
    """Let every active rule meet the customers of these scores.

    A customer is met when the score reaches the rule's probability, they have a coach, they allow nudges, no run of
    the rule is open for them and none started within its cooldown. Only then the arm is drawn, so both arms are drawn
    from the same people.
    """
    if not score_ids:
        return []
    # One evaluation at a time: two would each see no run yet and start one.
    session.execute(text("select pg_advisory_xact_lock(:key)"), {"key": _EVALUATION_LOCK})
    rules = session.scalars(select(Rule).where(Rule.is_active, Rule.trigger == "churn_score").order_by(Rule.code))
    return [run for rule in rules for run in _meet(session, rule, score_ids, now)]


def meet_newest(session: Session, now: datetime) -> list[Run]:
    """Let the rules meet everybody by their newest score, if it is of this week.

    Scores are posted only when they change: somebody whose risk stays high, whose cooldown ends, or who is reached by
    a changed rule is met here.
    """
    newest = (
        select(ChurnScore.id)
        .distinct(ChurnScore.customer_id)
        .where(ChurnScore.scored_at > now - FRESH_FOR)
        .order_by(ChurnScore.customer_id, ChurnScore.scored_at.desc())
    )
    return start_runs(session, score_ids=session.scalars(newest).all(), now=now)


def _meet(session: Session, rule: Rule, score_ids: Sequence[UUID], now: datetime) -> list[Run]:
    met_lately = exists().where(
        Run.rule_id == rule.id,
        Run.customer_id == ChurnScore.customer_id,
        or_(Run.status == "open", Run.started_at > now - timedelta(days=rule.cooldown_days)),
    )
    cycle = (
        select(func.count())
        .where(Run.rule_id == rule.id, Run.customer_id == ChurnScore.customer_id)
        .correlate(ChurnScore)
        .scalar_subquery()
    )
    candidates = session.execute(
        select(ChurnScore.id, ChurnScore.customer_id, ChurnScore.coach_id, ChurnScore.reasons, cycle.label("cycle"))
        .where(
            ChurnScore.id.in_(score_ids),
            ChurnScore.probability >= float(rule.condition["probability_at_least"]),
            ChurnScore.coach_id.is_not(None),
            ~met_lately,
        )
        .order_by(ChurnScore.probability.desc(), ChurnScore.id)
    ).all()
    unwilling = engagement.customers_without_nudges(session, (one.customer_id for one in candidates))
    names = training.client_names(session, [one.customer_id for one in candidates])
    open_ones = training.who_withholds_nothing(session, [one.customer_id for one in candidates])
    rows = []
    for one in candidates:
        if one.customer_id in unwilling:
            continue
        arm = arm_of(
            rule_id=rule.id, customer_id=one.customer_id, cycle=one.cycle, holdout_percent=rule.holdout_percent
        )
        is_treated = arm == "treatment"
        reasons = one.reasons if one.customer_id in open_ones else []  # the coach reads it before the client does
        message = wording.fill(rule.message_template, name=names.get(one.customer_id, ""), reasons=reasons)
        rows.append(
            {
                "id": new_id(), "rule_id": rule.id, "customer_id": one.customer_id, "coach_id": one.coach_id,
                "score_id": one.id, "arm": arm, "status": "open" if is_treated else "held_out",
                "suggested_message": message if is_treated else None, "started_at": now,
            }
        )  # fmt: skip
    if not rows:
        return []
    started = list(session.scalars(insert(Run).returning(Run), rows))
    for run in started:
        publish(
            session,
            RunStarted(occurred_at=now, run_id=run.id, rule_id=rule.id, customer_id=run.customer_id, arm=run.arm),
        )
    return started


def send(session: Session, *, run_id: UUID, coach_id: UUID, body: str, now: datetime) -> Run:
    """Send the coach's message for a run, as suggested or edited.

    Raises:
        RunNotFound: no such run, a held-out one, or another coach's.
        RunClosed: it was decided before.
        NudgeRefused: the customer wants no nudge now. The run stays open.
        MessageRejected: empty or too long.
    """
    run = _open_run(session, run_id, coach_id)
    run.message_id = engagement.send_message(
        session, customer_id=run.customer_id, sender_id=coach_id, recipient_id=run.customer_id, kind="nudge",
        body=body, automation_run_id=run.id, now=now,
    )  # fmt: skip
    run.status, run.decided_at, run.decided_by = "acted", now, coach_id
    session.flush()
    publish(
        session, RunActed(occurred_at=now, run_id=run.id, customer_id=run.customer_id, message_id=run.message_id)
    )  # fmt: skip
    return run


def dismiss(session: Session, *, run_id: UUID, coach_id: UUID, reason: str, now: datetime) -> Run:
    """Set a suggestion aside. The customer stays in the treatment arm: intention to treat.

    Raises:
        RunNotFound: no such run, a held-out one, or another coach's.
        RunClosed: it was decided before.
    """
    run = _open_run(session, run_id, coach_id)
    run.status, run.decided_at, run.decided_by, run.dismiss_reason = "dismissed", now, coach_id, reason.strip()
    session.flush()
    publish(
        session,
        RunDismissed(occurred_at=now, run_id=run.id, customer_id=run.customer_id, reason=run.dismiss_reason),
    )
    return run


def undo_dismissal(session: Session, *, run_id: UUID, coach_id: UUID, now: datetime) -> Run:
    """Put a suggestion that was just set aside back into the queue.

    Raises:
        RunNotFound: no such run, or another coach's.
        TooLateToUndo: it is not dismissed, or more than a minute ago, or the rule has met the customer again since.
    """
    run = _own_run(session, run_id, coach_id)
    if run.status != "dismissed" or run.decided_at is None or now - run.decided_at > UNDO_WITHIN:
        raise TooLateToUndo
    try:
        with session.begin_nested():
            run.status, run.decided_at, run.decided_by, run.dismiss_reason = "open", None, None, None
            session.flush()
    except IntegrityError as error:
        if getattr(getattr(error.orig, "diag", None), "constraint_name", None) != "uq_runs_one_open":
            raise
        raise TooLateToUndo from error
    publish(session, RunReopened(occurred_at=now, run_id=run.id, customer_id=run.customer_id))
    return run


def expire_runs(session: Session, now: datetime) -> int:
    """Close suggestions that nobody decided on within a week."""
    statement = (
        update(Run)
        .where(Run.status == "open", Run.started_at <= now - OPEN_FOR)
        .values(status="expired", decided_at=now)
        .returning(Run.id, Run.customer_id)
    )
    expired = session.execute(statement).all()
    for row in expired:
        publish(session, RunExpired(occurred_at=now, run_id=row.id, customer_id=row.customer_id))
    return len(expired)


def hand_over(session: Session, *, customer_id: UUID, coach_id: UUID, now: datetime) -> None:
    """Give a customer's open suggestions to their new coach; who was scored before having one is met now.

    The warehouse posts a score again only when it has moved, so nobody else would meet them.
    """
    session.execute(
        update(Run).where(Run.customer_id == customer_id, Run.status == "open").values(coach_id=coach_id)
    )  # fmt: skip
    newest = session.scalar(
        select(ChurnScore)
        .where(ChurnScore.customer_id == customer_id, ChurnScore.scored_at > now - FRESH_FOR)
        .order_by(ChurnScore.scored_at.desc(), ChurnScore.id.desc())
        .limit(1)
    )
    if newest is not None and newest.coach_id is None:
        newest.coach_id = coach_id
        session.flush()
        start_runs(session, score_ids=[newest.id], now=now)


def _own_run(session: Session, run_id: UUID, coach_id: UUID) -> Run:
    run = session.scalar(
        select(Run).where(Run.id == run_id, Run.coach_id == coach_id, Run.arm == "treatment").with_for_update()
    )
    if run is None:
        raise RunNotFound
    return run


def _open_run(session: Session, run_id: UUID, coach_id: UUID) -> Run:
    run = _own_run(session, run_id, coach_id)
    if run.status != "open":
        raise RunClosed
    return run
