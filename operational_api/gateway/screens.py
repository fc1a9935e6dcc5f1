"""Which screens of which surface the person who asks may open: by the policy, so that a menu shows what will open."""

from dataclasses import dataclass
from typing import Literal

from fastapi import Request
from pydantic import BaseModel

from operational_api.core.policy import Allowed, may_principal
from operational_api.core.principal import CurrentPrincipal, Principal
from operational_api.core.routing import ContextRouter

Surface = Literal["app", "coach", "admin"]
router = ContextRouter(prefix="/api/gateway", tags=["gateway"])


@dataclass(frozen=True, slots=True)
class Screen:
    """A screen of a console, and the action of what it asks for."""

    surface: Surface
    name: str
    action: str


SCREENS = (
    Screen("coach", "today", "automation.read_queue"),
    Screen("coach", "clients", "training.list_clients"),
    Screen("coach", "client", "training.read_client"),
    Screen("coach", "numbers", "analytics.read_metrics"),
    Screen("coach", "calendar", "scheduling.list_bookings"),
    Screen("coach", "messages", "engagement.read_threads"),
    Screen("admin", "overview", "analytics.read_everything"),
    Screen("admin", "metrics", "analytics.read_lineage"),
    Screen("admin", "revenue", "analytics.read_money"),
    Screen("admin", "retention", "analytics.read_everything"),
    Screen("admin", "automations", "automation.manage_rules"),
    Screen("admin", "coaches", "analytics.read_everything"),
    Screen("admin", "connectors", "integrations.read_connectors"),
    Screen("admin", "data", "analytics.read_lineage"),
)
"""Of the consoles; the app's are the entries of its menu."""
_DOORS = {"coach": "gateway.open_coach_console", "admin": "gateway.open_admin_console"}


class ScreenRead(BaseModel):
    """A screen that opens for whoever asked. `name` is the app's path, or a console's page; `label` the menu's words
    for it, empty for a console's pages, which have their own."""

    surface: Surface
    name: str
    label: str = ""


class ScreenList(BaseModel):
    items: list[ScreenRead]


def names_of(principal: Principal, surface: Surface) -> list[str]:
    """The screens of a console that open for the principal, in the order of its menu."""
    return [
        screen.name
        for screen in SCREENS
        if screen.surface == surface
        and may_principal(principal, screen.action)
        and may_principal(principal, _DOORS[screen.surface])
    ]


def staff_pages(request: Request, principal: Principal) -> dict[str, str]:
    """The app's pages for staff that open for the principal: words by path, in the menu's order."""
    return {
        item.href: item.label
        for item in request.app.state.nav
        if item.href.startswith("/staff") and item.is_for(principal)
    }


@router.get("/screens", dependencies=[Allowed("gateway.read_screens")])
def list_screens(request: Request, principal: CurrentPrincipal, surface: Surface | None = None) -> ScreenList:
    """The screens that open for the person who asks, in the order of the menu."""
    found = [
        ScreenRead(surface="app", name=item.href, label=item.label)
        for item in request.app.state.nav
        if item.is_for(principal)
    ]
    consoles: tuple[Surface, ...] = ("coach", "admin")
    found += [ScreenRead(surface=one, name=name) for one in consoles for name in names_of(principal, one)]
    return ScreenList(items=[one for one in found if surface in (None, one.surface)])
