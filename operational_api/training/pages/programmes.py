"""A client's programme as a page: their coach changes it line by line, as a template. Works without JavaScript."""

from datetime import UTC, datetime
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response
from sqlalchemy.orm import Session

from operational_api.core.database import DbSession
from operational_api.core.errors import DomainError
from operational_api.core.policy import Allowed
from operational_api.core.principal import CurrentPrincipal, account_id_of
from operational_api.training import access, drafts
from operational_api.training.models import Programme
from operational_api.training.pages.templates import Typed, edited, page
from operational_api.training.service import programmes
from operational_api.web.rendering import redirect

router = APIRouter(prefix="/coaching/programmes", dependencies=[Allowed("training.coach")])


@router.get("/{programme_id}", response_class=HTMLResponse)
def change_form(request: Request, programme_id: UUID, principal: CurrentPrincipal, session: DbSession) -> Response:
    """A programme as it is now."""
    programme, _ = access.reach_programme(session, principal, programme_id, "training.assign_programme")
    return page(request, drafts.given(session, programme), _path(programme), programme=programme)


@router.post("/{programme_id}")
def change(
    request: Request, programme_id: UUID, principal: CurrentPrincipal, session: DbSession, form: Typed
) -> Response:
    """Make a new version, or show the form again: with a movement more, one less, movements found, or what is wrong."""
    programme, client = access.reach_programme(session, principal, programme_id, "training.assign_programme")
    draft, reason = _typed(session, form, programme), form.get("reason", [""])[0].strip()[:200]
    again = edited(session, form, draft)
    if again is not None:
        return page(request, draft, _path(programme), programme=programme, reason=reason, **again)
    read, seen = draft.read(), form.get("version", [""])[0]
    if read is not None:
        before = programme.version
        try:
            programmes.change_programme(
                session, programme_id=programme.id, plan=read.plan(), changed_by=account_id_of(principal),
                now=datetime.now(UTC), reason=reason or None, expected_version=int(seen) if seen.isdecimal() else None,
            )  # fmt: skip
        except DomainError as refusal:
            draft.errors["plan"] = refusal.detail
        else:
            told = "Nothing was changed." if programme.version == before else f"Version {programme.version} is theirs."
            return redirect(request, f"/coaching/clients/{client.id}", flash=told)
    return page(request, draft, _path(programme), programme=programme, reason=reason, status_code=422)


def _typed(session: Session, form: Typed, programme: Programme) -> drafts.TemplateDraft:
    """The form as it came back. What a programme is called, is for and how long it is stays."""
    draft = drafts.typed(session, form)
    draft.head = drafts.head_of(programme)
    return draft


def _path(programme: Programme) -> str:
    return f"/coaching/programmes/{programme.id}"
