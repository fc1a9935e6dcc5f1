"""What every question has to ask before it is answered, asked for all who come at the same time: a turn.

Whether a token still holds, which snapshot is the newest, how often its bearer has asked, what people let others see,
who reads about whom: each is one question to its store for a whole turn, begun after the last of its requests came, so
none hears less than it would alone. Who asks what was answered before, and nothing has changed, is told it again
(`retold`) here. All others go on to their route, which finds there who asks and the newest snapshot. When a turn fails,
each goes on as if there had been none, and is told by its route what is wrong.
"""

import asyncio
from asyncio import AbstractEventLoop, Future
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from time import time as _now
from weakref import WeakKeyDictionary

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session
from starlette.types import ASGIApp, Receive, Scope, Send

from contracts.telemetry import current_traceparent, get_logger
from operational_api.analytics import tags
from operational_api.analytics.freshness import Clock, Freshness
from operational_api.analytics.lake import Lake
from operational_api.analytics.retold import Question, Retold, Told
from operational_api.compliance import public as compliance
from operational_api.core import audit, standing
from operational_api.core.errors import DomainError
from operational_api.core.principal import Principal, bearer_of
from operational_api.core.rate_limit import Limiter, Verdict, counted
from operational_api.core.tokens import TokenVerifier

log = get_logger(__name__)
READ = "analytics.read_client"
QUARTER_SECONDS = 900


@dataclass(slots=True)
class Heard:
    """What a turn found out for one request.

    Attributes:
        told: The answer that is told again; None where there is none.
        freshness: Of `told`, now.
        verdict: Of the count; None where it was not counted: its route does it.
    """

    question: Question
    principal: Principal
    snapshot_id: int
    told: Told | None
    freshness: Freshness | None = None
    verdict: Verdict | None = None


@dataclass
class _Room:
    """Those who wait in one event loop for the next turn."""

    waiting: list[tuple[Question, "Future[Heard | None]"]] = field(default_factory=list)
    turns: "asyncio.Task[None] | None" = None


class Turns:
    """Asks for many. Safe to share between event loops.

    Args:
        engine: To the operational database, as the role that may ask and write down there and do nothing else.
        asking: The same for questions, without transactions (autocommit).
    """

    def __init__(
        self, lake: Lake, clock: Clock, retold: Retold, *, verifier: TokenVerifier, limiter: Limiter, engine: Engine,
        asking: Engine,
    ) -> None:  # fmt: skip
        self._lake, self._clock, self._retold = lake, clock, retold
        self._verifier, self._limiter = verifier, limiter
        self._engine, self._asking = engine, asking
        # Of its own: those who compute may hold all of the common ones.
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="turns")
        self._rooms: WeakKeyDictionary[AbstractEventLoop, _Room] = WeakKeyDictionary()

    def close(self) -> None:
        self._worker.shutdown(wait=False)

    async def heard(self, question: Question) -> Heard | None:
        """What there is to hear for a request, with all that came meanwhile; None where it has to ask itself."""
        loop = asyncio.get_running_loop()
        room = self._rooms.setdefault(loop, _Room())
        mine: Future[Heard | None] = loop.create_future()
        room.waiting.append((question, mine))
        if room.turns is None or room.turns.done():
            room.turns = loop.create_task(self._take_turns(loop, room))
        return await mine

    async def _take_turns(self, loop: AbstractEventLoop, room: _Room) -> None:
        while room.waiting:
            turn, room.waiting = room.waiting, []
            found: list[Heard | None] = [None] * len(turn)
            try:
                found = await loop.run_in_executor(self._worker, self._turn, [question for question, _ in turn])
            except (DomainError, SQLAlchemyError) as error:
                log.warning("turn_failed", error=type(error).__name__, requests=len(turn))
            except Exception:
                log.exception("turn_broke", requests=len(turn))
            finally:  # whatever happened, nobody is left waiting
                for (_, waiting), one in zip(turn, found, strict=True):
                    if not waiting.done():
                        waiting.set_result(one)

    def _turn(self, questions: Sequence[Question]) -> list[Heard | None]:
        believed = [self._believed(question) for question in questions]
        people = {one for one in believed if one is not None}
        if not people:
            return [None] * len(questions)
        newest = self._lake.snapshot_id()
        with self._asking.connect() as connection:
            still = standing.still_hold(connection, people)
        found = [
            Heard(question, who, newest, self._retold.known(question, who))
            if who is not None and who in still
            else None
            for question, who in zip(questions, believed, strict=True)
        ]
        self._tell([one for one in found if one is not None and one.told is not None])
        return found

    def _believed(self, question: Question) -> Principal | None:
        try:
            return bearer_of(self._verifier.verify(question.token))
        except DomainError:  # it is its route's to refuse
            return None

    def _tell(self, again: list[Heard]) -> None:
        """Leave `told` with those only to whom it may be told."""
        fresh: dict[tuple[str, ...], Freshness] = {}
        for one in again:
            assert one.told is not None  # noqa: S101 - chosen by the caller
            if one.told.snapshot_id != one.snapshot_id:
                one.told = None
                continue
            relations = one.told.relations
            if relations not in fresh:
                fresh[relations] = self._clock.latest(relations, snapshot_id=one.snapshot_id)
            one.freshness = fresh[relations]
            if one.freshness.state != one.told.state:
                one.told = None
        personal = [one for one in again if one.told is not None and one.told.personal]
        if personal:
            self._hear(personal)
        told = [one for one in again if one.told is not None]
        self._count(told)
        readings = [
            audit.Reading(
                one.principal, READ, "Client", subjects, {"what": what}, one.question.address or None,
                one.question.traceparent,
            )
            for one in told
            if one.told is not None
            for what, subjects in one.told.personal.noted.items()
        ]  # fmt: skip
        if readings:
            with Session(self._engine) as session, session.begin():
                audit.record_readings(session, readings)

    def _hear(self, personal: list[Heard]) -> None:
        ids = {who for one in personal if one.told is not None for who in one.told.personal.heard}
        with self._asking.connect() as connection:
            now = compliance.shown_kinds(Session(connection), ids)
        for one in personal:
            if one.told is not None and any(now[who] != kinds for who, kinds in one.told.personal.heard.items()):
                one.told = None

    def _count(self, told: list[Heard]) -> None:
        routes = [(one, one.told.route) for one in told if one.told is not None]
        asked = [counted(one.principal, one.question.address, "GET", route) for one, route in routes]
        for (one, _), verdict in zip(routes, self._limiter.hit_together(asked), strict=True):
            one.verdict = verdict
            if verdict is not None and not verdict.is_allowed:
                one.told = one.verdict = None


class Together:
    """Middleware: every request with a token takes a turn; who is told something again is told it here."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        turns: Turns | None = scope["app"].state.turns if scope["type"] == "http" else None
        question = question_of(scope) if turns is not None and scope["method"] == "GET" else None
        heard = await turns.heard(question) if turns is not None and question is not None else None
        if heard is not None:
            state = scope.setdefault("state", {})
            state |= {"question": question, "principal": heard.principal, "snapshot_id": heard.snapshot_id}
            if heard.verdict is not None:
                state["rate_limit"] = heard.verdict.headers()
            if heard.told is not None and heard.freshness is not None:
                await _answer(send, heard.question, heard.told, heard.freshness)
                return
        await self.app(scope, receive, send)


async def _answer(send: Send, question: Question, told: Told, freshness: Freshness) -> None:
    headers = {**told.headers, tags.FRESHNESS: tags.text_of(freshness)}
    is_known = told.tag is not None and tags.names(question.known_tags, told.tag)
    body = b"" if is_known else told.whole(freshness)
    if not is_known:
        headers |= {"Content-Type": "application/json", "Content-Length": str(len(body))}
    raw = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": 304 if is_known else 200, "headers": raw})
    await send({"type": "http.response.body", "body": body})


def question_of(scope: Scope) -> Question | None:
    """What a request asks; None where it brings no token."""
    told: dict[bytes, str] = {}
    for name, value in scope["headers"]:
        if name in (b"authorization", b"accept", b"if-none-match"):
            told[name] = value.decode("latin-1")
    scheme, _, token = told.get(b"authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        return None
    client = scope.get("client")
    return Question(
        token=token.strip(), path=scope["path"], query=scope["query_string"].decode("latin-1"),
        accept=told.get(b"accept", ""), known_tags=told.get(b"if-none-match", ""),
        address=client[0] if client else "", traceparent=current_traceparent(),
        quarter=int(_now()) // QUARTER_SECONDS,
    )  # fmt: skip
