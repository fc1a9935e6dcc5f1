"""HTTP to the services of compliance and back, under /api/compliance."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Header, Query, Request, Response
from pydantic import AwareDatetime

from operational_api.compliance import public
from operational_api.compliance.models import EventCheck, Export, StoredFile
from operational_api.compliance.schemas import (
    AuditEntryRead,
    ConsentsRead,
    ConsentsWrite,
    DecisionRead,
    EventCheckRead,
    ExportCreate,
    ExportLink,
    ExportRead,
    ReadingRead,
)
from operational_api.compliance.service import consents, evidence, exports, files, personal_exports, trail
from operational_api.compliance.settings import sealer_of
from operational_api.core import ranges, signed_urls
from operational_api.core.approvals import Decision, Status
from operational_api.core.database import DbSession
from operational_api.core.idempotency import IdempotentRoute
from operational_api.core.objects import store_of
from operational_api.core.paging import Cursor, Limit, Page
from operational_api.core.policy import Allowed
from operational_api.core.principal import CurrentAccount, CurrentPrincipal
from operational_api.core.routing import ContextRouter

router = ContextRouter(prefix="/api/compliance", tags=["compliance"], route_class=IdempotentRoute)
CSV = "text/csv; charset=utf-8"


@router.get("/consents", dependencies=[Allowed("compliance.read_consents")])
def read_consents(customer_id: CurrentAccount, session: DbSession) -> ConsentsRead:
    """What the customer allows us to do with each kind of their health data."""
    return ConsentsRead.of(consents.current(session, customer_id))


@router.put("/consents", dependencies=[Allowed("compliance.decide_consents")])
def write_consents(body: ConsentsWrite, principal: CurrentPrincipal, session: DbSession) -> ConsentsRead:
    """Give or withdraw consent. What may no longer be kept is forgotten within minutes."""
    return public.decide_consents(session, principal, body, now=datetime.now(UTC))


@router.get("/consents/history", dependencies=[Allowed("compliance.read_consents")])
def list_decisions(
    customer_id: CurrentAccount, session: DbSession, limit: Limit = 50, cursor: Cursor = None
) -> Page[DecisionRead]:
    """Every decision the customer took, newest first."""
    rows, following = consents.history(session, customer_id, limit=limit, cursor=cursor)
    return Page(items=[DecisionRead.model_validate(row) for row in rows], next_cursor=following)


@router.get("/audit", dependencies=[Allowed("compliance.read_audit")])
def list_audit(
    principal: CurrentPrincipal,
    session: DbSession,
    person: UUID | None = None,
    actor: UUID | None = None,
    subject: UUID | None = None,
    action: Annotated[str | None, Query(max_length=80, description="`training.` for all of a context")] = None,
    outcome: Literal["done", "refused", "failed"] | None = None,
    since: Annotated[AwareDatetime | None, Query(alias="from")] = None,
    until: Annotated[AwareDatetime | None, Query(alias="to")] = None,
    object_type: Annotated[str | None, Query(max_length=80, description="Class name of what it was done to.")] = None,
    object_id: Annotated[str | None, Query(max_length=200)] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[AuditEntryRead]:
    """Who did what, newest first. Asking is written down as well."""
    asked = trail.Asked(person, actor, subject, action, outcome, since, until, object_type, object_id)
    rows, following = trail.read(session, asked, principal=principal, limit=limit, cursor=cursor)
    return Page(items=[AuditEntryRead.of(row) for row in rows], next_cursor=following)


@router.get("/readings", dependencies=[Allowed("compliance.read_readings")])
def list_readings(customer_id: CurrentAccount, session: DbSession) -> Page[ReadingRead]:
    """Who else looked at one's health data within the last year."""
    rows = trail.readings(session, customer_id, since=datetime.now(UTC) - trail.SHOWN)
    return Page(items=[ReadingRead.model_validate(row) for row in rows])


@router.get("/event-checks", dependencies=[Allowed("compliance.check_events")])
def list_event_checks(session: DbSession, limit: Limit = 50, cursor: Cursor = None) -> Page[EventCheckRead]:
    """Looks at whether the record of events is as it was sealed, the newest first."""
    rows, following = evidence.checks(session, limit=limit, cursor=cursor)
    return Page(items=[EventCheckRead.model_validate(row) for row in rows], next_cursor=following)


@router.post(
    "/event-checks", response_model=EventCheckRead, status_code=201,
    dependencies=[Allowed("compliance.check_events")],
)  # fmt: skip
def ask_event_check(actor_id: CurrentAccount, session: DbSession) -> EventCheck:
    """Have the record looked at within a minute; the answer is in the list."""
    return evidence.ask(session, actor_id=actor_id, now=datetime.now(UTC))


@router.get("/exports", dependencies=[Allowed("compliance.read_exports")])
def list_exports(
    session: DbSession, status: Status | None = None, limit: Limit = 50, cursor: Cursor = None
) -> Page[ExportRead]:
    """Files of customers' data that were asked for, the newest first."""
    rows, following = exports.EXPORTS.page(session, status=status, limit=limit, cursor=cursor)
    return Page(items=[ExportRead.model_validate(row) for row in rows], next_cursor=following)


@router.post(
    "/exports", response_model=ExportRead, status_code=201,
    dependencies=[Allowed("compliance.request_customer_export")],
)  # fmt: skip
def request_export(body: ExportCreate, principal: CurrentPrincipal, session: DbSession) -> Export:
    """Ask for a file of customers' data; somebody else decides."""
    return exports.request_export(session, **body.model_dump(), principal=principal, now=datetime.now(UTC))


@router.post(
    "/exports/{export_id}/approval", response_model=ExportRead, dependencies=[Allowed("compliance.approve_export")]
)
def approve_export(
    export_id: UUID, principal: CurrentPrincipal, session: DbSession, body: Decision | None = None
) -> Export:
    """Say yes to what somebody else asked for: the file is made within a minute."""
    return exports.approve(
        session, export_id=export_id, principal=principal, reason=body.reason if body else "", now=datetime.now(UTC)
    )


@router.post(
    "/exports/{export_id}/refusal", response_model=ExportRead, dependencies=[Allowed("compliance.approve_export")]
)
def decline_export(
    export_id: UUID, principal: CurrentPrincipal, session: DbSession, body: Decision | None = None
) -> Export:
    """Say no to what somebody else asked for."""
    return exports.EXPORTS.refuse(
        session, export_id, principal=principal, reason=body.reason if body else "", now=datetime.now(UTC)
    )


@router.post(
    "/exports/{export_id}/withdrawal", response_model=ExportRead,
    dependencies=[Allowed("compliance.request_customer_export")],
)  # fmt: skip
def withdraw_export(export_id: UUID, principal: CurrentPrincipal, session: DbSession) -> Export:
    """Take back what one asked for."""
    return exports.EXPORTS.withdraw(session, export_id, principal=principal, now=datetime.now(UTC))


@router.post("/exports/{export_id}/link", status_code=201, dependencies=[Allowed("compliance.open_export")])
def create_export_link(
    request: Request, export_id: UUID, principal: CurrentPrincipal, session: DbSession
) -> ExportLink:
    """An address at which who asked for the file fetches it within five minutes."""
    now = datetime.now(UTC)
    row = exports.require_ready(session, export_id=export_id, principal=principal, now=now)
    url = signed_urls.signer(request).sign(exports.file_path(row.id), subject=principal.key, now=now)
    return ExportLink(url=url, expires_at=now + signed_urls.LONGEST)


_FILE: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/octet-stream": {}}},
    206: {"content": {"application/octet-stream": {}}},
    416: {"description": "No byte of the file is in that range."},
}
Wanted = Annotated[str | None, Header(alias="range", max_length=100)]


@router.get(
    "/export-files/{export_id}", response_class=Response, responses=_FILE,
    dependencies=[Allowed("compliance.open_export_file")],
)  # fmt: skip
def read_export_file(
    request: Request, export_id: UUID, subject: signed_urls.SignedSubject, wanted: Wanted = None
) -> Response:
    """The file of an export, or some of its bytes, for whoever holds its signed address. Reading it is written down."""
    with request.app.state.sessions.begin() as session:
        row, file = exports.open_file(session, export_id=export_id, subject=subject, now=datetime.now(UTC))
    headers = _headers(f"{row.dataset}-{row.made_at:%Y-%m-%d}.csv")
    if isinstance(file, bytes):
        return ranges.answer(file, wanted, media_type=CSV, headers=headers)
    return _stored(request, file, wanted, CSV, headers)


@router.get(
    "/copy-files/{export_id}", response_class=Response, responses=_FILE,
    dependencies=[Allowed("compliance.open_export_file")],
)  # fmt: skip
def read_copy_file(
    request: Request, export_id: UUID, subject: signed_urls.SignedSubject, wanted: Wanted = None
) -> Response:
    """The copy of somebody's data, or some of its bytes, for whoever holds its signed address. Reading it is written
    down. No transaction is open while the store is waited for."""
    with request.app.state.sessions.begin() as session:
        row, file = personal_exports.open_file(session, export_id=export_id, subject=subject, now=datetime.now(UTC))
    headers = _headers(f"plyo-{row.made_at:%Y-%m-%d}.zip")
    return _stored(request, file, wanted, "application/zip", headers)


def _headers(name: str) -> dict[str, str]:
    return {
        "Content-Disposition": f'attachment; filename="{name}"', "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store",
    }  # fmt: skip


def _stored(
    request: Request, file: StoredFile, wanted: str | None, media_type: str, headers: dict[str, str]
) -> Response:
    store, sealer = store_of(request), sealer_of(request)
    return ranges.streamed(
        file.size_bytes, wanted, lambda span: files.read(file, span, store, sealer), media_type=media_type,
        headers=headers,
    )  # fmt: skip
