"""Who decides about somebody's money: whoever the policy lets, and never about their own."""

from collections.abc import Iterable
from uuid import UUID

from operational_api.commerce.billing.errors import OwnMoney
from operational_api.core.policy import Resource, is_allowed
from operational_api.core.principal import Principal

SETTLE, DECIDE = "commerce.settle_waiting", "commerce.decide_parked"
PAY = "commerce.record_payout"


def decider(principal: Principal, action: str, kind: str, id_: UUID, whose: Iterable[UUID | None]) -> UUID:
    """The account of who decides about somebody's money.

    Raises:
        OwnMoney: it is theirs, or not for them to decide.
    """
    may = all(is_allowed(principal, action, Resource(kind, id_, customer_id=one)) for one in whose if one)
    if principal.account_id is None or not may:
        raise OwnMoney
    return principal.account_id
