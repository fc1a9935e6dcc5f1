"""The coach's queue: whom to write to, riskiest first, why, and with which words."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import literal, select, tuple_
from sqlalchemy.orm import Session, aliased

from operational_api.automation.models import ChurnScore, Rule, Run
from operational_api.automation.service.runs import OPEN_FOR
from operational_api.core.paging import after, cut
from operational_api.engagement import public as engagement
from operational_api.training import public as training


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One open run as the coach sees it. `refusal`: why it cannot be sent at this moment, None when it can. `reasons`
    are empty of a customer who withholds training or injuries from the coach: they might tell of them."""

    run_id: UUID
    rule_id: UUID
    rule_name: str
    customer_id: UUID
    customer_name: str
    probability: float
    scored_at: datetime
    reasons: list[dict[str, Any]]
    suggested_message: str
    why_now: str
    started_at: datetime
    expires_at: datetime
    refusal: str | None


def suggestions(
    session: Session, *, coach_id: UUID, limit: int, cursor: str | None, now: datetime
) -> tuple[list[Suggestion], str | None]:
    """A page of the coach's open runs by the customer's newest probability, highest first."""
    newest = aliased(
        ChurnScore,
        select(ChurnScore)
        .where(ChurnScore.customer_id == Run.customer_id)
        .order_by(ChurnScore.scored_at.desc(), ChurnScore.id.desc())
        .limit(1)
        .lateral(),
    )
    statement = (
        select(Run, Rule, newest)
        .join(Rule, Rule.id == Run.rule_id)
        .join(newest, newest.customer_id == Run.customer_id)
        .where(Run.coach_id == coach_id, Run.status == "open")
        .order_by(newest.probability.desc(), Run.id.desc())
        .limit(limit + 1)
    )
    if cursor is not None:
        probability, run_id = after(cursor, float, UUID)
        statement = statement.where(tuple_(newest.probability, Run.id) < tuple_(literal(probability), literal(run_id)))
    rows = session.execute(statement).tuples().all()
    page, next_cursor = cut(rows, limit, lambda row: (row[2].probability, row[0].id))
    customers = [run.customer_id for run, _, _ in page]
    names = training.client_names(session, customers)
    refusals = engagement.nudge_refusals(session, customers, now)
    open_ones = training.who_withholds_nothing(session, customers)
    told = [
        Suggestion(
            run_id=run.id,
            rule_id=rule.id,
            rule_name=rule.name,
            customer_id=run.customer_id,
            customer_name=names.get(run.customer_id, "A client"),
            probability=score.probability,
            scored_at=score.scored_at,
            reasons=score.reasons if run.customer_id in open_ones else [],
            suggested_message=run.suggested_message or "",
            why_now=_why_now(rule, run, score, tells_reasons=run.customer_id in open_ones),
            started_at=run.started_at,
            expires_at=run.started_at + OPEN_FOR,
            refusal=refusals.get(run.customer_id),
        )
        for run, rule, score in page
    ]
    return told, next_cursor


def _why_now(rule: Rule, run: Run, score: ChurnScore, *, tells_reasons: bool) -> str:
    threshold = float(rule.condition["probability_at_least"])
    raising = [one["label"] for one in score.reasons if tells_reasons and one.get("contribution", 0) > 0]
    first = f" {raising[0]}." if raising else ""
    when = f"{run.started_at.day} {run.started_at:%B}"
    if score.probability >= threshold:
        return f"{score.probability:.0%} risk of leaving within 30 days, {threshold:.0%} or more since {when}.{first}"
    return f"Risk passed {threshold:.0%} on {when} and is {score.probability:.0%} now.{first}"
