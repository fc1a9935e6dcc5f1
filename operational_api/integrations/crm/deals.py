"""Sales of ours as deals there: what each is to be, by the events of its subscription or pack. Written, never read."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from contracts.ids import new_id
from contracts.money import Money
from operational_api.integrations.crm import contacts
from operational_api.integrations.crm.contacts import PROVIDER
from operational_api.integrations.crm.models import CrmDeal

TRYING, WON, LOST = "appointmentscheduled", "closedwon", "closedlost"
"""Stages of HubSpot's own pipeline: on trial, bought, left before buying."""


def started(
    session: Session,
    *,
    sale_id: UUID,
    person_id: UUID,
    amount_minor: int,
    currency: str,
    is_trial: bool,
    at: datetime,
    now: datetime,
) -> None:
    """A trial or a membership began."""
    wanted = {
        "dealname": "Plyo membership", "pipeline": "default", "dealstage": TRYING if is_trial else WON,
        "amount": str(Money(amount_minor, currency).major), "deal_currency_code": currency, "closedate": _day(at),
    }  # fmt: skip
    _want(session, sale_id, person_id, wanted, at=at, now=now)


def pack_bought(
    session: Session,
    *,
    sale_id: UUID,
    person_id: UUID,
    sessions: int,
    amount_minor: int,
    currency: str,
    at: datetime,
    now: datetime,
) -> None:
    """Sessions were paid for once: won on that day, for good."""
    wanted = {
        "dealname": "Plyo session" if sessions == 1 else f"Plyo pack of {sessions} sessions", "pipeline": "default",
        "dealstage": WON, "amount": str(Money(amount_minor, currency).major), "deal_currency_code": currency,
        "closedate": _day(at),
    }  # fmt: skip
    _want(session, sale_id, person_id, wanted, at=at, now=now)


def bought(session: Session, *, sale_id: UUID, at: datetime, now: datetime) -> None:
    """A trial became a membership."""
    _step(session, sale_id, {"dealstage": WON, "closedate": _day(at)}, at=at, now=now)


def ended(session: Session, *, sale_id: UUID, at: datetime, now: datetime) -> None:
    """It ended: a trial was lost; a membership was won, and stays so."""
    row = session.scalar(_of(sale_id).with_for_update())
    if row is not None and row.wanted.get("dealstage") == TRYING:
        _step(session, sale_id, {"dealstage": LOST, "closedate": _day(at)}, at=at, now=now)


def _want(
    session: Session, sale_id: UUID, person_id: UUID, wanted: dict[str, Any], *, at: datetime, now: datetime
) -> None:
    if contacts.is_forgotten(session, person_id):
        return
    statement = insert(CrmDeal).values(
        id=new_id(), provider=PROVIDER, sale_id=sale_id, person_id=person_id, wanted=wanted, as_of=at, due_at=now,
        marks=1,
    )  # fmt: skip
    new = statement.excluded
    # The beginning told again, or after what followed it: its own facts are no other by then.
    session.execute(
        statement.on_conflict_do_update(
            index_elements=["provider", "sale_id"],
            set_={"due_at": func.coalesce(func.least(CrmDeal.due_at, new.due_at), new.due_at),
                  "marks": CrmDeal.marks + 1},
        )
    )  # fmt: skip


def _step(session: Session, sale_id: UUID, change: dict[str, Any], *, at: datetime, now: datetime) -> None:
    row = session.scalar(_of(sale_id).with_for_update())
    if row is not None and row.as_of <= at:
        row.wanted, row.as_of = row.wanted | change, at
        row.due_at, row.marks, row.attempts = now, row.marks + 1, 0
        session.flush()


def _of(sale_id: UUID) -> Any:
    return select(CrmDeal).where(CrmDeal.provider == PROVIDER, CrmDeal.sale_id == sale_id)


def _day(at: datetime) -> str:
    return at.date().isoformat()
