"""Signing out of the admin console: its cookies go, and the person's session at the provider with them.

Panel's own handler leaves the cookies where they were set for a path, and never tells the provider.
"""

from urllib.parse import urlencode

import panel as pn
from panel import auth
from tornado.web import RequestHandler

from consoles.settings import ConsoleSettings

COOKIES = ("user", "id_token", "access_token", "refresh_token", "oauth_expiry", auth.STATE_COOKIE_NAME)
PATH = "/admin"


def handler(settings: ConsoleSettings) -> type[RequestHandler]:
    """What answers `/admin/logout`."""

    class SignOut(RequestHandler):
        def get(self) -> None:
            held = self.get_secure_cookie("id_token", max_age_days=pn.config.oauth_expiry)
            for name in COOKIES:
                self.clear_cookie(name, path=PATH)
            asked = {
                "client_id": settings.console_client_id,
                "post_logout_redirect_uri": f"{settings.public_url}{PATH}/",
            }
            if held is not None:  # proves to the provider that the person's own console asks
                asked["id_token_hint"] = held.decode()
            self.redirect(f"{settings.public_url}/oidc/logout?{urlencode(asked)}")

    return SignOut


def install(settings: ConsoleSettings) -> None:
    """Have Panel serve our handler. It offers no place for one; the name is looked up when it starts to serve."""
    vars(auth)["LogoutHandler"] = handler(settings)
