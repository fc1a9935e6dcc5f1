"""The product's schemas in a local PostgreSQL: migrated as their owner, then granted to the roles that use them."""

from collections.abc import Mapping

from operational_api.migrations import run as migrations
from plyo import databases
from plyo.postgres import PostgresServer


def migrate(server: PostgresServer, secrets: Mapping[str, str]) -> None:
    """Apply every migration as `plyo_owner` and hand out the rights."""
    url = server.url("plyo", user="plyo_owner", password=secrets["plyo_owner"])
    migrations.upgrade(url.replace("postgresql://", "postgresql+psycopg://", 1))
    databases.grant(server)
