"""What turns ask of the stores, each in one round trip: connections of one event loop, opened when first needed.

Asked in the loop itself and not in threads: a thread that has an answer waits for its turn to run while the loop works.
The questions are those of `core.standing`, `core.audit`, `compliance` and `lake`, run on a connection that waits in the
loop. What they are asked for is `turns`.
"""

from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

from sqlalchemy import Connection
from sqlalchemy.orm import Session

from operational_api.analytics.errors import AuditDown
from operational_api.analytics.lake import catalog_url, newest_of
from operational_api.analytics.settings import AnalyticsSettings
from operational_api.compliance import public as compliance
from operational_api.core import audit, standing
from operational_api.core.database import make_asking_engine
from operational_api.core.principal import Principal
from operational_api.core.rate_limit import Limiter, Verdict
from operational_api.core.rate_policy import Limit

_MARK = "platform.consents_mark()"
_MOST_NAMED = 10_000


class Stores:
    """The lake's catalog, the operational database and the store of counts. Of one event loop.

    Raises:
        AuditDown: there is no operational database to ask.
    """

    def __init__(self, settings: AnalyticsSettings, limiter: Limiter) -> None:
        if settings.audit_database_url is None:
            raise AuditDown
        self._catalog = make_asking_engine(catalog_url(settings), application_name="plyo-analytics-turns")
        self._operational = make_asking_engine(
            settings.audit_database_url.get_secret_value(), application_name="plyo-analytics-turns"
        )
        self._tally = limiter.tally()
        self._named: set[UUID] = set()

    async def close(self) -> None:
        await self._catalog.dispose()
        await self._operational.dispose()
        await self._tally.close()

    async def newest(self) -> int:
        """Id of the newest snapshot; raises as `lake.newest_of`."""
        async with self._catalog.connect() as connection:
            return await connection.run_sync(newest_of)

    async def still_hold(self, principals: Collection[Principal]) -> tuple[set[Principal], int]:
        """Those whose credential still holds, and the mark of all consents."""
        async with self._operational.connect() as connection:
            return await connection.run_sync(standing.still_hold, principals, beside=_MARK)

    async def shown_kinds(self, customer_ids: Collection[UUID]) -> Mapping[UUID, frozenset[str]]:
        """What each of them lets others see."""

        def ask(connection: Connection) -> Mapping[UUID, frozenset[str]]:
            return compliance.shown_kinds(Session(connection), customer_ids)

        async with self._operational.connect() as connection:
            return await connection.run_sync(ask)

    async def count(self, asked: Sequence[tuple[Limit, str]]) -> list[Verdict | None]:
        """Count each; None where it is not counted here."""
        return await self._tally.hit(asked)

    async def note(self, readings: Sequence[audit.Reading]) -> None:
        """Write down what was read; it is committed when this returns."""

        def write(connection: Connection) -> set[UUID]:
            return audit.record_readings(Session(connection), readings, known=self._named)

        async with self._operational.connect() as connection:
            named = await connection.run_sync(write)
        if len(self._named) > _MOST_NAMED:
            self._named.clear()
        self._named |= named
