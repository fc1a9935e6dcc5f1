"""HTTP to service and back: plans as the business keeps them.

Prices and coupons are beside the rest of billing, in `billing.router`; what is for sale today is `router`'s.
"""

from datetime import UTC, datetime

from operational_api.commerce.schemas import Catalogue, PlanCode, PlanCreate, PlanKept, PlanTerms
from operational_api.commerce.service import catalogue
from operational_api.core.database import DbSession
from operational_api.core.idempotency import IdempotentRoute
from operational_api.core.policy import Allowed
from operational_api.core.principal import CurrentAccount
from operational_api.core.routing import ContextRouter

router = ContextRouter(prefix="/api/commerce", tags=["commerce"], route_class=IdempotentRoute)


def _read(session: DbSession, code: str, now: datetime) -> PlanKept:
    return PlanKept.of(catalogue.plan_kept(session, code=code, now=now))


@router.get("/catalogue", dependencies=[Allowed("commerce.manage_prices")])
def list_catalogue(session: DbSession) -> Catalogue:
    """Every plan with its prices of today and who has it, also those sold no more."""
    return Catalogue(items=[PlanKept.of(one) for one in catalogue.every_plan(session, now=datetime.now(UTC))])


@router.post("/plans", status_code=201, dependencies=[Allowed("commerce.manage_prices")])
def create_plan(body: PlanCreate, actor_id: CurrentAccount, session: DbSession) -> PlanKept:
    """Make a plan; it is for sale once it has a price."""
    now = datetime.now(UTC)
    made = catalogue.create_plan(session, body.terms(), code=body.code, actor_id=actor_id, now=now)
    return _read(session, made.code, now)


@router.put("/plans/{plan_code}", dependencies=[Allowed("commerce.manage_prices")])
def change_plan(plan_code: PlanCode, body: PlanTerms, actor_id: CurrentAccount, session: DbSession) -> PlanKept:
    """Have a plan say something else. What somebody bought of it stays as it was."""
    now = datetime.now(UTC)
    catalogue.change_plan(session, body.terms(), code=plan_code, actor_id=actor_id, now=now)
    return _read(session, plan_code, now)


@router.post("/plans/{plan_code}/retirement", dependencies=[Allowed("commerce.manage_prices")])
def retire_plan(plan_code: PlanCode, actor_id: CurrentAccount, session: DbSession) -> PlanKept:
    """Sell a plan no more; whoever has it keeps it."""
    now = datetime.now(UTC)
    catalogue.set_sold(session, code=plan_code, is_sold=False, actor_id=actor_id, now=now)
    return _read(session, plan_code, now)


@router.delete("/plans/{plan_code}/retirement", dependencies=[Allowed("commerce.manage_prices")])
def restore_plan(plan_code: PlanCode, actor_id: CurrentAccount, session: DbSession) -> PlanKept:
    """Sell it again."""
    now = datetime.now(UTC)
    catalogue.set_sold(session, code=plan_code, is_sold=True, actor_id=actor_id, now=now)
    return _read(session, plan_code, now)
