"""Serves the admin console: `python -m consoles.admin.app`. Sign-in by code and PKCE, one page of tabs per session."""

import html
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import panel as pn

from consoles.admin import session, sign_out, style
from consoles.admin.views import automations, coaches, connectors, retention
from consoles.admin.views.catalogue import Catalogue
from consoles.admin.views.data import Data
from consoles.admin.views.overview import MONTHS, Overview
from consoles.admin.views.revenue import Revenue
from consoles.admin.views.states import guarded
from consoles.client import Plyo
from consoles.settings import ConsoleSettings
from consoles.theme import TOKENS_FILE

TEMPLATE = Path(__file__).with_name("page.html")
KEYS = TOKENS_FILE.with_name("keys.js")
"""The app's own script of keys: what it finds on a page, the keyboard does."""


def page(settings: ConsoleSettings) -> Callable[[], pn.Template]:
    """What draws the console for whoever opened a session."""

    def draw() -> pn.Template:
        plyo = session.connection(settings)
        drawn = pn.Template(TEMPLATE.read_text())
        drawn.add_variable("keys", KEYS.read_text())
        drawn.add_panel(
            "bar",
            pn.pane.HTML(
                f'<div class="plyo-bar"><h1>Plyo<span class="spark">.</span> <small>Admin</small></h1>'
                f'<span class="right">{html.escape(session.name_of_person())} · '
                '<a href="./logout">sign out</a></span></div>',
                sizing_mode="stretch_width",
                margin=0,
            ),
        )
        drawn.add_panel("body", guarded(lambda: screen(plyo, settings.public_url)))
        return drawn

    return draw


def screen(plyo: Plyo, public_url: str) -> pn.viewable.Viewable:
    """All below the bar, of one call: ways to the app's pages for staff, and the console's own."""
    first = plyo.first_screen("admin", months=MONTHS)
    pages = tabs(plyo, public_url, first)
    return pn.Column(staff_links(first["staff_pages"]), menu(pages), pages, sizing_mode="stretch_width", margin=0)


def menu(pages: pn.Tabs) -> pn.viewable.Viewable:
    """The pages' names as buttons: the tabs' own cannot be reached by keyboard."""
    titles = {title: number for number, title in enumerate(pages._names)}
    chosen = pn.widgets.RadioButtonGroup(
        options=titles, value=pages.active, button_type="light", stylesheets=[style.MENU], margin=(0, 8),
        sizing_mode="stretch_width", css_classes=["plyo-menu"],
    )  # fmt: skip
    chosen.link(pages, value="active", bidirectional=True)
    return chosen


def tabs(plyo: Plyo, public_url: str, first: dict[str, Any]) -> pn.Tabs:
    """The pages that open for this person; each is drawn when it is first opened."""
    opens, currencies = first["screens"], first.get("currencies") or ["EUR"]
    zone = (first.get("person") or {}).get("time_zone") or "UTC"
    opened: list[Catalogue] = []

    def catalogue() -> Catalogue:
        if not opened:
            opened.append(Catalogue(plyo, currencies, zone=zone))
            if pn.state.location is not None:  # the address names the metric, to send or to keep
                pn.state.location.sync(opened[0], {"metric": "metric"})
        return opened[0]

    def look(metric: str) -> None:
        catalogue().open(metric)
        shown.active = names.index("metrics")

    drawn: dict[str, tuple[str, Callable[[], object]]] = {
        "overview": ("Overview", lambda: Overview(plyo, currencies, first, look)),
        "metrics": ("Metrics", lambda: _deferred(lambda: guarded(catalogue().__panel__))),
        "revenue": ("Revenue", lambda: _deferred(lambda: Revenue(plyo, currencies))),
        "retention": ("Retention", lambda: _deferred(lambda: retention.page(plyo, zone))),
        "automations": ("Automations", lambda: _deferred(lambda: automations.page(plyo, zone))),
        "coaches": ("Coaches", lambda: _deferred(lambda: coaches.page(plyo))),
        "connectors": ("Connectors", lambda: _deferred(lambda: connectors.page(plyo))),
        "data": ("Data", lambda: _deferred(lambda: Data(plyo, public_url, zone=zone))),
    }
    names = [name for name in drawn if name in opens]
    shown = pn.Tabs(
        *((drawn[name][0], drawn[name][1]()) for name in names),
        dynamic=True,
        active=names.index("metrics") if "metrics" in names and "metric" in pn.state.session_args else 0,
        stylesheets=[style.TABS],
        sizing_mode="stretch_width",
        margin=(0, 8),
    )
    return shown


def staff_links(pages: dict[str, str]) -> pn.viewable.Viewable:
    """Ways to the app's pages for staff; words by path."""
    links = "".join(f'<a href="{html.escape(path)}">{html.escape(label)}</a>' for path, label in pages.items())
    return pn.pane.HTML(
        f'<nav class="plyo-ways" aria-label="Pages for staff">{links}</nav>', sizing_mode="stretch_width", margin=0
    )


def _deferred(draw: Callable[[], object]) -> object:
    return pn.panel(draw, defer_load=True, loading_indicator=True)


def main() -> None:
    """Serve until told to stop."""
    settings = ConsoleSettings()
    pn.extension("plotly", "tabulator", raw_css=[style.css()], sizing_mode="stretch_width", notifications=False)
    sign_out.install(settings)
    public = settings.public_url
    pn.serve(
        {"": page(settings)},
        title="Plyo admin",
        prefix="/admin",
        address="127.0.0.1",
        port=settings.console_port,
        websocket_origin=[urlsplit(public).netloc],
        show=False,
        liveness=True,
        oauth_provider="auth_code",
        oauth_key=settings.console_client_id,
        oauth_redirect_uri=f"{public}/admin/login",
        oauth_extra_params={
            "AUTHORIZE_URL": f"{public}/oidc/authorize",
            "TOKEN_URL": f"{public}/oidc/token",
            "USER_URL": f"{public}/oidc/userinfo",
            "LOGOUT_URL": f"{public}/oidc/logout",
        },
        oauth_jwt_user="email",
        oauth_refresh_tokens=True,
        cookie_secret=settings.console_cookie_secret.get_secret_value(),
        cookie_path=sign_out.PATH,
    )


if __name__ == "__main__":
    main()
