"""Who is in a local copy: the demo business for an empty database, and the OAuth clients of its surfaces."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping

from plyo import objects
from plyo.demo import presence
from plyo.home import Home, checkout
from plyo.postgres import PostgresServer
from plyo.services import STACK_MARK


class LoadFailed(RuntimeError):
    """The demo business could not be loaded; the message carries what the loader said last."""


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

    A load that was killed half way is not somebody: it is taken away and done again. The loader is a process of its
    own, so what it needs of memory and imports ends with it.

    Raises:
        LoadFailed: with the loader's last words.
    """
    if customers == 0 or presence.state(server.url("plyo")) not in ("empty", "unfinished"):
        return
    url = server.url("plyo", user="plyo_owner", password=secrets["plyo_owner"])
    wanted = {"customers": customers, "months": months, "seed": seed, "state-folder": home.path}
    last: list[str] = []
    with subprocess.Popen(
        [sys.executable, "-m", "plyo.demo", *(f"--{name}={value}" for name, value in wanted.items())],
        cwd=checkout(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        env=os.environ | {presence.URL_VARIABLE: url, STACK_MARK: home.stack_id},
    ) as loader:  # fmt: skip
        for line in loader.stderr or ():
            label, *counts = line.rstrip("\n").split("\t")
            if len(counts) == 2:
                progress(float(counts[0]), float(counts[1]), label)
            else:
                last = [*last[-20:], label]
    if loader.returncode != 0:
        raise LoadFailed("The demo business was not loaded: " + ("\n".join(last) or f"exit {loader.returncode}"))


def ensure_oauth_clients(server: PostgresServer, secrets: Mapping[str, str], public_url: str) -> None:
    """Register every surface with its redirect addresses at identity's OIDC provider, as they are now."""
    from sqlalchemy import create_engine
    from sqlalchemy.orm import Session

    from operational_api.identity import clients

    url = server.url("plyo", user="plyo_api", password=secrets["plyo_api"])
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://", 1))
    with Session(engine) as session, session.begin():
        clients.ensure_clients(
            session,
            public_url=public_url,
            secrets={
                f"plyo-{name}": secrets[f"{name}_client"]
                for name in ("app", "coach", "admin", "activation", "supervisor")
            },
        )
    engine.dispose()


def ensure_videos(home: Home, server: PostgresServer, port: int, secrets: Mapping[str, str]) -> None:
    """Two short videos for the demo's people to watch, sent as people do; the worker prepares them.

    In a process of its own, like the business: the supervisor keeps nothing of what that needs.

    Raises:
        LoadFailed: with its last words.
    """
    url = server.url("plyo", user="plyo_owner", password=secrets["plyo_owner"])
    store = {
        "PLYO_S3_ENDPOINT": f"http://127.0.0.1:{port}", "PLYO_S3_ACCESS_KEY": objects.ACCESS_KEY,
        "PLYO_S3_SECRET_KEY": secrets["objects"],
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "plyo.demo.videos"], cwd=checkout(), stdin=subprocess.DEVNULL, capture_output=True,
        text=True, check=False, env=os.environ | store | {presence.URL_VARIABLE: url, STACK_MARK: home.stack_id},
    )  # fmt: skip
    if done.returncode != 0:
        raise LoadFailed("The demo's videos were not sent: " + (done.stderr[-2000:] or f"exit {done.returncode}"))
