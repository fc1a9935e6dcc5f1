"""dbt-duckdb's way to the lake: the connection dbt works on is furnished by `contracts.warehouse`, the only door.

Loaded by `dbt_project/profiles.yml` (target `lake`). Settings are read when dbt connects, so the project parses in an
empty environment. Models and Dagster do not belong here.
"""

import gc
from typing import Any

from dbt.adapters.duckdb.credentials import DuckDBCredentials
from dbt.adapters.duckdb.plugins import BasePlugin
from duckdb import DuckDBPyConnection

from contracts import warehouse


class Plugin(BasePlugin):
    """Attaches `marts` to write and `raw` as it is at the start of the run."""

    def update_connection_config(self, creds: DuckDBCredentials, config: dict[str, Any]) -> None:  # noqa: ARG002
        """Put the extensions' place and the memory limit into DuckDB's configuration before it opens.

        dbt has read the project by now, which stays until the process ends: where the collector works, it need not walk
        through it again and again.
        """
        gc.freeze()
        config.update(warehouse.connection_config(warehouse.WarehouseSettings()))

    def configure_connection(self, conn: DuckDBPyConnection) -> None:
        """Attach both lakes before dbt attaches what its profile names (`attach if not exists`)."""
        warehouse.lend(conn, warehouse.WarehouseSettings())
