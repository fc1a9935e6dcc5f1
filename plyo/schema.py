"""The product's schemas in a local PostgreSQL: migrated as their owner, then granted to the roles that use them."""

from collections.abc import Mapping

import psycopg

from operational_api.migrations import run as migrations
from plyo import databases
from plyo.postgres import PostgresServer


def migrate(server: PostgresServer, secrets: Mapping[str, str]) -> None:
    """Apply every migration as `plyo_owner` and hand out the rights."""
    url = server.url("plyo", user="plyo_owner", password=secrets["plyo_owner"])
    migrations.upgrade(url.replace("postgresql://", "postgresql+psycopg://", 1))
    databases.grant(server)


def is_empty(server: PostgresServer) -> bool:
    """Whether no account exists yet."""
    with psycopg.connect(server.url("plyo")) as connection:
        found = connection.execute("select not exists (select 1 from identity.accounts)").fetchone()
    return bool(found and found[0])
