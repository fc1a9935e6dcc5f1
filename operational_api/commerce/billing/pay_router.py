"""HTTP to service and back: what coaches earn, their pay periods, and that they were paid.

What customers pay is `router`.
"""

from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query, Request, Response

from operational_api.commerce.billing.models import CommissionRate
from operational_api.commerce.billing.pay_schemas import (
    BalanceList,
    BalanceRead,
    CommissionRateCreate,
    CommissionRateList,
    CommissionRateRead,
    EarningList,
    EarningRead,
    PayoutBatchCreate,
    PayoutBatchRead,
    PayoutCreate,
    PayoutReverse,
    PayPeriodClose,
    PaySlipList,
    PaySlipRead,
    StandingRead,
    StatementList,
    StatementListed,
    StatementRead,
    UnpaidList,
)
from operational_api.commerce.billing.router import attachment, seller
from operational_api.commerce.billing.service import (
    earnings,
    pay_lines,
    pay_slips,
    payout_batches,
    payouts,
    studios,
)
from operational_api.core.database import DbSession
from operational_api.core.idempotency import IdempotentRoute
from operational_api.core.paging import Cursor, Limit, Page
from operational_api.core.policy import Allowed, may_see_everybody
from operational_api.core.principal import CurrentAccount, CurrentPrincipal
from operational_api.core.routing import ContextRouter
from operational_api.core.wall_time import Day

router = ContextRouter(prefix="/api/commerce", tags=["billing"], route_class=IdempotentRoute)
SLIP: dict[int | str, dict[str, Any]] = {200: {"content": {"application/pdf": {}, "text/csv": {}}}}


@router.get("/commission-rates", dependencies=[Allowed("commerce.set_commission")])
def list_rates(session: DbSession) -> CommissionRateList:
    """What coaches earn, and earned."""
    return CommissionRateList(items=[CommissionRateRead.model_validate(row) for row in pay_lines.rates(session)])


@router.post(
    "/commission-rates",
    response_model=CommissionRateRead,
    status_code=201,
    dependencies=[Allowed("commerce.set_commission")],
)
def create_rate(body: CommissionRateCreate, actor_id: CurrentAccount, session: DbSession) -> CommissionRate:
    """Set what a coach earns from a day on."""
    return earnings.set_rate(session, **body.model_dump(), actor_id=actor_id, now=datetime.now(UTC))


@router.get("/commissions", dependencies=[Allowed("commerce.set_commission")])
def list_commissions(session: DbSession, last_on: Day | None = None) -> EarningList:
    """What every coach is owed up to a day, today unless one is named, and is in no statement yet."""
    last = last_on or studios.days(session, datetime.now(UTC))[1]
    return EarningList(
        last_on=last, items=[EarningRead.model_validate(one) for one in earnings.earned(session, last_on=last)]
    )


@router.post("/commission-statements", status_code=201, dependencies=[Allowed("commerce.close_pay_period")])
def close_pay_period(body: PayPeriodClose, actor_id: CurrentAccount, session: DbSession) -> StatementList:
    """Close a pay period: a statement for every coach who worked in it."""
    made = earnings.close(
        session, first_on=body.first_on, last_on=body.last_on, actor_id=actor_id, now=datetime.now(UTC)
    )
    return StatementList(items=[StatementRead.model_validate(row) for row in made])


@router.get("/commission-statements", dependencies=[Allowed("commerce.read_commissions")])
def list_statements(
    principal: CurrentPrincipal, account_id: CurrentAccount, session: DbSession, limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[StatementListed]:  # fmt: skip
    """Closed pay periods and how far they are paid, the newest first: a coach's own, or everybody's for finance."""
    sees_all = may_see_everybody(principal, "commerce.read_commissions")
    rows, following = earnings.statements(
        session, coach_id=None if sees_all else account_id, limit=limit, cursor=cursor
    )
    paid = payouts.standings(session, [row.id for row in rows])
    return Page(
        items=[
            StatementListed(
                **StatementRead.model_validate(row).model_dump(), standing=StandingRead.model_validate(paid[row.id])
            )
            for row in rows
        ],
        next_cursor=following,
    )


@router.get("/commission-statements/{statement_id}", dependencies=[Allowed("commerce.read_commissions")])
def read_statement(statement_id: UUID, principal: CurrentPrincipal, session: DbSession) -> PaySlipRead:
    """A closed statement, line by line: sessions, and corrections with what each came from."""
    return PaySlipRead.model_validate(pay_slips.closed(session, principal, statement_id=statement_id))


@router.get(
    "/commission-statements/{statement_id}/file", response_class=Response, responses=SLIP,
    dependencies=[Allowed("commerce.read_commissions")],
)  # fmt: skip
def read_statement_file(
    statement_id: UUID, principal: CurrentPrincipal, session: DbSession, request: Request,
    file_format: Annotated[pay_slips.FileFormat, Query(alias="format")] = "pdf",
) -> Response:  # fmt: skip
    """A closed statement as a PDF, or as CSV."""
    return attachment(*pay_slips.file(
        session, principal, statement_id=statement_id, file_format=file_format, seller=seller(request)
    ))  # fmt: skip


@router.post(
    "/commission-statements/{statement_id}/payouts", status_code=201, dependencies=[Allowed("commerce.record_payout")]
)
def create_payout(
    statement_id: UUID, body: PayoutCreate, principal: CurrentPrincipal, session: DbSession
) -> PaySlipRead:  # fmt: skip
    """Note that a coach was paid a statement, or a part of it; the statement as it is then."""
    payouts.record(session, principal, statement_id=statement_id, **body.model_dump(), now=datetime.now(UTC))
    return read_statement(statement_id, principal, session)


@router.post("/commission-payouts/{payout_id}/reversal", dependencies=[Allowed("commerce.record_payout")])
def reverse_payout(
    payout_id: UUID, body: PayoutReverse, principal: CurrentPrincipal, session: DbSession
) -> PaySlipRead:  # fmt: skip
    """Take back that a coach was paid: it was a mistake, and is owed again; the statement as it is then."""
    row = payouts.reverse(session, principal, payout_id=payout_id, reason=body.reason, now=datetime.now(UTC))
    return read_statement(row.statement_id, principal, session)


@router.get("/commission-balances", dependencies=[Allowed("commerce.read_commissions")])
def list_balances(principal: CurrentPrincipal, account_id: CurrentAccount, session: DbSession) -> BalanceList:
    """What is still to be paid of closed statements: a coach's own, or everybody's for finance."""
    sees_all = may_see_everybody(principal, "commerce.read_commissions")
    found = payouts.balances(session, coach_id=None if sees_all else account_id)
    return BalanceList(items=[BalanceRead.model_validate(one) for one in found])


@router.get("/coaches/{coach_id}/pay", dependencies=[Allowed("commerce.read_commissions")])
def read_open_pay(
    coach_id: UUID, principal: CurrentPrincipal, session: DbSession, last_on: Day | None = None
) -> PaySlipList:
    """What a coach earned up to a day, today unless one is named, that is in no statement yet, line by line."""
    last = last_on or studios.days(session, datetime.now(UTC))[1]
    found = pay_slips.not_closed(session, principal, coach_id=coach_id, last_on=last)
    return PaySlipList(items=[PaySlipRead.model_validate(one) for one in found])


@router.get("/unpaid-commission-statements", dependencies=[Allowed("commerce.record_payout")])
def list_unpaid(principal: CurrentPrincipal, session: DbSession, last_on: Day | None = None) -> UnpaidList:
    """What is not paid of periods that ended by a day, today unless one is named: what a batch of that day would note
    as paid."""
    last = last_on or studios.days(session, datetime.now(UTC))[0]
    return UnpaidList.of(last, payout_batches.unpaid_until(session, principal, last_on=last))


@router.post("/commission-payout-batches", status_code=201, dependencies=[Allowed("commerce.record_payout")])
def create_payout_batch(
    body: PayoutBatchCreate, principal: CurrentPrincipal, session: DbSession
) -> PayoutBatchRead:  # fmt: skip
    """Note that all that is not paid up to a day was paid outside, just as it was seen."""
    batch_id = payout_batches.record(session, principal, **body.model_dump(), now=datetime.now(UTC))
    return read_payout_batch(batch_id, session)


@router.get("/commission-payout-batches/{batch_id}", dependencies=[Allowed("commerce.record_payout")])
def read_payout_batch(batch_id: UUID, session: DbSession) -> PayoutBatchRead:
    """What was noted as paid at once, and what of it was taken back."""
    return PayoutBatchRead.of(batch_id, payout_batches.of_batch(session, batch_id))


@router.post("/commission-payout-batches/{batch_id}/reversal", dependencies=[Allowed("commerce.record_payout")])
def reverse_payout_batch(
    batch_id: UUID, body: PayoutReverse, principal: CurrentPrincipal, session: DbSession
) -> PayoutBatchRead:  # fmt: skip
    """Take back all of a batch that was not taken back yet: it is owed again."""
    payout_batches.reverse(session, principal, batch_id=batch_id, reason=body.reason, now=datetime.now(UTC))
    return read_payout_batch(batch_id, session)
