"""/staff/exports: asking for a file of customers' data, how far each is, and fetching one's own."""

from datetime import UTC, date, datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Form, Request, Response

from operational_api.compliance import public as compliance
from operational_api.core.approvals import Reason
from operational_api.core.database import DbSession
from operational_api.core.errors import Invalid
from operational_api.core.idempotency import IdempotentRoute
from operational_api.core.paging import Cursor
from operational_api.core.policy import Allowed
from operational_api.core.principal import CurrentPrincipal
from operational_api.core.signed_urls import signer
from operational_api.identity import public as identity
from operational_api.web.rendering import redirect, render

router = APIRouter(prefix="/staff/exports", route_class=IdempotentRoute)
SHOWN = 20
STATES = {
    "requested": ("Waits for a second person", "warn"), "declined": ("Refused", "bad"),
    "withdrawn": ("Taken back", None), "expired": ("Nobody decided in time", None),
    "making": ("Being made", "info"), "ready": ("Ready", "good"), "gone": ("File deleted", None),
}  # fmt: skip


class NoSuchDays(Invalid):
    """Those days do not fit: write them as 2026-03-02, the first before the last."""


@router.get("", dependencies=[Allowed("compliance.read_exports")])
def page(request: Request, principal: CurrentPrincipal, session: DbSession, cursor: Cursor = None) -> Response:
    """The form, and what was asked for."""
    found, following = compliance.exports_made(session, now=datetime.now(UTC), limit=SHOWN, cursor=cursor)
    return render(
        request, "staff/exports.html", found=found, following=following, states=STATES,
        people=identity.people(session, {one.requested_by for one in found}), me=principal.account_id,
        datasets=compliance.DATASETS, purposes=compliance.PURPOSES, cursor=cursor,
    )  # fmt: skip


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError as error:
        raise NoSuchDays from error


@router.post("", dependencies=[Allowed("compliance.request_customer_export")])
def ask(
    request: Request,
    principal: CurrentPrincipal,
    session: DbSession,
    dataset: Annotated[Literal["customers", "payments", "events"], Form()],
    purpose: Annotated[Literal["accounting", "legal", "research", "migration"], Form()],
    reason: Annotated[Reason, Form()],
    from_on: Annotated[str, Form(max_length=10)] = "",
    to_on: Annotated[str, Form(max_length=10)] = "",
) -> Response:
    """Ask for a file; somebody else decides."""
    first, last = _day(from_on), _day(to_on)
    if first and last and last < first:
        raise NoSuchDays
    compliance.request_export(
        session, dataset=dataset, purpose=purpose, reason=reason, from_on=first, to_on=last, principal=principal,
        now=datetime.now(UTC),
    )  # fmt: skip
    return redirect(request, "/staff/exports", flash="Asked for. Once somebody else agrees, the file is made.")


@router.post("/{export_id}/link", dependencies=[Allowed("compliance.open_export")])
def fetch(request: Request, export_id: UUID, principal: CurrentPrincipal, session: DbSession) -> Response:
    """On to the file, by an address that works for five minutes. That it was read is written down there."""
    now = datetime.now(UTC)
    path = compliance.export_path(session, export_id=export_id, principal=principal, now=now)
    return redirect(request, signer(request).sign(path, subject=principal.key, now=now))
