"""The only door to compliance for other contexts: ids and plain values in and out.

Commands take the principal and decide by the policy; the HTTP API and the graph both act through them.
"""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from operational_api.compliance.schemas import ConsentsRead, ConsentsWrite
from operational_api.compliance.service import consents
from operational_api.compliance.service.consents import DATA_KINDS
from operational_api.core.errors import Forbidden
from operational_api.core.principal import Principal

__all__ = [
    "DATA_KINDS", "ConsentsRead", "ConsentsWrite", "decide_consents", "may_store", "shown_kinds", "storable_kinds",
]  # fmt: skip


def may_store(session: Session, customer_id: UUID, data_kind: str) -> bool:
    """Whether data of this kind about this customer may be kept now. Ask before storing, not before reading."""
    return (customer_id, data_kind) in consents.given(session, [customer_id], purpose="coaching")


def storable_kinds(session: Session, customer_ids: Iterable[UUID]) -> set[tuple[UUID, str]]:
    """Customers and the kinds of data about them that may be kept now."""
    return consents.given(session, customer_ids, purpose="coaching")


def shown_kinds(session: Session, customer_ids: Iterable[UUID]) -> dict[UUID, frozenset[str]]:
    """The kinds of data that each of these customers lets their coach see now, in one query: for the policy."""
    return consents.shown_kinds(session, customer_ids)


def decide_consents(session: Session, principal: Principal, body: ConsentsWrite, *, now: datetime) -> ConsentsRead:
    """Give or withdraw the consent of the customer who asks; how every choice stands now."""
    if principal.account_id is None:
        raise Forbidden
    consents.decide(
        session, customer_id=principal.account_id, decisions=body.by_choice(), decided_by=principal.account_id, now=now
    )
    return ConsentsRead.of(consents.current(session, principal.account_id))
