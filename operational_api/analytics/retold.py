"""Answers kept as they were written, to be told again while nothing has changed that they depend on.

An answer depends on who asks, on what they ask, on the snapshot and on what the people in it let others see. It is kept
by all of these; how old its data is by now is written anew each time. One that tells of no single person is kept once
for all of a role who are told the same rows; one that does, for its reader alone. Whether it may be told again is asked
in `turns`; how it comes about is `router`.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from fastapi import Request

from operational_api.analytics import tags
from operational_api.analytics.freshness import Freshness
from operational_api.analytics.remembered import Remembered
from operational_api.core.principal import Principal

_MOST_ASKERS = 20_000
LARGE_BYTES = 1 << 16
"""An answer that is larger is sent in two pieces, the large one last: copying it costs more than sending twice, and
nobody waits until it is gone."""


@dataclass
class Personal:
    """What a request has heard and noted about single people on the way to its answer.

    Attributes:
        heard: What each lets others see, as it was when it was asked.
        noted: What was read, as the audit log names it, and about whom.
        mark: Of all consents (`platform.consents_mark`), asked before any of `heard`: they change with it.
            None where it was not asked.
    """

    heard: dict[UUID, frozenset[str]] = field(default_factory=dict)
    noted: dict[str, frozenset[UUID]] = field(default_factory=dict)
    mark: int | None = None

    @staticmethod
    def of(request: Request) -> "Personal":
        """The request's own."""
        if not hasattr(request.state, "personal"):
            request.state.personal = Personal(mark=getattr(request.state, "consents_mark", None))
        found: Personal = request.state.personal
        return found

    def note(self, what: str, people: Collection[UUID]) -> None:
        """That it tells something of these people."""
        self.noted[what] = self.noted.get(what, frozenset()).union(people)

    def __bool__(self) -> bool:
        return bool(self.heard or self.noted)


@dataclass(frozen=True, slots=True)
class Told:
    """An answer in JSON but for its freshness, which is the first thing in it.

    Attributes:
        body: From behind the freshness; None where nobody has written it here, and only who has the answer (by its
            tag) can be told that it is still the one.
        headers: Those that stay the same, as ASGI has them.
        personal: Of whom it tells; what they let others see must be the same when it is told again.
    """

    body: bytes | None
    headers: Sequence[tuple[bytes, bytes]]
    tag: str
    relations: tuple[str, ...]
    snapshot_id: int
    state: str
    personal: Personal

    def whole(self, freshness: Freshness) -> bytes:
        """The document, where it is written."""
        return self.begun(freshness) + (self.body or b"")

    @staticmethod
    def begun(freshness: Freshness) -> bytes:
        """What stands before `body`."""
        return b'{"freshness":' + tags.bytes_of(freshness) + b","


@dataclass(slots=True)
class Question:
    """What a request says that its answer may depend on.

    Attributes:
        quarter: Of an hour, in which it came: `today` begins somewhere on earth in each, so what was told by a period's
            name is told no longer.
    """

    token: str
    path: str
    query: str
    accept: str
    known_tags: str
    address: str
    traceparent: str | None
    quarter: int

    def words(self) -> tuple[object, ...]:
        """What is asked, as it was meant when it was."""
        return self.path, self.query, self.accept, self.quarter


class Retold:
    """The memory of answers. Safe to share between threads.

    Args:
        largest_bytes: Of all answers together.
    """

    def __init__(self, largest_bytes: int) -> None:
        self._told: Remembered[Told] = Remembered(largest_bytes)
        self._by_asker: Remembered[tuple[object, ...]] = Remembered(_MOST_ASKERS)

    def known(self, question: Question, principal: Principal) -> Told | None:
        """What this person was told by the same words, where it is written, or is theirs already by its tag."""
        name = self._by_asker.find(_asker(question, principal))
        told = self._told.find(name) if name is not None else None
        return told if told is None or told.body is not None or tags.names(question.known_tags, told.tag) else None

    def find(self, question: Question | None, principal: Principal, key: str) -> Told | None:
        """What somebody of the same role was told by the same words, about nobody and of the same rows.

        Args:
            key: `Lake.key_of` the query that answers the question.
        """
        if question is None:
            return None
        name = (key, principal.role, None, *question.words())
        found = self._told.find(name)
        if found is not None and found.body is not None:
            self._by_asker.keep(_asker(question, principal), name)
            return found
        return None

    def keep(self, question: Question | None, principal: Principal, key: str, told: Told) -> None:
        """Keep an answer of the snapshot that was the newest when it was asked for. One that is written stays."""
        if question is None:
            return
        name = (key, principal.role, _number(principal) if told.personal else None, *question.words())
        kept = self._told.find(name) if told.body is None else None
        if kept is None or kept.tag != told.tag:
            self._told.keep(name, told, len(told.body or b"") + 64 * len(told.personal.heard) + 1024)
        self._by_asker.keep(_asker(question, principal), name)


def _asker(question: Question, principal: Principal) -> tuple[object, ...]:
    return principal.role, _number(principal), *question.words()


def _number(principal: Principal) -> int | None:
    """Who it is, by what is looked up fast: a UUID is hashed anew each time."""
    return principal.account_id.int if principal.account_id is not None else None
