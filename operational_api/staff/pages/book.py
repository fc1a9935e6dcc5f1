"""/staff/book: booking for a customer who stands there or calls, or for a coach's own client; with a coach, or with
whoever is free.

Who, when, how it is paid; and taking a slip back.
"""

from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Literal
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Form, Query, Request, Response
from pydantic import AwareDatetime
from sqlalchemy.orm import Session

from operational_api.core.database import DbSession
from operational_api.core.errors import DomainError, NotFound
from operational_api.core.idempotency import IdempotentRoute
from operational_api.core.policy import Allowed, may_principal
from operational_api.core.principal import CurrentAccount, CurrentPrincipal, Principal
from operational_api.identity import public as identity
from operational_api.scheduling import public as scheduling
from operational_api.staff.pages.people import PersonNotFound, Typed, find
from operational_api.staff.pages.today import studios_of
from operational_api.training import public as training
from operational_api.web.filters import zone
from operational_api.web.rendering import redirect, render

router = APIRouter(prefix="/staff", route_class=IdempotentRoute)
DAYS = 7
"""Days in the strip; the first of them is the chosen one or today."""
FARTHEST = timedelta(days=366)


@router.get("/book", dependencies=[Allowed("scheduling.book_for")])
def who(
    request: Request,
    principal: CurrentPrincipal,
    account_id: CurrentAccount,
    session: DbSession,
    q: Typed = "",
) -> Response:
    """Whom to book for: customers by name, also one that is misspelt, or e-mail address; looking is written down. A
    coach chooses among their own clients."""
    if not may_principal(principal, "identity.look_up_person"):
        return render(request, "staff/book_mine.html", mine=_clients(session, account_id))
    return render(request, "staff/book_who.html", **find(session, principal, q, customers_only=True))


def _clients(session: Session, coach_id: UUID) -> list[tuple[UUID, str]]:
    """A coach's clients of today, by name."""
    names = training.client_names(session, training.clients_of(session, coach_id))
    return sorted(names.items(), key=lambda one: (one[1].casefold(), one[0]))


def _customer(session: Session, principal: Principal, customer_id: UUID) -> identity.Person:
    """The customer who is booked for."""
    scheduling.reach_customer(session, principal, customer_id, missing=PersonNotFound)
    person = identity.person(session, customer_id)
    if person is None or person.role != "customer":
        raise PersonNotFound
    return person


@router.get("/book/{customer_id}", dependencies=[Allowed("scheduling.book_for")])
def when(
    request: Request,
    customer_id: UUID,
    principal: CurrentPrincipal,
    account_id: CurrentAccount,
    session: DbSession,
    studio: UUID | None = None,
    day: date | None = None,
) -> Response:
    """What can be had of a day at a studio, in its own time; and what was booked here just now."""
    now = datetime.now(UTC)
    person = _customer(session, principal, customer_id)
    studios = studios_of(session, principal, account_id)
    client = training.client_facts(session, customer_id)
    wanted = studio or scheduling.studio_of(session, account_id) or (client.location_id if client else None)
    here = next((one for one in studios if one.location_id == wanted), studios[0] if studios else None)
    if here is None:
        return render(request, "staff/book_when.html", person=person, here=None)
    tz = zone(here.time_zone)
    today = now.astimezone(tz).date()
    on = min(max(day or today, today), today + FARTHEST)
    first = max(today, on - timedelta(days=DAYS // 2))
    days = [first + timedelta(days=one) for one in range(DAYS)]
    since, until = (
        datetime.combine(one, time(), tz).astimezone(UTC) for one in (first, first + timedelta(days=DAYS))
    )  # fmt: skip
    found = scheduling.slots_for(
        session, principal, customer_id=customer_id, location_id=here.location_id, since=since, until=until, now=now
    )
    midnight = datetime.combine(on, time(), tz).astimezone(UTC)
    anybody = scheduling.openings_for(
        session, principal, customer_id=customer_id, location_id=here.location_id, since=midnight,
        until=datetime.combine(on + timedelta(days=1), time(), tz).astimezone(UTC), now=now,
    )  # fmt: skip
    by_day = {one: [view for view in found if view.slot.starts_at.astimezone(tz).date() == one] for one in days}
    return render(
        request, "staff/book_when.html", person=person, here=here, studios=studios, on=on, today=today, by_day=by_day,
        before=on - timedelta(days=DAYS), after=on + timedelta(days=DAYS), now=now, coach_id=client and client.coach_id,
        anybody=anybody if any(one.coaches_free > 1 for one in anybody) else [],
        made=scheduling.undoable(session, principal, customer_id=customer_id, now=now),
    )  # fmt: skip


@router.get("/book/{customer_id}/any", dependencies=[Allowed("scheduling.book_for")])
def how_any(
    request: Request,
    customer_id: UUID,
    principal: CurrentPrincipal,
    session: DbSession,
    place: UUID,
    at: AwareDatetime,
    minutes: Annotated[int, Query(ge=1, le=1440)],
) -> Response:
    """How a session with whoever is free is paid, whom it would be with, and the button."""
    now = datetime.now(UTC)
    person = _customer(session, principal, customer_id)
    opening = scheduling.Opening(place, at, minutes)
    view = scheduling.opening_for(session, principal, customer_id=customer_id, opening=opening, now=now)
    if view is None:
        back = f"/staff/book/{customer_id}?studio={place}"
        return redirect(request, back, flash="No coach is free at that time any more.", tone="warn")
    client = training.client_facts(session, customer_id)
    return _asked(
        request, session, principal, person, view, opening=opening, now=now,
        is_own=client is not None and client.coach_id == view.slot.coach_id,
    )  # fmt: skip


@router.post("/book/{customer_id}/any", dependencies=[Allowed("scheduling.book_for")])
def book_any(
    request: Request,
    customer_id: UUID,
    principal: CurrentPrincipal,
    session: DbSession,
    place: Annotated[UUID, Form()],
    at: Annotated[AwareDatetime, Form()],
    minutes: Annotated[int, Form(ge=1, le=1440)],
    paid: Annotated[str, Form(max_length=80, pattern="^[^\\x00]*$")],
    comes_in: Annotated[bool, Form()] = False,
) -> Response:
    """Book it with the customer's own coach if they are free, else with whose turn it is: the page that follows names
    them."""
    now = datetime.now(UTC)
    person = _known(session, principal, customer_id, now)
    order = _order(customer_id, scheduling.Opening(place, at, minutes), paid, comes_in=comes_in)
    asked = urlencode({"place": str(place), "at": at.isoformat(), "minutes": minutes})
    try:
        with session.begin_nested():
            booking = scheduling.book_for(session, principal, order, now=now)
    except NotFound:
        raise
    except DomainError as refusal:
        return redirect(request, f"/staff/book/{customer_id}/any?{asked}", flash=refusal.detail, tone="bad")
    facts = scheduling.session_facts(session, booking.id)
    coach = f" The session is with {facts.coach_name}." if facts else ""
    return redirect(request, f"/staff/book/{customer_id}", flash=_told(person.display_name, order) + coach)


@router.get("/book/{customer_id}/{slot_id}", dependencies=[Allowed("scheduling.book_for")])
def how(
    request: Request, customer_id: UUID, slot_id: UUID, principal: CurrentPrincipal, session: DbSession
) -> Response:  # fmt: skip
    """How a session is paid, whether it recurs, and the button."""
    now = datetime.now(UTC)
    person = _customer(session, principal, customer_id)
    view = scheduling.slot_for(session, principal, customer_id=customer_id, slot_id=slot_id, now=now)
    return _asked(request, session, principal, person, view, now=now)


def _asked(
    request: Request, session: Session, principal: Principal, person: identity.Person, view: scheduling.SlotView, *,
    now: datetime, opening: scheduling.Opening | None = None, is_own: bool = False,
) -> Response:  # fmt: skip
    customer_id, slot = person.account_id, view.slot
    means = scheduling.means_of(session, principal, customer_id=customer_id, wanted=slot.id, now=now)
    return render(
        request, "staff/book_how.html", person=person, view=view, means=means, opening=opening, is_own=is_own,
        can_keep=slot.starts_at > now, can_come_in=scheduling.opens_check_in(slot.starts_at, now),
    )  # fmt: skip


@router.post("/book/{customer_id}/{slot_id}", dependencies=[Allowed("scheduling.book_for")])
def book(
    request: Request,
    customer_id: UUID,
    slot_id: UUID,
    principal: CurrentPrincipal,
    session: DbSession,
    paid: Annotated[str, Form(max_length=80, pattern="^[^\\x00]*$")],
    times: Annotated[int, Form(ge=1, le=26)] = 1,
    comes_in: Annotated[bool, Form()] = False,
) -> Response:
    """Book it. `paid` is means, later, or sell: with the code of a pack, which pays for as many weeks as it has
    sessions. What is refused is said where it was asked."""
    now = datetime.now(UTC)
    person = _known(session, principal, customer_id, now)
    here = f"/staff/book/{customer_id}"
    way, _, code = paid.partition(":")
    try:
        with session.begin_nested():
            if times > 1 and way != "later":
                weeks = scheduling.book_weeks_for(
                    session, principal, customer_id=customer_id, slot_id=slot_id, times=times,
                    plan_code=code if way == "sell" else None, now=now,
                )  # fmt: skip
                told = _told_weeks(person.display_name, weeks, is_sold=way == "sell")
            else:
                order = _order(customer_id, slot_id, paid, comes_in=comes_in)
                scheduling.book_for(session, principal, order, now=now)
                told = _told(person.display_name, order)
    except NotFound:
        raise
    except DomainError as refusal:
        return redirect(request, f"{here}/{slot_id}", flash=refusal.detail, tone="bad")
    return redirect(request, here, flash=told)


def _known(session: Session, principal: Principal, customer_id: UUID, now: datetime) -> identity.Person:
    """The customer who is booked for. Who has just signed up is a client from now on, so that their coach sees a name
    before the event is handled."""
    person = _customer(session, principal, customer_id)
    training.ensure_client(session, customer_id, display_name=person.display_name, now=now, time_zone=person.time_zone)
    return person


def _order(customer_id: UUID, wanted: UUID | scheduling.Opening, paid: str, *, comes_in: bool) -> scheduling.Order:
    way, _, code = paid.partition(":")
    how: Literal["means", "invoice", "later"] = "means"
    if way in ("sell", "later"):
        how = "invoice" if way == "sell" else "later"
    return scheduling.Order(customer_id, wanted, how, code or None, comes_in and how != "later")


def _told(name: str, order: scheduling.Order) -> str:
    if order.paid == "later":
        return f"Kept for {name}. They read by when it has to be paid."
    sold = " The invoice is on its way." if order.paid == "invoice" else ""
    return f"Booked and checked in: {name}.{sold}" if order.comes_in else f"Booked for {name}. They are told.{sold}"


def _told_weeks(name: str, weeks: scheduling.Booked, *, is_sold: bool) -> str:
    count = len(weeks.bookings)
    told = f"{count} weeks booked for {name}." if count > 1 else f"Booked for {name}: the first week only."
    told += " The invoice is on its way." if is_sold else ""
    return f"{told} {len(weeks.missed)} could not be had." if weeks.missed else f"{told} They are told."


@router.post("/bookings/{booking_id}/undo", dependencies=[Allowed("scheduling.book_for")])
def undo(
    request: Request, booking_id: UUID, principal: CurrentPrincipal, session: DbSession
) -> Response:  # fmt: skip
    """Take back what was booked here minutes ago, as if it had never been."""
    try:
        with session.begin_nested():
            gone = scheduling.undo_for(session, principal, booking_id=booking_id, now=datetime.now(UTC))
    except NotFound:
        raise
    except DomainError as refusal:
        return redirect(request, "/staff/today", flash=refusal.detail, tone="bad")
    told = "Taken back" if len(gone) == 1 else f"{len(gone)} sessions taken back"
    return redirect(request, f"/staff/book/{gone[0].customer_id}", flash=f"{told}. Nothing was used; they are told.")
