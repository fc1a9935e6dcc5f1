"""What a request asks, read from its parameters, and what is owed before its answer: consent heard, reading noted."""

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, date, datetime, time
from typing import Annotated
from uuid import UUID

from fastapi import Query, Request
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from contracts.dimensions import DIMENSIONS
from contracts.telemetry import current_traceparent
from operational_api.analytics import metrics, periods, withheld
from operational_api.analytics.errors import AuditDown, NotAllowed, NotThatLongAgo
from operational_api.analytics.lake import Lake
from operational_api.analytics.metrics import Asked
from operational_api.analytics.retold import Personal
from operational_api.analytics.settings import AnalyticsSettings
from operational_api.compliance import public as compliance
from operational_api.core import audit
from operational_api.core.principal import Principal

READ = "analytics.read_client"
_DATE = len("2026-03-01")
_MOST_VALUES = 50
ASKED = ("grain", "from", "to", "period", "zone", "currency", "by", *metrics.FILTERS,
         *(name for name in DIMENSIONS if name != "currency"))  # fmt: skip
"""Parameters that `asked_of` and `period_of` read."""


def only(request: Request, allowed: Iterable[str]) -> None:
    """Refuse parameters nobody reads: a mistyped filter, or one given again where one counts, must not look like an
    answer."""
    known, told = sorted(allowed), request.query_params
    if unknown := sorted(set(told) - set(known)):
        raise NotAllowed(f"Unknown parameter: {', '.join(unknown)[:200]}.", allowed=known)
    for name in told:
        most = _MOST_VALUES if name in DIMENSIONS and name != "currency" else 1
        if len(told.getlist(name)) > most:
            raise NotAllowed(f"`{name}` is given more than {'once' if most == 1 else f'{most} times'}.", allowed=[name])


async def asked_of(
    request: Request,
    grain: Annotated[str | None, Query(description="day, week or month")] = None,
    since: Annotated[date | None, Query(alias="from", description="first day")] = None,
    until: Annotated[date | None, Query(alias="to", description="last day")] = None,
    currency: Annotated[str | None, Query(pattern="^([A-Z]{3}|all)$", description="ISO code, or `all`")] = None,
    by: Annotated[str | None, Query(max_length=200, description="dimensions, comma between: a series each")] = None,
    coach_id: UUID | None = None,
    customer_id: UUID | None = None,
    location_id: UUID | None = None,
) -> Asked:
    """What is asked of a metric. A dimension's own name is a filter too, and may be given again for more values."""
    given = {"coach_id": coach_id, "customer_id": customer_id, "location_id": location_id}
    told = request.query_params
    return Asked(
        grain, since, until, currency, tuple((name, one) for name, one in given.items() if one is not None),
        tuple(name.strip() for name in (by or "").split(",") if name.strip()),
        tuple((name, tuple(told.getlist(name))) for name in DIMENSIONS if name in told and name != "currency"),
    )  # fmt: skip


def period_of(
    request: Request, asked: Asked, named: str | None, zone: str | None, as_of: str | None, now: datetime
) -> periods.Period | None:
    """The period that is asked about as a whole: a named one, or `from` and `to`; None where neither is told.

    Args:
        zone: IANA name of the zone in which the period's name is meant; the business's where it is left out.
        as_of: As it was asked for: a date is today in every zone.
        now: The moment of asking; a moment of the past with `as_of`.
    """
    if named is None:
        if zone is not None:
            periods.zone(zone)
        if asked.since is None or asked.until is None:
            return None
        if asked.until < asked.since:
            raise NotAllowed("`to` lies before `from`.", allowed=["from <= to"])
        return periods.Period(asked.since, asked.until)
    if asked.since is not None or asked.until is not None:
        raise NotAllowed("Give a `period`, or `from` and `to`.", allowed=["period", "from, to"])
    settings: AnalyticsSettings = request.app.state.settings
    meant = periods.zone(zone or settings.business_zone)
    if as_of is not None and len(as_of) == _DATE:
        now = datetime.combine(date.fromisoformat(as_of), time(12), meant)
    return periods.named(named, now=now, zone=meant)


def moment_of(name: str, told: str | None) -> datetime | None:
    """A moment out of a date (its last one, UTC) or an instant with an offset."""
    if told is None:
        return None
    try:
        if len(told) == _DATE:
            day = date.fromisoformat(told)
            if day == datetime.now(UTC).date():
                return datetime.now(UTC)
            told = datetime.combine(day, time.max, UTC).isoformat()
        moment = datetime.fromisoformat(told.replace(" ", "+"))
    except (ValueError, OverflowError):
        moment = datetime.min  # noqa: DTZ901 - only to be refused below
    if moment.tzinfo is None:
        raise NotAllowed(f"`{name}` must be a date or an instant.", allowed=["2026-03-01", "2026-03-01T12:00:00+00:00"])
    if moment > datetime.now(UTC):
        raise NotThatLongAgo(f"`{name}` lies in the future.")
    return moment


def known_at(lake: Lake, told: str | None) -> tuple[datetime, int] | None:
    """The moment and snapshot of `as_of`: a date, an instant, or a snapshot's id; None for now.

    Raises:
        NotAllowed: it is none of these.
        NotThatLongAgo: the lake does not remember it.
    """
    if told is not None and told.isdecimal() and len(told) < 10:
        return lake.made_at(int(told)), int(told)
    moment = moment_of("as_of", told)
    return None if moment is None else (moment, lake.snapshot_at(moment))


def seen(request: Request, principal: Principal, what: str, customer_ids: Collection[UUID]) -> None:
    """Write down, before it is told, that data about people was read.

    Raises:
        AuditDown: it cannot be written down, so it is not told.
    """
    if not customer_ids:
        return
    Personal.of(request).note(what, customer_ids)
    engine = request.app.state.asking
    if engine is None:
        raise AuditDown
    address = request.client.host if request.client is not None else None
    reading = audit.Reading(
        principal, READ, "Client", frozenset(customer_ids), {"what": what}, address, current_traceparent()
    )  # fmt: skip
    try:
        with engine.connect() as connection:
            named: audit.Named = request.app.state.named
            named.add(audit.record_readings(Session(connection), [reading], known=named.groups))
    except OperationalError as error:
        raise AuditDown from error


def seen_if_one(request: Request, principal: Principal, asked: Asked, what: str) -> None:
    """A metric narrowed to one customer is about a person."""
    seen(request, principal, what, [value for name, value in asked.filters if name == "customer_id"])


class Consents:
    """What people let others see, remembered while no consent of anybody has changed. Safe to share between threads."""

    def __init__(self) -> None:
        self._known: tuple[int, dict[UUID, frozenset[str]]] = (-1, {})

    def at(self, mark: int | None) -> dict[UUID, frozenset[str]]:
        """What is remembered, to be added to: what was asked for after this mark was (`platform.consents_mark`)."""
        if mark is None or mark < self._known[0]:
            return {}
        if mark > self._known[0]:
            self._known = (mark, {})
        return self._known[1]


def shown(request: Request) -> withheld.Shown:
    """Asks the operational database what customers let others see; about each of them once a request.

    Raises:
        AuditDown: it cannot be asked, so it is not told.
    """
    personal = Personal.of(request)
    heard, known = personal.heard, request.app.state.consents.at(personal.mark)

    def ask(customer_ids: Collection[UUID]) -> Mapping[UUID, frozenset[str]]:
        engine = request.app.state.asking
        if engine is None:
            raise AuditDown
        try:
            told = {one: known[one] for one in customer_ids}
        except KeyError:
            unknown = [one for one in customer_ids if one not in known]
            try:
                with engine.connect() as connection:
                    known.update(compliance.shown_kinds(Session(connection), unknown))
            except OperationalError as error:
                raise AuditDown from error
            told = {one: known[one] for one in customer_ids}
        heard.update(told)
        return told

    return ask
