"""What the business knows of a person when it sells to them: a lead, a customer, or a customer who was one."""

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from operational_api.engagement.models import Lead, LifecycleStage
from operational_api.engagement.service.contacts import contacts


@dataclass(frozen=True, slots=True)
class CrmPerson:
    """A person as a CRM may know them.

    Args:
        person_id: The customer's id, the lead's of who has no account.
        lead_id: The newest lead that they left; None: they came without one.
        stage: Of `lifecycle`; None before anything happened.
    """

    person_id: UUID
    is_customer: bool
    lead_id: UUID | None
    email: str
    name: str
    phone: str | None
    source: str | None
    owner: str | None
    stage: str | None


def crm_people(session: Session, person_ids: Collection[UUID]) -> dict[UUID, CrmPerson]:
    """People by the id that was asked for; a lead who has an account is told as the customer. Four queries.

    Leads who were lost, and people whose account is closed, are absent.
    """
    asked = set(person_ids)
    rows = session.scalars(
        select(Lead)
        .where(or_(Lead.id.in_(asked), Lead.customer_id.in_(asked)), Lead.lost_at.is_(None))
        .order_by(Lead.created_at, Lead.id)
    ).all()
    leads = {lead.id: lead for lead in rows}
    of_customer = {lead.customer_id: lead for lead in rows if lead.customer_id}
    customer_of = {one: (leads[one].customer_id if one in leads else None) or one for one in asked}
    accounts = contacts(session, customer_of.values())
    stages: dict[UUID, str] = {
        row.person_id: row.stage
        for row in session.scalars(
            select(LifecycleStage).where(LifecycleStage.person_id.in_(asked | set(customer_of.values())))
        )
    }
    found: dict[UUID, CrmPerson] = {}
    for one in asked:
        account, lead = accounts.get(customer_of[one]), leads.get(one) or of_customer.get(one)
        if account is not None and account.role == "customer":
            found[one] = CrmPerson(
                account.account_id, True, lead.id if lead else None, account.email, account.display_name,
                lead.phone if lead else None, lead.source if lead else None, lead.owner if lead else None,
                stages.get(account.account_id),
            )  # fmt: skip
        elif lead is not None and lead.customer_id is None:
            found[one] = CrmPerson(
                lead.id, False, lead.id, lead.email, lead.name, lead.phone, lead.source, lead.owner,
                stages.get(lead.id, "lead"),
            )  # fmt: skip
    return found


def crm_person_ids(session: Session) -> list[UUID]:
    """Leads who wait, and customers with a stage. An address that nobody has confirmed yet is told to no CRM."""
    waiting = session.scalars(select(Lead.id).where(Lead.converted_at.is_(None), Lead.lost_at.is_(None))).all()
    is_lead = select(Lead.id).where(Lead.id == LifecycleStage.person_id).exists()
    return [*waiting, *session.scalars(select(LifecycleStage.person_id).where(~is_lead))]
