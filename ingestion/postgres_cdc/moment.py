"""One moment of the source, held so that many sessions can read it one after the other."""

from datetime import UTC, datetime

import psycopg
from psycopg import sql

from ingestion.postgres_cdc.slot import ExportedSnapshot
from ingestion.postgres_cdc.source import TEXT_OPTIONS


class Moment:
    """A snapshot of the source that stays readable while other sessions come and go, until it is closed.

    PostgreSQL cleans up nothing that was there at that moment, so it is not to be kept for hours.

    Args:
        connection: Sees the source as of it, in one transaction. What locks is to be rolled back to a savepoint.
    """

    def __init__(self, url: str, exported: ExportedSnapshot) -> None:
        """Take over an exported snapshot, which may end then: no slot needs to hold the log for it."""
        kept = "-c idle_in_transaction_session_timeout=0 -c transaction_timeout=0"
        self.connection = psycopg.connect(
            url, autocommit=True, application_name="plyo-cdc-snapshot", options=f"{TEXT_OPTIONS} {kept}"
        )
        try:
            self.connection.execute("begin isolation level repeatable read read only")
            self.connection.execute(sql.SQL("set transaction snapshot {}").format(exported.name))
            row = self.connection.execute("select pg_export_snapshot()").fetchone()
        except BaseException:
            self.connection.close()
            raise
        self.snapshot = ExportedSnapshot(exported.lsn, row[0] if row else "")
        self.taken_at = datetime.now(UTC)

    @property
    def lsn(self) -> int:
        """Transactions that committed before it are in the snapshot, all others are not."""
        return self.snapshot.lsn

    def close(self) -> None:
        """Let go of it."""
        self.connection.close()
