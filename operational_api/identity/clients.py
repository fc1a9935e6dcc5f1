"""The OAuth clients of Plyo's own surfaces. `python -m operational_api.identity.clients` registers them by hand.

| client          | who               | kind                                   |
| plyo-app        | everybody         | confidential, code + PKCE, refresh     |
| plyo-coach      | coaches, lead too | confidential (Streamlit's st.login)    |
| plyo-admin      | office roles      | public, PKCE (Panel's auth_code)       |
| plyo-terminal   | who reads numbers | public, PKCE, loopback (plyo.terminal) |
| plyo-activation | itself            | client_credentials                     |
| plyo-supervisor | the local stack   | client_credentials, where there is one |

A service's token is for one service. A console asks two of them as the person, and can hold one token only (`st.login`
and Panel know no second), so that one names both.
"""

import argparse
import sys
from collections.abc import Mapping

from sqlalchemy.orm import Session

from contracts.tokens import ANALYTICS, API, DAGSTER
from operational_api.core.database import make_engine, session_factory
from operational_api.core.policy import roles_that_may
from operational_api.identity.service.clients import LOOPBACK, register
from operational_api.settings import ApiSettings

CONSOLE_TOKEN_SECONDS = 3600
SERVICE_TOKEN_SECONDS = 300


def ensure_clients(session: Session, *, public_url: str, secrets: Mapping[str, str]) -> None:
    """Register every surface, or bring it to these addresses and secrets. Safe to repeat.

    Args:
        public_url: The gateway's origin, no trailing slash.
        secrets: By client id: plyo-app, plyo-coach, plyo-activation; plyo-supervisor where one runs the stack. Others
            are ignored.
    """
    root = public_url.rstrip("/")
    register(
        session,
        client_id="plyo-app",
        name="Plyo",
        allowed_roles=roles_that_may("identity.keep_account"),
        redirect_uris=[f"{root}/auth/callback"],
        post_logout_redirect_uris=[root, f"{root}/"],
        secret=secrets["plyo-app"],
    )
    register(
        session,
        client_id="plyo-coach",
        name="Plyo for coaches",
        allowed_roles=roles_that_may("gateway.open_coach_console"),
        redirect_uris=[f"{root}/coach/oauth2callback"],
        post_logout_redirect_uris=[f"{root}/coach", f"{root}/coach/", f"{root}/coach/oauth2callback"],
        secret=secrets["plyo-coach"],
        audiences=(API, ANALYTICS),
        access_token_seconds=CONSOLE_TOKEN_SECONDS,
    )
    register(
        session,
        client_id="plyo-admin",
        name="Plyo for admins",
        allowed_roles=roles_that_may("gateway.open_admin_console"),
        redirect_uris=[f"{root}/admin/login", f"{root}/admin/", f"{root}/admin"],
        post_logout_redirect_uris=[f"{root}/admin", f"{root}/admin/"],
        audiences=(API, ANALYTICS),
        access_token_seconds=CONSOLE_TOKEN_SECONDS,
    )
    register(
        session,
        client_id="plyo-terminal",
        name="Plyo in a terminal",
        allowed_roles=roles_that_may("analytics.read_lineage"),
        redirect_uris=[f"{LOOPBACK}callback"],
        audiences=(ANALYTICS,),
    )
    register(
        session,
        client_id="plyo-activation",
        name="Activation of scores",
        allowed_roles=("service",),
        secret=secrets["plyo-activation"],
        access_token_seconds=SERVICE_TOKEN_SECONDS,
    )
    if "plyo-supervisor" in secrets:
        register(
            session,
            client_id="plyo-supervisor",
            name="Supervisor of the local stack",
            allowed_roles=("service",),
            secret=secrets["plyo-supervisor"],
            audiences=(DAGSTER,),
            access_token_seconds=SERVICE_TOKEN_SECONDS,
        )


def main() -> None:
    """Register the clients in the database of `PLYO_DATABASE_URL`; secrets are read from standard input."""
    parser = argparse.ArgumentParser(
        prog="python -m operational_api.identity.clients",
        description="Register Plyo's surfaces as OAuth clients. Standard input: one `client_id secret` a line, for "
        "plyo-app, plyo-coach and plyo-activation.",
    )
    parser.add_argument("--public-url", help="the gateway's origin; PLYO_PUBLIC_URL by default")
    arguments = parser.parse_args()
    settings = ApiSettings()
    secrets = dict(line.split(maxsplit=1) for line in sys.stdin.read().splitlines() if line.strip())
    missing = {"plyo-app", "plyo-coach", "plyo-activation"} - secrets.keys()
    if missing:
        parser.error(f"no secret given for {', '.join(sorted(missing))}")
    engine = make_engine(settings.database_url.get_secret_value(), application_name="plyo-clients", pool_size=1)
    with session_factory(engine).begin() as session:
        ensure_clients(session, public_url=arguments.public_url or settings.public_url, secrets=secrets)
    engine.dispose()


if __name__ == "__main__":
    main()
