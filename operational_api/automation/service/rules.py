"""Rules as admins see and change them. Every change is written to the audit trail with what was before."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from contracts.ids import new_id
from operational_api.automation.errors import InvalidRule, RuleExists, RuleNotFound
from operational_api.automation.models import Rule, Run
from operational_api.automation.service import wording
from operational_api.core import audit
from operational_api.core.paging import after, cut

CHANGEABLE = (
    "name", "message_template", "holdout_percent", "cooldown_days", "outcome_days", "is_active", "probability_at_least",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class RuleWithCounts:
    """A rule and how many of its runs are in each arm and status."""

    rule: Rule
    counts: dict[str, int]


def rules_with_counts(session: Session) -> list[RuleWithCounts]:
    """Every rule by name. `counts` has treatment, holdout, and each status that occurs."""
    counts: dict[UUID, dict[str, int]] = {}
    grouped = select(Run.rule_id, Run.arm, Run.status, func.count()).group_by(Run.rule_id, Run.arm, Run.status)
    for rule_id, arm, status, count in session.execute(grouped):
        of_rule = counts.setdefault(rule_id, {"treatment": 0, "holdout": 0})
        of_rule[arm] += count
        of_rule[status] = of_rule.get(status, 0) + count
    rules = session.scalars(select(Rule).order_by(Rule.name))
    return [RuleWithCounts(rule, counts.get(rule.id, {"treatment": 0, "holdout": 0})) for rule in rules]


def create_rule(session: Session, *, admin_id: UUID, values: Mapping[str, Any], now: datetime) -> Rule:
    """Add a rule on the churn score that suggests a nudge.

    Raises:
        RuleExists: the code is taken.
        InvalidRule: the message could not be filled.
    """
    wording.check_template(values["message_template"])
    row = {key: value for key, value in values.items() if key != "probability_at_least"}
    row |= {
        "id": new_id(), "trigger": "churn_score", "action": "suggest_nudge", "created_at": now,
        "condition": {"probability_at_least": values["probability_at_least"]},
    }  # fmt: skip
    rule = session.scalar(insert(Rule).values(row).on_conflict_do_nothing(index_elements=[Rule.code]).returning(Rule))
    if rule is None:
        raise RuleExists
    _audit(session, admin_id, "automation.create_rule", rule, dict(values), now)
    return rule


def change_rule(
    session: Session, *, rule_id: UUID, admin_id: UUID, changes: Mapping[str, Any], now: datetime
) -> Rule:  # fmt: skip
    """Change some of `CHANGEABLE`. Runs under way keep the arm and the message they were given.

    Raises:
        RuleNotFound: no such rule.
        InvalidRule: nothing to change, or a message that could not be filled.
    """
    rule = session.scalar(select(Rule).where(Rule.id == rule_id).with_for_update())
    if rule is None:
        raise RuleNotFound
    if not changes:
        raise InvalidRule(f"Say what to change: {', '.join(CHANGEABLE)}.")
    if "message_template" in changes:
        wording.check_template(changes["message_template"])
    changed = {}
    for name, value in changes.items():
        before = rule.condition.get(name) if name == "probability_at_least" else getattr(rule, name)
        if before == value:
            continue
        changed[name] = [before, value]
        if name == "probability_at_least":
            rule.condition = {**rule.condition, name: value}
        else:
            setattr(rule, name, value)
    if changed:
        _audit(session, admin_id, "automation.change_rule", rule, changed, now)
    session.flush()
    return rule


def list_runs(
    session: Session,
    *,
    rule_id: UUID | None,
    coach_id: UUID | None,
    customer_id: UUID | None,
    arm: str | None,
    status: str | None,
    limit: int,
    cursor: str | None,
) -> tuple[list[Run], str | None]:
    """A page of runs, newest first, held-out ones included: for admins only."""
    statement = select(Run).order_by(Run.started_at.desc(), Run.id.desc()).limit(limit + 1)
    filters = {
        Run.rule_id: rule_id, Run.coach_id: coach_id, Run.customer_id: customer_id, Run.arm: arm, Run.status: status,
    }  # fmt: skip
    for column, value in filters.items():
        if value is not None:
            statement = statement.where(column == value)
    if cursor is not None:
        at, run_id = after(cursor, datetime, UUID)
        statement = statement.where((Run.started_at < at) | ((Run.started_at == at) & (Run.id < run_id)))
    return cut(session.scalars(statement).all(), limit, lambda run: (run.started_at, run.id))


def _audit(session: Session, admin_id: UUID, action: str, rule: Rule, details: dict[str, Any], now: datetime) -> None:
    audit.record(session, action, "Rule", rule.id, actor_id=admin_id, purpose="operations", details=details, now=now)
