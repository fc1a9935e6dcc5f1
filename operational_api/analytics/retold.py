"""Answers kept as they were written, to be told again while nothing has changed that they depend on.

An answer depends on who asks, on what they ask, on the snapshot and on what the people in it let others see. It is kept
by all of these; how old its data is by now is written anew each time. One that tells of no single person is kept once
for all of a role who are told the same rows; one that does, for its reader alone. Whether it may be told again is asked
in `turns`; how it comes about is `router`.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

import pyarrow as pa
from fastapi import Request

from operational_api.analytics import formats, tags
from operational_api.analytics.freshness import Freshness
from operational_api.analytics.packed import SMALL_BYTES, Packed
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
    """An answer in JSON, or as an Arrow stream, but for its freshness, which is at its beginning.

    Attributes:
        body: From behind the freshness; None where it is packed. Where nobody has written it here it is neither, and
            only who has the answer (by its tag) can be told that it is still the one.
        headers: Those that stay the same, as ASGI has them.
        personal: Of whom it tells; what they let others see must be the same when it is told again.
        packed: `body`, a tenth as large, once it was told again to somebody who reads that.
        schema: Of an Arrow stream, which begins with it; None of JSON.
    """

    body: bytes | None
    headers: Sequence[tuple[bytes, bytes]]
    tag: str
    relations: tuple[str, ...]
    snapshot_id: int
    state: str
    personal: Personal
    packed: Packed | None = None
    schema: pa.Schema | None = None

    @property
    def is_written(self) -> bool:
        return self.body is not None or self.packed is not None

    @property
    def rest(self) -> bytes:
        """From behind the freshness, where it is written. One that is packed is unpacked for the few who ask."""
        if self.body is None and self.packed is not None:
            return self.packed.unpacked()
        return self.body or b""

    def begun(self, freshness: Freshness) -> bytes:
        """What stands before `body`."""
        if self.schema is not None:
            return formats.arrow_begun(self.schema, {"plyo.freshness": tags.text_of(freshness)})
        return b'{"freshness":' + tags.bytes_of(freshness) + b","


@dataclass(slots=True)
class Question:
    """What a request says that its answer may depend on.

    Attributes:
        quarter: Of an hour, in which it came: `today` begins somewhere on earth in each, so what was told by a period's
            name is told no longer.
        reads_packed: Whether the answer may come packed (`packed`), which changes nothing of what it says.
    """

    token: str
    path: str
    query: str
    accept: str
    known_tags: str
    address: str
    traceparent: str | None
    quarter: int
    reads_packed: bool = False

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
        self._packing: set[tuple[object, ...]] = set()

    def known(self, question: Question, principal: Principal) -> Told | None:
        """What this person was told by the same words, where it is written, or is theirs already by its tag."""
        name = self._by_asker.find(_asker(question, principal))
        told = self._told.find(name) if name is not None else None
        return told if told is None or told.is_written or tags.names(question.known_tags, told.tag) else None

    def to_pack(self, question: Question, principal: Principal) -> tuple[object, ...] | None:
        """The name of what was told just now, where its next reader may have it packed and nobody is packing it."""
        name = self._by_asker.find(_asker(question, principal)) if question.reads_packed else None
        told = self._told.find(name) if name is not None else None
        if name is None or told is None or len(told.body or b"") < SMALL_BYTES or name in self._packing:
            return None
        self._packing.add(name)
        return name

    def pack(self, name: tuple[object, ...]) -> None:
        """Keep it packed instead. In a thread, for it takes milliseconds."""
        try:
            told = self._told.find(name)
            if told is not None and told.body is not None:
                packed = replace(told, body=None, packed=Packed.of(told.body))
                if self._told.find(name) is told:  # nobody has written another meanwhile
                    self._keep(name, packed)
        finally:
            self._packing.discard(name)

    def find(self, question: Question | None, principal: Principal, key: str) -> Told | None:
        """What somebody of the same role was told by the same words, about nobody and of the same rows.

        Args:
            key: `Lake.key_of` the query that answers the question.
        """
        if question is None:
            return None
        name = (key, principal.role, None, *question.words())
        found = self._told.find(name)
        if found is not None and found.is_written:
            self._by_asker.keep(_asker(question, principal), name)
            return found
        return None

    def keep(self, question: Question | None, principal: Principal, key: str, told: Told) -> None:
        """Keep an answer of the snapshot that was the newest when it was asked for. One that is written stays."""
        if question is None:
            return
        name = (key, principal.role, _number(principal) if told.personal else None, *question.words())
        kept = self._told.find(name) if not told.is_written else None
        if kept is None or kept.tag != told.tag:
            self._keep(name, told)
        self._by_asker.keep(_asker(question, principal), name)

    def _keep(self, name: tuple[object, ...], told: Told) -> None:
        written = told.body or (told.packed.blocks if told.packed is not None else b"")
        self._told.keep(name, told, len(written) + 64 * len(told.personal.heard) + 1024)


def _asker(question: Question, principal: Principal) -> tuple[object, ...]:
    return principal.role, _number(principal), *question.words()


def _number(principal: Principal) -> int | None:
    """Who it is, by what is looked up fast: a UUID is hashed anew each time."""
    return principal.account_id.int if principal.account_id is not None else None
