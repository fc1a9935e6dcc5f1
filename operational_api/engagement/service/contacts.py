"""Where and in which time zone people are reached: a read-only view that identity's table stands behind.

The view `engagement.contacts` (migrations 0010, 0029) is all that engagement sees of identity; nothing is copied, so a
changed or erased address is changed or erased here at once.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import String, Uuid, column, func, select, table
from sqlalchemy.orm import Session

_contacts = table(
    "contacts",
    column("account_id", Uuid),
    column("email", String),
    column("display_name", String),
    column("time_zone", String),
    column("role", String),
    column("locale", String),
    schema="engagement",
)


@dataclass(frozen=True, slots=True)
class Contact:
    """A person as engagement needs them. `time_zone` is an IANA name."""

    account_id: UUID
    email: str
    display_name: str
    time_zone: str
    role: str
    locale: str = "en"

    @property
    def first_name(self) -> str:
        """What a friendly message calls them."""
        return self.display_name.split()[0] if self.display_name.split() else "there"


def contacts(session: Session, account_ids: Iterable[UUID]) -> dict[UUID, Contact]:
    """Contacts by account id; unknown and disabled accounts are absent."""
    rows = session.execute(select(_contacts).where(_contacts.c.account_id.in_(set(account_ids))))
    return {row.account_id: Contact(**row._mapping) for row in rows}


def contact(session: Session, account_id: UUID) -> Contact | None:
    """One contact, or None where the account is unknown or disabled."""
    return contacts(session, [account_id]).get(account_id)


def contact_by_email(session: Session, email: str) -> Contact | None:
    """Whose address this is, or None."""
    row = session.execute(select(_contacts).where(func.lower(_contacts.c.email) == email.lower())).first()
    return Contact(**row._mapping) if row else None


def all_customers(session: Session) -> list[Contact]:
    """Every customer with an account that is open."""
    return contacts_of_role(session, "customer")


def contacts_of_role(session: Session, role: str) -> list[Contact]:
    """Everybody of a role with an account that is open."""
    rows = session.execute(select(_contacts).where(_contacts.c.role == role).order_by(_contacts.c.account_id))
    return [Contact(**row._mapping) for row in rows]
