"""Who is in a local copy: the demo business for an empty database, and the OAuth clients of its surfaces."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from operational_api.identity import clients
from plyo import demo
from plyo.home import Home
from plyo.postgres import PostgresServer


def ensure_business(
    home: Home,
    server: PostgresServer,
    secrets: Mapping[str, str],
    customers: int,
    months: int,
    seed: int,
    *,
    progress: Callable[[float, float, str], None],
) -> None:
    """Load the demo business unless somebody is there already, or `customers` is 0.

    A load that was killed half way is not somebody: it is taken away and done again.
    """
    if customers == 0 or demo.state(server.url("plyo")) not in ("empty", "unfinished"):
        return
    demo.load(
        server.url("plyo", user="plyo_owner", password=secrets["plyo_owner"]),
        customers=customers, months=months, seed=seed, until=datetime.now(UTC), state_folder=home.path,
        progress=lambda label, done, total: progress(done, total, label),
    )  # fmt: skip


def ensure_oauth_clients(server: PostgresServer, secrets: Mapping[str, str], public_url: str) -> None:
    """Register every surface with its redirect addresses at identity's OIDC provider, as they are now."""
    url = server.url("plyo", user="plyo_api", password=secrets["plyo_api"])
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://", 1))
    with Session(engine) as session, session.begin():
        clients.ensure_clients(
            session,
            public_url=public_url,
            secrets={f"plyo-{name}": secrets[f"{name}_client"] for name in ("app", "coach", "admin", "activation")},
        )
    engine.dispose()
