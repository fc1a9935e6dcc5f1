"""What every question has to ask before it is answered, asked for all who come at the same time: a turn.

Whether a token still holds, which snapshot is the newest, how often its bearer has asked, whether what people let
others see has changed, who reads about whom: each is one question to its store for a whole turn (`stores`), begun after
the last of its requests came, so none hears less than it would alone. Who asks what was answered before, and nothing
has changed, is told it again (`retold`) in `together`. All others go on to their route, which finds there who asks, the
newest snapshot and the count. When a turn fails, each goes on as if there had been none, and is told by its route what
is wrong.
"""

import asyncio
import re
import time as clock
from asyncio import AbstractEventLoop, Future
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

import psycopg

from contracts.telemetry import get_logger
from operational_api.analytics.asked import READ
from operational_api.analytics.freshness import Clock, Freshness
from operational_api.analytics.retold import Question, Retold, Told
from operational_api.analytics.settings import AnalyticsSettings
from operational_api.analytics.stores import Stores
from operational_api.core import audit
from operational_api.core.errors import DomainError
from operational_api.core.principal import Principal, bearer_of
from operational_api.core.rate_limit import Limiter, Verdict, counted
from operational_api.core.tokens import TokenVerifier

log = get_logger(__name__)
_NUMBERS = re.compile(r"/api/analytics/(metrics|datasets)/[^/]+")


@dataclass(slots=True)
class Heard:
    """What a turn found out for one request.

    Attributes:
        told: The answer that is told again; None where there is none.
        freshness: Of `told`, now.
        verdict: Of the count; None where it was not counted: its route does it.
        consents_mark: Of all consents; see `Personal.mark`.
    """

    question: Question
    principal: Principal
    snapshot_id: int
    consents_mark: int
    told: Told | None
    freshness: Freshness | None = None
    verdict: Verdict | None = None


@dataclass
class _Room:
    """Those who wait in one event loop for the next turn, and what the loop has open."""

    stores: Stores
    waiting: list[tuple[Question, "Future[Heard | None]"]] = field(default_factory=list)
    turns: "asyncio.Task[None] | None" = None
    end: "AsyncGenerator[None] | None" = None


class Turns:
    """Asks for many. Safe to share between event loops; each has connections of its own, which close with it."""

    def __init__(
        self, settings: AnalyticsSettings, clock: Clock, retold: Retold, *, verifier: TokenVerifier, limiter: Limiter
    ) -> None:  # fmt: skip
        self._settings, self._clock, self._retold = settings, clock, retold
        self._verifier, self._limiter = verifier, limiter
        self._rooms: WeakKeyDictionary[AbstractEventLoop, _Room] = WeakKeyDictionary()

    async def heard(self, question: Question) -> Heard | None:
        """What there is to hear for a request, with all that came meanwhile; None where it has to ask itself."""
        loop = asyncio.get_running_loop()
        room = self._rooms.get(loop) or await self._opened(loop)
        mine: Future[Heard | None] = loop.create_future()
        room.waiting.append((question, mine))
        if room.turns is None or room.turns.done():
            room.turns = loop.create_task(self._take_turns(room))
        return await mine

    async def _opened(self, loop: AbstractEventLoop) -> _Room:
        room = self._rooms[loop] = _Room(Stores(self._settings, self._limiter))
        room.end = self._end(loop, room)
        await anext(room.end)  # from now on the loop ends it when it closes
        return room

    async def _end(self, loop: AbstractEventLoop, room: _Room) -> AsyncGenerator[None]:
        try:
            yield
        finally:
            self._rooms.pop(loop, None)
            await room.stores.close()

    async def close(self) -> None:
        """Close what the running loop has open."""
        room = self._rooms.get(asyncio.get_running_loop())
        if room is not None and room.end is not None:
            await room.end.aclose()

    async def _take_turns(self, room: _Room) -> None:
        while room.waiting:
            await asyncio.sleep(0)  # whoever has sent already is read before the turn begins
            turn, room.waiting = room.waiting, []
            found: list[Heard | None] = [None] * len(turn)
            try:
                found = await self._turn(room.stores, [question for question, _ in turn])
            except (DomainError, psycopg.Error) as error:
                log.warning("turn_failed", error=type(error).__name__, requests=len(turn))
            except Exception:
                log.exception("turn_broke", requests=len(turn))
            finally:  # whatever happened, nobody is left waiting
                for (_, waiting), one in zip(turn, found, strict=True):
                    if not waiting.done():
                        waiting.set_result(one)

    async def _turn(self, stores: Stores, questions: Sequence[Question]) -> list[Heard | None]:
        believed = [(question, self._believed(question)) for question in questions]
        people = {id(who): who for _, who in believed if who is not None}.values()  # an account's hash is slow
        if not people:
            return [None] * len(questions)
        began = clock.monotonic()
        (newest, newest_raw), (still, mark), verdicts = await asyncio.gather(
            stores.newest(), stores.still_hold(people), self._count(stores, believed)
        )
        self._clock.heard(newest_raw, began)
        all_hold = len(still) == len(people)
        found = [
            Heard(question, who, newest, mark, self._retold.known(question, who), verdict=verdict)
            if who is not None and (all_hold or who in still)
            else None
            for (question, who), verdict in zip(believed, verdicts, strict=True)
        ]
        await self._tell(stores, [one for one in found if one is not None and one.told is not None])
        return found

    def _believed(self, question: Question) -> Principal | None:
        try:
            return bearer_of(self._verifier.verify(question.token))
        except DomainError:  # it is its route's to refuse
            return None

    async def _count(
        self, stores: Stores, asked: Sequence[tuple[Question, Principal | None]]
    ) -> list[Verdict | None]:  # fmt: skip
        """Count each as one to its route. The rest have routes that count them themselves."""
        found: list[Verdict | None] = [None] * len(asked)
        routes = {
            place: f"/api/analytics/{kind[1]}/{{name}}"
            for place, (question, who) in enumerate(asked)
            if who is not None and (kind := _NUMBERS.fullmatch(question.path))
        }
        told = [counted(asked[place][1], asked[place][0].address, "GET", route) for place, route in routes.items()]
        for place, verdict in zip(routes, await stores.count(told), strict=True):
            found[place] = verdict
        return found

    async def _tell(self, stores: Stores, again: list[Heard]) -> None:
        """Leave `told` with those only to whom it may be told."""
        fresh: dict[tuple[str, ...], Freshness] = {}
        for one in again:
            assert one.told is not None  # noqa: S101 - chosen by the caller
            if one.told.snapshot_id != one.snapshot_id or (one.verdict is not None and not one.verdict.is_allowed):
                one.told = None
                continue
            relations = one.told.relations
            if relations not in fresh:
                told = self._clock.known(relations, snapshot_id=one.snapshot_id)
                if told is None:  # the loop waits for no lake
                    told = await asyncio.to_thread(self._clock.latest, relations, snapshot_id=one.snapshot_id)
                fresh[relations] = told
            one.freshness = fresh[relations]
            if one.freshness.state != one.told.state:
                one.told = None
        await self._hear(stores, [one for one in again if one.told is not None and one.told.personal.heard])
        readings = [
            audit.Reading(
                one.principal, READ, "Client", subjects, {"what": what}, one.question.address or None,
                one.question.traceparent,
            )
            for one in again
            if one.told is not None
            for what, subjects in one.told.personal.noted.items()
        ]  # fmt: skip
        if readings:
            await stores.note(readings)

    async def _hear(self, stores: Stores, personal: list[Heard]) -> None:
        """Take back what was told by other consents than those of now."""
        changed = [one for one in personal if one.told is not None and one.told.personal.mark != one.consents_mark]
        if not changed:
            return
        now = await stores.shown_kinds({who for one in changed if one.told for who in one.told.personal.heard})
        for one in changed:
            assert one.told is not None  # noqa: S101 - chosen above
            told = one.told.personal
            if any(now[who] != kinds for who, kinds in told.heard.items()):
                one.told = None
            else:  # they were asked for after the mark
                told.mark = one.consents_mark
