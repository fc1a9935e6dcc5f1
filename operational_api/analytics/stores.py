"""What turns ask of the stores, each in one round trip: connections of one event loop, opened when first needed.

Asked in the loop itself and not in threads: a thread that has an answer waits for its turn to run while the loop works.
The questions are those of `core.standing`, `core.audit`, `compliance` and `lake`. What they are asked for is `turns`.
"""

from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

from operational_api.analytics.errors import AuditDown
from operational_api.analytics.lake import NEWEST_OF_BOTH, catalog_errors, catalog_url, newest_in
from operational_api.analytics.settings import AnalyticsSettings
from operational_api.compliance import public as compliance
from operational_api.core import audit, standing
from operational_api.core.lines import Line
from operational_api.core.principal import Principal
from operational_api.core.rate_limit import Limiter, Verdict
from operational_api.core.rate_policy import Limit


class Stores:
    """The lake's catalog, the operational database and the store of counts. Of one event loop.

    Raises:
        AuditDown: there is no operational database to ask.
    """

    def __init__(self, settings: AnalyticsSettings, limiter: Limiter) -> None:
        if settings.audit_database_url is None:
            raise AuditDown
        operational = settings.audit_database_url.get_secret_value()
        self._catalog = Line(catalog_url(settings), application_name="plyo-analytics-turns")
        self._operational = Line(operational, application_name="plyo-analytics-turns")
        self._tally = limiter.tally()
        self._named = audit.Named()

    async def close(self) -> None:
        await self._catalog.close()
        await self._operational.close()
        await self._tally.close()

    async def newest(self) -> tuple[int, int | None]:
        """Ids of the newest snapshots of the marts and of `raw`; raises as `Lake.snapshot_id`."""
        with catalog_errors():
            [(marts, raw)] = await self._catalog.ask(NEWEST_OF_BOTH, {})
        return newest_in([(marts,)]), raw

    async def still_hold(self, principals: Collection[Principal]) -> tuple[set[Principal], int]:
        """Those whose credential still holds, and the mark of all consents."""
        return await standing.still_hold(self._operational, principals)

    async def shown_kinds(self, customer_ids: Collection[UUID]) -> Mapping[UUID, frozenset[str]]:
        """What each of them lets others see."""
        return await compliance.shown_kinds_alone(self._operational, customer_ids)

    async def count(self, asked: Sequence[tuple[Limit, str]]) -> list[Verdict | None]:
        """Count each; None where it is not counted here."""
        return await self._tally.hit(asked)

    async def note(self, readings: Sequence[audit.Reading]) -> None:
        """Write down what was read; it is committed when this returns."""
        self._named.add(
            await audit.record_readings_alone(self._operational, readings, known=self._named.groups)
        )  # fmt: skip
