"""Who sits in front of the admin console, and their connection to Plyo. Sign-in is identity's OIDC provider."""

import panel as pn

from consoles.client import Plyo
from consoles.settings import ConsoleSettings


def connection(settings: ConsoleSettings) -> Plyo:
    """The connection of the person whose session is being drawn, with their access token."""
    return Plyo(api_url=settings.api_url, analytics_url=settings.analytics_url, token=pn.state.access_token or "")


def name_of_person() -> str:
    """Their name, for the header."""
    info = pn.state.user_info or {}
    return str(info.get("name") or info.get("email") or pn.state.user or "")
