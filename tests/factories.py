"""Rows that are fine in every way a test does not mention. One function per noun; each flushes and returns the row.

Every factory takes the session first and overrides by keyword; what it needs and was not given, it makes.
"""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy.orm import Session

from contracts.ids import new_id
from operational_api.commerce.billing.models import (
    Collection,
    CommissionRate,
    CommissionStatement,
    CreditNote,
    DeliveredSession,
    InvoiceLine,
)
from operational_api.commerce.models import Customer, Invoice, Plan, PlanPrice, SessionPack, Subscription
from operational_api.core.database import Base
from operational_api.identity.models import Account, LoginSession
from operational_api.scheduling.models import AvailabilityRule, Booking, Coach, Location, Slot
from operational_api.training.models import (
    CheckIn,
    Client,
    CoachAssignment,
    Exercise,
    Goal,
    Habit,
    Media,
    MediaCaptions,
    MediaCue,
    PlannedExercise,
    Programme,
    ProgrammeTemplate,
    Screening,
    Workout,
)
from operational_api.training.screening import QUESTIONS, VERSION

LONG_AGO = datetime(2025, 1, 6, 9, tzinfo=UTC)
Row = TypeVar("Row", bound=Base)


def _save(session: Session, row: Row) -> Row:
    session.add(row)
    session.flush()
    return row


def make_account(session: Session, *, role: str = "customer", **given: Any) -> Account:
    """A verified account without a password."""
    id_ = given.pop("id", new_id())
    values = {
        "email": f"{id_.hex}@plyo.test", "display_name": role.title(), "time_zone": "Europe/Berlin",
        "email_verified_at": LONG_AGO, "created_at": LONG_AGO,
    }  # fmt: skip
    return _save(session, Account(id=id_, role=role, **values | given))


def make_login_session(session: Session, account: Account, **given: Any) -> LoginSession:
    """A signed-in browser that has just proved itself with a second factor."""
    now = datetime.now(UTC)
    values = {
        "token_hash": new_id().hex, "created_at": now, "last_seen_at": now, "expires_at": now + timedelta(days=1),
        "authenticated_at": now, "amr": ["pwd", "mfa"],
    }  # fmt: skip
    return _save(session, LoginSession(id=new_id(), account_id=account.id, **values | given))


def make_location(session: Session, **given: Any) -> Location:
    """The Berlin studio."""
    values = {
        "name": "Plyo Kreuzberg", "city": "Berlin", "country_code": "DE",
        "time_zone": "Europe/Berlin", "currency": "EUR",
    }  # fmt: skip
    return _save(session, Location(**values | given))


def make_coach(session: Session, *, location: Location | None = None, **given: Any) -> Coach:
    """A coach at a location, with an account of the same id."""
    account = make_account(session, role="coach", **{"id": given.pop("id")} if "id" in given else {})
    values = {
        "display_name": account.display_name, "specialities": ["strength"], "client_capacity": 30,
        "hired_on": date(2024, 1, 1), "location_id": (location or make_location(session)).id,
    }  # fmt: skip
    return _save(session, Coach(id=account.id, **values | given))


def make_client(session: Session, *, coach: Coach | None = None, **given: Any) -> Client:
    """A customer who trains, with an account of the same id; assigned to `coach` where given."""
    account = make_account(session, **{"id": given.pop("id")} if "id" in given else {})
    values = {"display_name": "Mia Maier", "time_zone": "Europe/Berlin", "joined_at": LONG_AGO}
    client = _save(session, Client(id=account.id, coach_id=coach.id if coach else None, **values | given))
    if coach:
        _save(session, CoachAssignment(customer_id=client.id, coach_id=coach.id, assigned_at=LONG_AGO))
    return client


def account_of(session: Session, person: Client | Coach) -> Account:
    """The account behind a client or coach, to sign in with."""
    return session.get_one(Account, person.id)


def make_plan(session: Session, *, price: int | None = 9900, currency: str = "EUR", **given: Any) -> Plan:
    """A monthly unlimited membership priced today in one currency; a pack where `kind="pack"`."""
    id_ = new_id()
    is_pack = given.get("kind") == "pack"
    values = {
        "code": f"plan-{id_.hex[-8:]}", "name": "Unlimited", "description": "Train as often as you like.",
        "kind": "membership", "interval_months": None if is_pack else 1, "sessions_included": 10 if is_pack else None,
        "validity_days": 180 if is_pack else None,
    }  # fmt: skip
    plan = _save(session, Plan(id=id_, **values | given))
    if price is not None:
        _save(session, PlanPrice(plan_id=id_, currency=currency, amount_minor=price, valid_from=LONG_AGO))
    return plan


def make_customer(session: Session, *, id: UUID | None = None, **given: Any) -> Customer:  # noqa: A002
    """A payer in euros; the id is an account's where given."""
    return _save(session, Customer(**{"id": id or new_id(), "currency": "EUR"} | given))


def _payer(session: Session, customer_id: UUID) -> None:
    if session.get(Customer, customer_id) is None:
        make_customer(session, id=customer_id)


def make_subscription(
    session: Session, *, customer_id: UUID, plan: Plan | None = None, now: datetime | None = None, **given: Any
) -> Subscription:
    """An active membership in the middle of its period around `now`."""
    now = now or datetime.now(UTC)
    plan = plan or make_plan(session, price=None)
    _payer(session, customer_id)
    price = PlanPrice(plan_id=plan.id, currency="EUR", amount_minor=9900, valid_from=LONG_AGO, valid_to=LONG_AGO)
    _save(session, price)
    values = {
        "status": "active", "amount_minor": 9900, "currency": "EUR", "interval_months": 1,
        "started_at": LONG_AGO, "current_period_start": now - timedelta(days=10),
        "current_period_end": now + timedelta(days=20),
    }  # fmt: skip
    return _save(session, Subscription(customer_id=customer_id, plan_id=plan.id, price_id=price.id, **values | given))


def make_pack(session: Session, *, customer_id: UUID, now: datetime | None = None, **given: Any) -> SessionPack:
    """Ten prepaid sessions, none used, valid for half a year around `now`."""
    now = now or datetime.now(UTC)
    _payer(session, customer_id)
    values = {
        "plan_id": given.get("plan_id") or make_plan(session, kind="pack").id, "sessions_total": 10,
        "purchased_at": now - timedelta(days=1), "expires_at": now + timedelta(days=180),
    }  # fmt: skip
    return _save(session, SessionPack(customer_id=customer_id, **values | given))


def make_statement(
    session: Session, *, coach_id: UUID, customer_id: UUID, first_on: date = date(2026, 1, 1), rounding: int = 0
) -> CommissionStatement:  # fmt: skip
    """A closed pay period of one day in which a coach held one session of a customer's, for 25.00 and so many cents of
    rounding."""
    terms = {"currency": "EUR", "per_session_minor": 2500, "pack_share_bp": 0, "set_at": LONG_AGO}
    _save(session, CommissionRate(coach_id=coach_id, valid_from=first_on, **terms))
    then = datetime.combine(first_on, time(9), UTC)
    sums = {"sessions": 1, "pack_revenue_minor": 0, "session_pay_minor": 2500, "pack_pay_minor": rounding}
    statement = CommissionStatement(
        coach_id=coach_id, first_on=first_on, last_on=first_on, currency="EUR", total_minor=2500 + rounding,
        closed_at=then + timedelta(days=1), **sums,
    )  # fmt: skip
    _save(session, statement)
    held = DeliveredSession(
        booking_id=new_id(), coach_id=coach_id, customer_id=customer_id, has_attended=True, currency="EUR",
        delivered_at=then, held_on=first_on, statement_id=statement.id,
    )  # fmt: skip
    _save(session, held)
    return statement


def make_invoice(session: Session, *, customer_id: UUID, **given: Any) -> tuple[Invoice, CreditNote]:
    """An open invoice of 99.00, of which 9.00 were credited; it is being collected."""
    _payer(session, customer_id)
    mark, now = new_id().hex[-12:], datetime.now(UTC)
    values = {
        "number": f"TEST-{mark}", "status": "open", "currency": "EUR", "subtotal_minor": 8319, "tax_minor": 1581,
        "total_minor": 9900, "issued_at": now, "due_at": now, "series": f"T-{mark}", "sequence": 1,
    }  # fmt: skip
    invoice = _save(session, Invoice(customer_id=customer_id, **values | given))
    line = {"kind": "membership", "description": "Unlimited", "amount_minor": 9900, "tax_minor": 1581}
    _save(session, InvoiceLine(invoice_id=invoice.id, position=1, tax_rate_bp=1900, currency=invoice.currency, **line))
    note = CreditNote(
        number=f"TEST-CN-{mark}", series=f"C-{mark}", sequence=1, invoice_id=invoice.id, customer_id=customer_id,
        settlement="open", amount_minor=900, tax_minor=144, currency=invoice.currency, reason="Closed", issued_at=now,
    )  # fmt: skip
    collection = {"next_attempt_at": now + timedelta(days=2), "started_at": now, "status": "retrying", "attempts": 1}
    session.add(Collection(invoice_id=invoice.id, customer_id=customer_id, payer_id=customer_id, **collection))
    return invoice, _save(session, note)


def make_slot(session: Session, *, coach: Coach | None = None, **given: Any) -> Slot:
    """An open hour of a coach, two days ahead unless `starts_at` is given. `capacity` above 1 makes it a group."""
    coach = coach or make_coach(session)
    starts_at = given.pop("starts_at", None) or (datetime.now(UTC) + timedelta(days=2)).replace(
        minute=0, second=0, microsecond=0
    )
    is_group = given.get("capacity", 1) > 1
    values = {
        "coach_id": coach.id, "location_id": coach.location_id, "kind": "group" if is_group else "one_to_one",
        "title": "Small group" if is_group else "Personal training", "ends_at": starts_at + timedelta(hours=1),
    }  # fmt: skip
    return _save(session, Slot(starts_at=starts_at, **values | given))


def make_booking(session: Session, *, slot: Slot | None = None, **given: Any) -> Booking:
    """Seat 1 of a slot, booked."""
    slot = slot or make_slot(session)
    values = {
        "slot_id": slot.id, "customer_id": new_id(), "coach_id": slot.coach_id, "seat": 1,
        "starts_at": slot.starts_at, "ends_at": slot.ends_at, "booked_at": slot.starts_at - timedelta(days=3),
    }  # fmt: skip
    return _save(session, Booking(**values | given))


def make_availability(session: Session, *, coach: Coach, **given: Any) -> AvailabilityRule:
    """Mondays 9 to 12, local time of the coach's location."""
    values = {"weekday": 0, "starts_at": time(9), "ends_at": time(12), "valid_from": date(2025, 1, 1)}
    return _save(session, AvailabilityRule(coach_id=coach.id, **values | given))


def make_exercise(session: Session, **given: Any) -> Exercise:
    """A loaded movement with a name of its own."""
    mark = new_id().hex[-8:]
    values = {
        "slug": f"back-squat-{mark}", "name": f"Back squat {mark}", "pattern": "squat",
        "primary_muscle": "quadriceps", "equipment": "barbell",
    }  # fmt: skip
    return _save(session, Exercise(**values | given))


def make_programme(
    session: Session, *, client: Client, exercises: list[Exercise] | None = None, **given: Any
) -> Programme:
    """Four weeks, twice a week; day 1 is three sets of five of each exercise at 60 kg."""
    values = {
        "coach_id": client.coach_id or new_id(), "name": "Base strength", "goal": "strength",
        "starts_on": date(2026, 3, 2), "weeks": 4, "sessions_per_week": 2,
    }  # fmt: skip
    programme = _save(session, Programme(customer_id=client.id, **values | given))
    for position, exercise in enumerate(exercises or [make_exercise(session)], start=1):
        line = {"sets": 3, "reps": 5, "weight_kg": Decimal(60), "target_rpe": 7.5}
        session.add(
            PlannedExercise(programme_id=programme.id, day=1, position=position, exercise_id=exercise.id, **line)
        )
    session.flush()
    return programme


def make_template(session: Session, *, coach: Coach, exercise_id: int | None = None, **given: Any) -> ProgrammeTemplate:
    """Four weeks, twice a week; day 1 is three sets of five at 60 kg."""
    line = {
        "day": 1, "exercise_id": exercise_id or make_exercise(session).id, "sets": 3, "reps": 5, "weight_kg": "60.00",
    }  # fmt: skip
    values = {
        "name": "Base strength", "goal": "strength", "weeks": 4, "sessions_per_week": 2,
        "plan": {"lines": [line], "phases": []},
    }  # fmt: skip
    return _save(session, ProgrammeTemplate(id=new_id(), coach_id=coach.id, **values | given))


def make_workout(session: Session, *, client: Client, programme: Programme | None = None, **given: Any) -> Workout:
    """A workout planned for day 1 of the programme; nothing logged yet."""
    values = {
        "programme_id": programme.id if programme else None, "programme_day": 1 if programme else None,
        "title": "Lower body", "scheduled_on": date(2026, 3, 2),
    }  # fmt: skip
    return _save(session, Workout(customer_id=client.id, **values | given))


def make_wellbeing(session: Session, *, client: Client, week: int = 0) -> dict[str, Screening | Goal | Habit | CheckIn]:
    """A red questionnaire that holds training, an open goal, a habit begun, an unanswered check-in of long ago."""
    client.on_hold_since = LONG_AGO
    red = {one.key: one.key == "heart" for one in QUESTIONS[VERSION]}
    return {
        "screening": _save(
            session,
            Screening(customer_id=client.id, version=VERSION, answers=red, is_red=True, answered_at=LONG_AGO),
        ),
        "goal": _save(session, Goal(customer_id=client.id, text="Squat my weight", status="open", set_at=LONG_AGO)),
        "habit": _save(session, Habit(customer_id=client.id, name="Walk", times_per_week=5, begun_at=LONG_AGO)),
        "check_in": _save(
            session,
            CheckIn(
                customer_id=client.id, due_on=date(2026, 3, 1) + timedelta(weeks=week), submitted_at=LONG_AGO, mood=4
            ),
        ),
    }


def make_video(session: Session, *, client: Client | None = None, coach: Coach | None = None, **given: Any) -> Media:
    """Ten seconds that can be watched: a client's own, a coach's guide, or else of the catalogue; with captions."""
    kind = "form" if client else "guide" if coach else "catalogue"
    if kind == "catalogue":
        given = {"exercise_id": make_exercise(session).id} | given
    values = {
        "kind": kind, "uploader_id": client.id if client else coach.id if coach else new_id(), "title": "Back squat",
        "customer_id": client.id if client else None, "coach_id": coach.id if coach else None, "status": "ready",
        "size_bytes": 1000, "sha256": "0" * 64, "part_bytes": 2**23, "duration_seconds": 10.0, "edition": 1,
        "created_at": LONG_AGO, "ready_at": LONG_AGO if given.get("status", "ready") == "ready" else None,
        "scan": "clean", "renditions": [{"name": "240p", "width": 320, "height": 240}],
    }  # fmt: skip
    video = _save(session, Media(**values | given))
    captions = {"media_id": video.id, "language": "en"}
    content = "WEBVTT\n\n00:00:02.000 --> 00:00:04.000\nKeep your chest up\n"
    _save(session, MediaCaptions(**captions, content=content, edited_by=video.uploader_id, edited_at=LONG_AGO))
    _save(session, MediaCue(**captions, position=1, starts_ms=2000, ends_ms=4000, words="Keep your chest up"))
    return video
