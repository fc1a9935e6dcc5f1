"""Pages under /staff, one module a matter. What each shows, and the menu, is the policy's."""

from datetime import UTC, datetime
from uuid import UUID

from fastapi import APIRouter
from sqlalchemy.orm import Session

from operational_api.commerce import public as commerce
from operational_api.compliance import public as compliance
from operational_api.engagement import public as engagement
from operational_api.identity import public as identity
from operational_api.staff import desks
from operational_api.staff.pages import (
    audit,
    book,
    books,
    coupons,
    evidence,
    exceptions,
    exports,
    home,
    invoices,
    messages,
    money,
    payers,
    paying_for,
    payouts,
    people,
    plans,
    requests,
    today,
)
from operational_api.web.navigation import NavItem


def _waiting(session: Session, account_id: UUID) -> int:
    known = identity.person(session, account_id)
    return desks.waiting(session, role=known.role, account_id=account_id, now=datetime.now(UTC)) if known else 0


def _faults(session: Session, _: UUID) -> int:
    return compliance.event_faults(session)


def _doubtful(session: Session, _: UUID) -> int:
    return len(engagement.undecided_messages(session))


def _exceptions(session: Session, _: UUID) -> int:
    return commerce.count_billing_exceptions(session, datetime.now(UTC))


router = APIRouter()
for _part in (
    home,
    requests,
    people,
    payers,
    paying_for,
    invoices,
    today,
    book,
    books,
    exceptions,
    exports,
    audit,
    evidence,
    messages,
    money,
    payouts,
    plans,
    coupons,
):
    router.include_router(_part.router)
NAV = [
    NavItem("Desk", "/staff", "staff.open_desk", order=1, icon="home"),
    NavItem("Today", "/staff/today", "scheduling.see_day", order=2, icon="calendar"),
    NavItem("Book", "/staff/book", "scheduling.book_for", order=3, icon="plus"),
    NavItem("Requests", "/staff/requests", "staff.read_requests", order=3, icon="check", badge=_waiting),
    NavItem("People", "/staff/people", "identity.look_up_person", order=4, icon="search"),
    NavItem("Books", "/staff/books", "commerce.read_differences", order=5, icon="receipt"),
    NavItem("Exports", "/staff/exports", "compliance.read_exports", order=11, icon="copy"),
    NavItem("Payments", "/staff/collections", "commerce.read_collections", order=7, icon="card"),
    NavItem("Exceptions", "/staff/exceptions", "commerce.settle_waiting", order=8, icon="receipt", badge=_exceptions),
    NavItem("Who pays", "/staff/payers", "commerce.set_payer", order=8, icon="users"),
    NavItem("Plans", "/staff/plans", "commerce.manage_prices", order=8, icon="tag", also=("/staff/coupons",)),
    NavItem("Commission", "/staff/commissions", "commerce.read_commissions", order=47, icon="receipt"),
    NavItem("Audit log", "/staff/audit", "compliance.read_audit", order=12, icon="lock"),
    NavItem("In doubt", "/staff/messages", "engagement.settle_message", order=14, icon="message", badge=_doubtful),
    NavItem("Record", "/staff/evidence", "compliance.check_events", order=13, icon="check", badge=_faults),
]
