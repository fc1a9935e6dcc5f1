"""The only door to compliance for other contexts: ids and plain values in and out."""

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy.orm import Session

from operational_api.compliance.service import consents
from operational_api.compliance.service.consents import DATA_KINDS

__all__ = ["DATA_KINDS", "may_store", "storable_kinds"]


def may_store(session: Session, customer_id: UUID, data_kind: str) -> bool:
    """Whether data of this kind about this customer may be kept now. Ask before storing, not before reading."""
    return (customer_id, data_kind) in consents.given(session, [customer_id], purpose="coaching")


def storable_kinds(session: Session, customer_ids: Iterable[UUID]) -> set[tuple[UUID, str]]:
    """Customers and the kinds of data about them that may be kept now."""
    return consents.given(session, customer_ids, purpose="coaching")
