"""Whether the simulated business is in a database, and what a load may refuse. Light: every start of the stack asks.

Loading is `plyo.demo.loading`, which brings Polars, Arrow and pandas with it.
"""

from typing import Literal

import psycopg

DEFAULT_CUSTOMERS, DEFAULT_MONTHS, DEFAULT_SEED = 240, 12, 7
SMALLEST = 20
"""Customers of the smallest business that still has every kind of them."""
NAME = "demo"
URL_VARIABLE = "PLYO_DEMO_URL"
"""Names the database to `python -m plyo.demo`, so that its password is not in the list of processes."""
State = Literal["empty", "unfinished", "loaded", "in use"]


class BusinessExists(RuntimeError):
    """The database holds a business already; the demo is loaded only into an empty one."""


class LoadRunning(RuntimeError):
    """Another process is loading the demo into this database now."""


def state(url: str) -> State:
    """Whether a database is empty, half loaded by a demo that was cut off, loaded with the demo, or in other use."""
    with psycopg.connect(libpq(url)) as connection:
        return state_of(connection)


def state_of(connection: psycopg.Connection) -> State:
    """The same, asked on an open connection."""
    marker = connection.execute(
        "select finished_at is not null from platform.bulk_loads where name = %s order by started_at desc limit 1",
        [NAME],
    ).fetchone()
    if marker is not None:
        return "loaded" if marker[0] else "unfinished"
    used = connection.execute(
        """
        select exists (select from identity.accounts) or exists (select from commerce.plans)
            or exists (select from training.clients) or exists (select from scheduling.locations)
            or exists (select from platform.outbox_events)
        """
    ).fetchone()
    return "in use" if used and used[0] else "empty"


def libpq(url: str) -> str:
    """The address without SQLAlchemy's driver in it."""
    return url.replace("postgresql+psycopg://", "postgresql://", 1)
