"""/staff/webhooks: which systems outside hear of what, what became of each delivery, and sending it once more."""

import json
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Form, Query, Request, Response
from sqlalchemy.orm import Session

from operational_api.core.database import DbSession
from operational_api.core.errors import DomainError
from operational_api.core.idempotency import IdempotentRoute
from operational_api.core.paging import Cursor
from operational_api.core.policy import Allowed, may_principal
from operational_api.core.principal import CurrentAccount, CurrentPrincipal
from operational_api.integrations.errors import NoSuchSpan
from operational_api.integrations.outgoing.catalogue import GROUPS, KINDS, TEST_KIND
from operational_api.integrations.outgoing.router import MANAGE, READ, Networks, WebhookSealer, note_read
from operational_api.integrations.outgoing.schemas import DeliveryState
from operational_api.integrations.outgoing.service import deliveries, endpoints, replays, signing
from operational_api.web.navigation import NavItem
from operational_api.web.rendering import redirect, render, time_zone

HOME = "/staff/webhooks"
SHOWN = 20
NAV = [NavItem("Webhooks", HOME, READ, order=76, icon="bolt", badge=endpoints.disabled_count)]
STATES = {"active": ("Active", "good"), "paused": ("Paused", "warn"), "disabled": ("Stopped by itself", "bad")}
OUTCOMES = {"waiting": ("Waiting", "warn"), "delivered": ("Delivered", "good"), "failed": ("Given up", "bad")}
Text = Annotated[str, Form(max_length=500, pattern="^[^\\x00]*$")]
UNTYPED: dict[str, Any] = {"url": None, "label": None, "kinds": []}
Action = Literal["pause", "resume", "rotate", "test", "remove"]
pages = APIRouter(prefix=HOME, route_class=IdempotentRoute)
once = APIRouter(prefix=HOME)
"""Of the one page that must not be kept to be shown again."""


def _now() -> datetime:
    return datetime.now(UTC)


def _words(kind: str) -> str:
    return "A test" if kind == TEST_KIND else KINDS.get(kind, kind)


def _grouped() -> list[tuple[str, list[tuple[str, str]]]]:
    return [
        (label, [(kind, words) for kind, words in KINDS.items() if kind.split(".")[0] == group])
        for group, label in GROUPS.items()
    ]


def _home(
    request: Request, session: Session, *, can_manage: bool, typed: dict[str, Any], problem: str = ""
) -> Response:
    return render(
        request, "integrations/webhooks.html", found=endpoints.endpoints(session), counts=deliveries.counts(session),
        states=STATES, groups=_grouped(), typed=typed, problem=problem, can_manage=can_manage,
        status_code=422 if problem else 200,
    )  # fmt: skip


@pages.get("", dependencies=[Allowed(READ)])
def home(request: Request, principal: CurrentPrincipal, session: DbSession) -> Response:
    """Every endpoint, and the form for a new one."""
    return _home(request, session, can_manage=may_principal(principal, MANAGE), typed=UNTYPED)


@pages.post("", dependencies=[Allowed(MANAGE)])
def create(
    request: Request,
    admin_id: CurrentAccount,
    session: DbSession,
    sealer: WebhookSealer,
    networks: Networks,
    url: Text = "",
    label: Text = "",
    kinds: Annotated[list[str] | None, Form()] = None,
) -> Response:
    """A new endpoint, then on to its page, where its secret is shown once."""
    try:
        row = endpoints.create(
            session, label=label, url=url, kinds=kinds or [], admin_id=admin_id, allowed=networks, sealer=sealer,
            now=_now(),
        )  # fmt: skip
    except DomainError as refused:
        typed = {"url": url, "label": label, "kinds": kinds or []}
        return _home(request, session, can_manage=True, typed=typed, problem=refused.detail)
    return redirect(request, f"{HOME}/{row.id}", flash="Plyo sends there from now on. Fetch the secret next.")


@pages.get("/deliveries/{delivery_id}", dependencies=[Allowed(READ)])
def show_delivery(
    request: Request, delivery_id: UUID, principal: CurrentPrincipal, admin_id: CurrentAccount, session: DbSession
) -> Response:
    """What is sent, and every try."""
    row, tries = deliveries.delivery(session, delivery_id)
    note_read(session, row.id, row.person_id, admin_id)
    return render(
        request, "integrations/webhook_delivery.html", row=row, tries=tries, outcomes=OUTCOMES, words=_words,
        endpoint=endpoints.endpoint(session, row.endpoint_id), can_manage=may_principal(principal, MANAGE),
        body=json.dumps(json.loads(row.body), indent=2, ensure_ascii=False),
    )  # fmt: skip


@pages.post("/deliveries/{delivery_id}/replay", dependencies=[Allowed(MANAGE)])
def replay_delivery(request: Request, delivery_id: UUID, admin_id: CurrentAccount, session: DbSession) -> Response:
    """Send it once more."""
    to = f"{HOME}/deliveries/{delivery_id}"
    try:
        deliveries.replay(session, delivery_id, admin_id=admin_id, now=_now())
    except DomainError as refused:
        if refused.status == 404:
            raise
        return redirect(request, to, flash=refused.detail, tone="bad")
    return redirect(request, to, flash="On its way again, under the same id.")


@pages.get("/{endpoint_id}", dependencies=[Allowed(READ)])
def show(
    request: Request,
    endpoint_id: UUID,
    principal: CurrentPrincipal,
    session: DbSession,
    state: DeliveryState | Literal[""] = "",
    kind: Annotated[str, Query(max_length=80, pattern="^[a-z_.]*$")] = "",
    cursor: Cursor = None,
) -> Response:
    """One endpoint: what was sent there or waits, replays, and what can be done about it."""
    can_manage = may_principal(principal, MANAGE)
    return _show(request, session, endpoint_id, can_manage=can_manage, state=state, kind=kind, cursor=cursor)


def _show(
    request: Request,
    session: Session,
    endpoint_id: UUID,
    *,
    can_manage: bool,
    state: str = "",
    kind: str = "",
    cursor: str | None = None,
    **shown: Any,
) -> Response:
    row = endpoints.endpoint(session, endpoint_id)
    rows, following = deliveries.page(
        session, endpoint_id, state=state or None, kind=kind or None, limit=SHOWN, cursor=cursor
    )
    defaults = {
        "problem": "",
        "span_problem": "",
        "span": {"from_at": None, "until_at": None},
        "secret": "",
        "typed": {},
    }
    filtered: dict[str, Any] = {"state": state, "kind": kind, "cursor": cursor}
    return render(
        request, "integrations/webhook_endpoint.html", row=row, found=rows, following=following, states=STATES,
        outcomes=OUTCOMES, words=_words, groups=_grouped(), replays=replays.of_endpoint(session, endpoint_id),
        can_manage=can_manage, can_reveal=signing.can_reveal(session, endpoint_id, _now()),
        counts=deliveries.counts(session).get(endpoint_id, {}), **(defaults | shown), **filtered,
        status_code=422 if shown.get("problem") or shown.get("span_problem") else 200,
    )  # fmt: skip


@pages.post("/{endpoint_id}", dependencies=[Allowed(MANAGE)])
def edit(
    request: Request,
    endpoint_id: UUID,
    admin_id: CurrentAccount,
    session: DbSession,
    networks: Networks,
    url: Text = "",
    label: Text = "",
    kinds: Annotated[list[str] | None, Form()] = None,
) -> Response:
    """Another name, address or other kinds."""
    try:
        endpoints.edit(
            session, endpoint_id, label=label, url=url, kinds=kinds or [], admin_id=admin_id, allowed=networks,
            now=_now(),
        )  # fmt: skip
    except DomainError as refused:
        if refused.status == 404:
            raise
        typed = {"url": url, "label": label, "kinds": kinds or []}
        return _show(request, session, endpoint_id, can_manage=True, problem=refused.detail, typed=typed)
    return redirect(request, f"{HOME}/{endpoint_id}", flash="Saved.")


@pages.post("/{endpoint_id}/replays", dependencies=[Allowed(MANAGE)])
def ask_replay(
    request: Request,
    endpoint_id: UUID,
    admin_id: CurrentAccount,
    session: DbSession,
    from_at: Annotated[str, Form(max_length=30)] = "",
    until_at: Annotated[str, Form(max_length=30)] = "",
) -> Response:
    """Have what happened in a span, on the reader's clock, sent once more."""
    try:
        replays.ask(
            session, endpoint_id, from_at=_moment(request, from_at), until_at=_moment(request, until_at),
            admin_id=admin_id, now=_now(),
        )  # fmt: skip
    except DomainError as refused:
        if refused.status == 404:
            raise
        span = {"from_at": from_at, "until_at": until_at}
        return _show(request, session, endpoint_id, can_manage=True, span_problem=refused.detail, span=span)
    return redirect(request, f"{HOME}/{endpoint_id}", flash="On its way: how far it is, you see below.")


def _moment(request: Request, typed: str) -> datetime:
    try:
        return datetime.fromisoformat(typed).replace(tzinfo=ZoneInfo(time_zone(request))).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise NoSuchSpan from error


@pages.post("/{endpoint_id}/{action}", dependencies=[Allowed(MANAGE)])
def act(
    request: Request,
    endpoint_id: UUID,
    action: Action,
    admin_id: CurrentAccount,
    session: DbSession,
    sealer: WebhookSealer,
) -> Response:
    """Pause or resume it, rotate its secret, send a test, or end it."""
    to, now = f"{HOME}/{endpoint_id}", _now()
    try:
        match action:
            case "pause":
                endpoints.pause(session, endpoint_id, admin_id=admin_id, now=now)
                said = "Paused. What happens meanwhile waits."
            case "resume":
                endpoints.resume(session, endpoint_id, admin_id=admin_id, now=now)
                said = "Resumed. What waits goes first."
            case "rotate":
                endpoints.rotate(session, endpoint_id, admin_id=admin_id, sealer=sealer, now=now)
                said = "There is a new secret; fetch it. The old one signs besides it for a day."
            case "test":
                made = deliveries.queue_test(session, endpoint_id, admin_id=admin_id, now=now)
                to, said = f"{HOME}/deliveries/{made.id}", "A test is on its way. Load this page again in a moment."
            case "remove":
                endpoints.remove(session, endpoint_id, admin_id=admin_id, now=now)
                to, said = HOME, "It is gone, and so is what was known of its deliveries."
    except DomainError as refused:
        if refused.status == 404:
            raise
        return redirect(request, to, flash=refused.detail, tone="bad")
    return redirect(request, to, flash=said)


@once.post("/{endpoint_id}/secret", dependencies=[Allowed(MANAGE)])
def reveal(
    request: Request, endpoint_id: UUID, admin_id: CurrentAccount, session: DbSession, sealer: WebhookSealer
) -> Response:
    """The secret, this once."""
    try:
        told = endpoints.reveal(session, endpoint_id, admin_id=admin_id, sealer=sealer, now=_now())
    except DomainError as refused:
        if refused.status == 404:
            raise
        return redirect(request, f"{HOME}/{endpoint_id}", flash=refused.detail, tone="bad")
    return _show(request, session, endpoint_id, can_manage=True, secret=told)


router = APIRouter()
router.include_router(once)
router.include_router(pages)
