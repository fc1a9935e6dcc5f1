"""Whose rows a principal sees: the one place where the row policy of analytics is decided.

admin        everything
finance      everything about money
lead coach   everything but money
coach        rows that carry their coach_id, or rows of customers who are their clients now; nothing about money
data         every row, with what tells of a person left out (`classification`)
customer     rows about themself
Whether one client's page may be opened at all is the Cedar policy's decision (`operational_api.core.policy`).

The past tells no more: rows of an older snapshot are those of people who were the coach's clients then and are now.
"""

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from operational_api.analytics.errors import HealthData, NotForServices, WholeBusiness
from operational_api.analytics.query import Value
from operational_api.core.policy import may_principal
from operational_api.core.principal import Principal

COACHES = ("coach", "lead_coach")
OWN_CLIENTS = "customer_id in (select customer_id from @core.dim_customers where coach_id = $principal)"


@dataclass(frozen=True, slots=True)
class Scope:
    """A condition that every row must meet; `condition` is empty for those who may see all."""

    condition: str
    parameters: dict[str, Value]

    @property
    def is_of_own_clients(self) -> bool:
        """Whether it is by who a coach's clients are, which changes."""
        return self.condition == OWN_CLIENTS


def of(principal: Principal, columns: Collection[str], *, schema: str = "", is_client_history: bool = False) -> Scope:
    """The rows of something with these columns that the principal may see.

    Args:
        principal: Who asks.
        columns: Columns of the rows.
        schema: Schema of the mart: coaches see nothing of `finance`, not even their clients' part.
        is_client_history: Rows belong to the client wherever they came from: the coach of today sees what was done
            with the coach before.

    Raises:
        WholeBusiness: the rows cannot be told apart by this principal.
        NotForServices: it is no person.
    """
    account = _account(principal)
    for_all = "analytics.read_money" if schema == "finance" else "analytics.read_team"
    if any(
        may_principal(principal, action) for action in ("analytics.read_everything", "analytics.read_masked", for_all)
    ):
        return Scope("", {})
    if principal.role in COACHES and schema != "finance":
        if "coach_id" in columns and not is_client_history:
            return Scope("coach_id = $principal", {"principal": account})
        if "customer_id" in columns:
            return Scope(OWN_CLIENTS, {"principal": account})
    if principal.role == "customer" and "customer_id" in columns:
        return Scope("customer_id = $principal", {"principal": account})
    raise WholeBusiness


def of_own_clients(principal: Principal) -> Scope:
    """Rows about those who are the principal's clients now, for what nobody but a coach may see row by row.

    Raises:
        HealthData: the principal is no coach.
    """
    account = _account(principal)
    if principal.role not in COACHES:
        raise HealthData
    return Scope(OWN_CLIENTS, {"principal": account})


def require_staff(principal: Principal) -> None:
    """Let those pass who work with the numbers.

    Raises:
        WholeBusiness: the principal does not.
        NotForServices: the principal is no person.
    """
    _account(principal)
    if not may_principal(principal, "analytics.read_lineage"):
        raise WholeBusiness


def _account(principal: Principal) -> UUID:
    if principal.account_id is None:
        raise NotForServices
    return principal.account_id
