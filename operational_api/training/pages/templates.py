"""A coach's templates as pages: writing one line by line, changing it, archiving it. Works without JavaScript."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import HTMLResponse, Response
from sqlalchemy.orm import Session

from operational_api.core.database import DbSession
from operational_api.core.errors import Invalid
from operational_api.core.policy import Allowed
from operational_api.core.principal import CurrentPrincipal, account_id_of
from operational_api.training import access, drafts
from operational_api.training.models import Exercise, Programme, ProgrammeTemplate
from operational_api.training.service import exercises, templates
from operational_api.web.rendering import WayBack, redirect, render

router = APIRouter(prefix="/coaching/templates", dependencies=[Allowed("training.manage_templates")])
FOUND = 8
GOALS = ("strength", "muscle", "fat_loss", "endurance", "mobility", "general_fitness", "rehab")


async def _form(request: Request) -> dict[str, list[str]]:
    form = await request.form()
    return {name: [one for one in form.getlist(name) if isinstance(one, str)] for name in form}


Typed = Annotated[dict[str, list[str]], Depends(_form)]


@router.get("", response_class=HTMLResponse)
def overview(request: Request, principal: CurrentPrincipal, session: DbSession) -> Response:
    """The coach's templates."""
    rows = templates.templates_of(session, access.whose_templates(principal))
    return render(request, "training/templates.html", rows=rows)


@router.get("/new", response_class=HTMLResponse)
def new(request: Request, _: CurrentPrincipal) -> Response:
    """An empty template."""
    return page(request, drafts.TemplateDraft(), "/coaching/templates/new")


@router.post("/new")
def make(request: Request, principal: CurrentPrincipal, session: DbSession, form: Typed) -> Response:
    """Keep it, or show it again: with a movement more, one less, movements found, or what is wrong."""
    return _take(request, principal, session, form, None)


@router.get("/{template_id}", response_class=HTMLResponse)
def change_form(request: Request, template_id: UUID, principal: CurrentPrincipal, session: DbSession) -> Response:
    """A template as it is."""
    template = access.reach_template(session, principal, template_id)
    return page(request, drafts.kept(session, template), f"/coaching/templates/{template.id}", template=template)


@router.post("/{template_id}")
def change(
    request: Request, template_id: UUID, principal: CurrentPrincipal, session: DbSession, form: Typed
) -> Response:
    """Say it anew; programmes made from it stay."""
    return _take(request, principal, session, form, access.reach_template(session, principal, template_id))


@router.post("/{template_id}/archive")
def archive(
    request: Request,
    template_id: UUID,
    principal: CurrentPrincipal,
    session: DbSession,
    is_undone: Annotated[bool, Form()] = False,
) -> Response:
    """Take it out of the list, or back into it."""
    template = access.reach_template(session, principal, template_id)
    if is_undone:
        templates.restore_template(session, template=template)
        return redirect(request, "/coaching/templates", flash=f"{template.name} is in the list again.")
    templates.archive_template(session, template=template, now=datetime.now(UTC))
    undo = WayBack("Undo", f"/coaching/templates/{template.id}/archive", {"is_undone": "true"})
    return redirect(request, "/coaching/templates", flash=f"{template.name} is archived.", tone="info", way_back=undo)


def edited(session: Session, form: Typed, draft: drafts.TemplateDraft) -> dict[str, Any] | None:
    """Do to a form what its buttons say but for keeping it: what the page shows beside it then; None to keep it."""
    action, find = (form.get(name, [""])[0] for name in ("action", "find"))
    kind, _, number = action.partition(":")
    if kind == "add" and number.isdecimal():
        added = exercises.known_exercises(session, [int(number)]).values()
        if len(draft.rows) < drafts.MOST_LINES:
            draft.rows += [drafts.new_row(one, draft.rows) for one in added]
        return {}
    if kind == "remove" and number.isdecimal():
        draft.rows = [row for n, row in enumerate(draft.rows) if n != int(number)]
        return {}
    if kind == "find" or (find.strip() and find != form.get("searched", [""])[0]):
        found = exercises.search_exercises(session, text=find[:80], limit=FOUND).rows if find.strip() else ()
        return {"find": find.strip()[:80], "found": found}
    return None


def _take(
    request: Request,
    principal: CurrentPrincipal,
    session: Session,
    form: Typed,
    template: ProgrammeTemplate | None,
) -> Response:
    to = f"/coaching/templates/{template.id if template else 'new'}"
    draft = drafts.typed(session, form)
    again = edited(session, form, draft)
    if again is not None:
        return page(request, draft, to, template=template, **again)
    read = draft.read()
    if read is None:
        return page(request, draft, to, template=template, status_code=422)
    try:
        if template is None:
            templates.make_template(session, coach_id=account_id_of(principal), **read.said())
        else:
            templates.change_template(session, template=template, **read.said())
    except Invalid as refusal:
        draft.errors["plan"] = refusal.detail
        return page(request, draft, to, template=template, status_code=422)
    return redirect(request, "/coaching/templates", flash=f"{read.name} is kept.")


def page(
    request: Request,
    draft: drafts.TemplateDraft,
    to: str,
    *,
    template: ProgrammeTemplate | None = None,
    programme: Programme | None = None,
    reason: str = "",
    find: str = "",
    found: Sequence[Exercise] = (),
    status_code: int = 200,
) -> Response:
    """The form of a template, or of a client's programme."""
    blank = dict.fromkeys(drafts.PHASE_COLUMNS, "")
    phases = [*draft.phases, *[blank] * drafts.PHASE_ROWS][: max(drafts.PHASE_ROWS, len(draft.phases))]
    return render(
        request,
        "training/template.html",
        status_code=status_code,
        draft=draft,
        kept=template,
        programme=programme,
        reason=reason,
        to=to,
        phases=phases,
        has_phases=any(any(one.values()) for one in draft.phases),
        rules=drafts.RULES,
        goals=[(one, one.replace("_", " ").capitalize()) for one in GOALS],
        find=find,
        found=found,
    )
