"""One process at a time for a piece of work on the lake: a named lock that the catalog's database holds.

Who may not begin is told at once. What is done in the turn is the caller's; waiting for one is nobody's.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg.conninfo import make_conninfo

from contracts.warehouse import WarehouseSettings


@contextmanager
def turn(settings: WarehouseSettings, name: str, *, application_name: str) -> Iterator[bool]:
    """Whether this process has the turn of that name; it ends with the block, or with the process.

    The lock is given back in words: a session that is only closed gives it back when the server comes to notice,
    and who asks right after would be refused.
    """
    url = make_conninfo(settings.lake_catalog_url.get_secret_value(), application_name=application_name)
    with psycopg.connect(url, autocommit=True) as control:
        row = control.execute("select pg_try_advisory_lock(hashtext(%s))", [name]).fetchone()
        try:
            yield row == (True,)
        finally:
            if not control.closed:
                control.execute("select pg_advisory_unlock_all()")
