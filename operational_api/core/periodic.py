"""Runs the recurring jobs of the contexts in one worker of many: the one that holds an advisory lock.

When it dies PostgreSQL frees the lock and another worker takes over, running every job once at once: jobs must be
harmless to repeat.
"""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from types import ModuleType

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session, sessionmaker

from contracts.telemetry import get_logger, trace
from operational_api.core import clock

log = get_logger(__name__)
Job = tuple[str, timedelta, Callable[[Session, datetime], None]]
_LEADER_LOCK = 0x706C796F02


class PeriodicJobs:
    """The `PERIODIC` lists of the contexts' `handlers` modules, and when each job ran last in this process."""

    def __init__(self, engine: Engine, sessions: sessionmaker[Session], modules: Iterable[ModuleType]) -> None:
        self._engine, self._sessions = engine, sessions
        self._jobs: list[Job] = [job for module in modules for job in getattr(module, "PERIODIC", [])]
        self._next: dict[str, datetime] = {}
        self._leadership: Connection | None = None

    def run_due(self) -> bool:
        """Run the jobs that are due if this process leads. A job that fails is logged and waits for its next turn.

        Returns:
            False: never asks to be called again at once.
        """
        if not self._jobs or not self._leads():
            return False
        for name, every, function in self._jobs:
            now = clock.now()
            if self._next.get(name, now) > now:
                continue
            self._next[name] = now + every
            with trace():
                try:
                    with self._sessions.begin() as session:
                        function(session, now)
                except Exception:
                    log.exception("job_failed", job=name)
        return False

    def resign(self) -> None:
        """Give leadership up, if held, so that another worker need not wait for our end."""
        if self._leadership is not None:
            self._leadership.invalidate()  # closes the server session, and the lock with it
            self._leadership.close()
            self._leadership = None

    def _leads(self) -> bool:
        if self._leadership is not None:
            try:
                self._leadership.execute(text("select 1"))
                return True
            except DBAPIError:
                log.warning("leadership_lost")
                self.resign()
        connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        if connection.scalar(text("select pg_try_advisory_lock(:key)"), {"key": _LEADER_LOCK}):
            log.info("leadership_taken")
            self._leadership = connection
            self._next.clear()
            return True
        connection.close()
        return False
