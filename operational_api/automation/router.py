"""HTTP to the services of automation and back, under /api/automation."""

from datetime import UTC, datetime
from uuid import UUID

from operational_api.automation.schemas import (
    NudgeSend,
    RuleChange,
    RuleCreate,
    RuleRead,
    RunArm,
    RunDismiss,
    RunRead,
    RunStatus,
    ScoresCreate,
    ScoresReceipt,
    SuggestionRead,
)
from operational_api.automation.service import queue, rules, runs, scores
from operational_api.core.database import DbSession
from operational_api.core.idempotency import IdempotentRoute
from operational_api.core.paging import Cursor, Limit, Page
from operational_api.core.policy import Allowed
from operational_api.core.principal import CurrentAccount
from operational_api.core.routing import ContextRouter
from operational_api.training import public as training

router = ContextRouter(prefix="/api/automation", tags=["automation"], route_class=IdempotentRoute)


def _now() -> datetime:
    return datetime.now(UTC)


@router.post("/churn-scores", status_code=202, dependencies=[Allowed("automation.put_scores")])
def create_churn_scores(body: ScoresCreate, session: DbSession) -> ScoresReceipt:
    """Take a batch of scores from the warehouse; repeating it changes nothing."""
    receipt = scores.receive_scores(
        session,
        model_id=body.model_id,
        scored_at=body.scored_at,
        scores=[score.model_dump(mode="json") for score in body.scores],
        now=_now(),
    )
    return ScoresReceipt.model_validate(receipt, from_attributes=True)


@router.get("/queue", dependencies=[Allowed("automation.read_queue")])
def read_queue(
    coach_id: CurrentAccount, session: DbSession, limit: Limit = 50, cursor: Cursor = None
) -> Page[SuggestionRead]:
    """The coach's open suggestions, riskiest first."""
    found, next_cursor = queue.suggestions(session, coach_id=coach_id, limit=limit, cursor=cursor, now=_now())
    return Page(items=[SuggestionRead.model_validate(one) for one in found], next_cursor=next_cursor)


@router.post("/runs/{run_id}/send", dependencies=[Allowed("automation.act_on_queue")])
def send_nudge(run_id: UUID, body: NudgeSend, coach_id: CurrentAccount, session: DbSession) -> RunRead:
    """Send the message of a suggestion, as it is or edited."""
    return RunRead.model_validate(
        runs.send(session, run_id=run_id, coach_id=coach_id, body=body.body, now=_now())
    )  # fmt: skip


@router.post("/runs/{run_id}/dismiss", dependencies=[Allowed("automation.act_on_queue")])
def dismiss_run(run_id: UUID, body: RunDismiss, coach_id: CurrentAccount, session: DbSession) -> RunRead:
    """Set a suggestion aside."""
    return RunRead.model_validate(
        runs.dismiss(session, run_id=run_id, coach_id=coach_id, reason=body.reason, now=_now())
    )  # fmt: skip


@router.post("/runs/{run_id}/undo", dependencies=[Allowed("automation.act_on_queue")])
def undo_dismissal(run_id: UUID, coach_id: CurrentAccount, session: DbSession) -> RunRead:
    """Take a dismissal back, within a minute of it."""
    return RunRead.model_validate(runs.undo_dismissal(session, run_id=run_id, coach_id=coach_id, now=_now()))


@router.get("/runs", dependencies=[Allowed("automation.read_runs")])
def list_runs(
    session: DbSession,
    rule_id: UUID | None = None,
    coach_id: UUID | None = None,
    customer_id: UUID | None = None,
    arm: RunArm | None = None,
    status: RunStatus | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[RunRead]:
    """Runs of all coaches, newest first, held-out ones included."""
    found, next_cursor = rules.list_runs(
        session, rule_id=rule_id, coach_id=coach_id, customer_id=customer_id, arm=arm, status=status, limit=limit,
        cursor=cursor,
    )  # fmt: skip
    names = training.client_names(session, [run.customer_id for run in found])
    items = [
        RunRead.model_validate(run).model_copy(update={"customer_name": names.get(run.customer_id)}) for run in found
    ]
    return Page(items=items, next_cursor=next_cursor)


@router.get("/rules", dependencies=[Allowed("automation.manage_rules")])
def list_rules(session: DbSession) -> Page[RuleRead]:
    """Every rule with its runs by arm and status."""
    return Page(items=[RuleRead.counted(found) for found in rules.rules_with_counts(session)])


@router.post("/rules", status_code=201, dependencies=[Allowed("automation.manage_rules")])
def create_rule(body: RuleCreate, admin_id: CurrentAccount, session: DbSession) -> RuleRead:
    """Add a rule on the churn score."""
    return RuleRead.of(rules.create_rule(session, admin_id=admin_id, values=body.model_dump(), now=_now()))


@router.patch("/rules/{rule_id}", dependencies=[Allowed("automation.manage_rules")])
def change_rule(rule_id: UUID, body: RuleChange, admin_id: CurrentAccount, session: DbSession) -> RuleRead:
    """Change a rule; written to the audit trail."""
    return RuleRead.of(
        rules.change_rule(session, rule_id=rule_id, admin_id=admin_id, changes=body.changes(), now=_now())
    )  # fmt: skip
