"""The audit log: who did what to which object, whose data it was, from where, why and how it ended.

Every context writes here, in the transaction of the act; compliance reads (`/api/compliance/audit`, `/privacy`).
Entries are never changed: PostgreSQL refuses it, and the roles of the contexts may only insert. Refused decisions are
gathered during the request and written after it, because the request's own transaction is rolled back.

Does not belong here: what only operations want to know (that is the log), and the values that were read or written.
"""

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Literal, cast
from uuid import UUID

import orjson
from fastapi import Request
from sqlalchemy import Table, bindparam, insert, text
from sqlalchemy.orm import Session, sessionmaker

from contracts.ids import new_id
from contracts.telemetry import current_traceparent, get_logger
from operational_api.core import answering
from operational_api.core.lines import Line
from operational_api.core.models import AuditEntry
from operational_api.core.principal import Principal
from operational_api.core.statements import Change

log = get_logger(__name__)
_ENTRIES = cast(Table, AuditEntry.__table__)
_TOLD = [one for one in _ENTRIES.c if one.name not in ("sequence", "group_id")]
_INSERT = Change(insert(_ENTRIES).values({one.name: bindparam(one.name, type_=one.type) for one in _TOLD}))
Outcome = Literal["done", "refused", "failed"]
_READS = Change(
    text(
        """
        with named as (
            insert into platform.audit_groups (id, subjects)
            select id, cast(subjects as uuid[])
            from jsonb_to_recordset(cast(:groups as jsonb)) as given (id uuid, subjects text)
            on conflict do nothing
        )
        insert into platform.audit_entries (
            id, subject_id, group_id, object_id, purpose, actor_id, actor_role, action, object_type, outcome, details,
            address, traceparent, occurred_at
        )
        select id, subject_id, group_id, coalesce(cast(subject_id as text), :several), purpose, actor_id, actor_role,
            action, object_type, 'done', details, address, traceparent, cast(:now as timestamptz)
        from jsonb_to_recordset(cast(:readings as jsonb)) as reading (
            id uuid, subject_id uuid, group_id uuid, purpose text, actor_id uuid, actor_role text, action text,
            object_type text, details jsonb, address text, traceparent text
        )
        """
    )
)
SEVERAL = "several"
"""`object_id` of an entry that names a group."""
OWN = "own"


@dataclass(frozen=True, slots=True)
class Reading:
    """That somebody saw data about these people, for who writes it down after the fact and for several at once."""

    principal: Principal
    action: str
    object_type: str
    subjects: frozenset[UUID]
    details: Mapping[str, Any]
    address: str | None
    traceparent: str | None


@contextmanager
def watching(request: Request) -> Iterator[list[dict[str, Any]]]:
    """Run one request: entries made inside learn who asks and from where. Yields the refusals it gathers."""
    refusals: list[dict[str, Any]] = []
    request.state.refusals = refusals
    with answering.answering(request):
        yield refusals


def record(
    session: Session,
    action: str,
    object_type: str,
    object_id: UUID | str,
    *,
    actor_id: UUID | None = None,
    actor_role: str | None = None,
    subject_id: UUID | None = None,
    purpose: str | None = None,
    outcome: Outcome = "done",
    details: Mapping[str, Any] | None = None,
    now: datetime | None = None,
) -> None:
    """Write one entry in the session's transaction.

    Args:
        action: `context.verb_noun`, as the policy names it.
        object_type: Class name of the object.
        actor_id: Who did it; by default who makes the request under way, and nobody outside one.
        subject_id: The person whose data it is.
        purpose: Why, in a word or two: care, own, operations, security.
        details: JSON-ready facts. Never a secret, never a value of health data.
    """
    entry = _entry(action, object_type, object_id, subject_id, purpose, outcome, details, now)
    if actor_id is not None and entry["actor_id"] != actor_id:
        entry |= {"actor_id": actor_id, "actor_role": None}
    if actor_role is not None:
        entry["actor_role"] = actor_role
    session.flush()  # what it tells of stands before it, for whoever asks next
    _INSERT.do(session, entry)


def record_read(
    session: Session,
    principal: Principal,
    action: str,
    object_type: str,
    subjects: Iterable[UUID],
    *,
    details: Mapping[str, Any] | None = None,
    now: datetime | None = None,
) -> None:
    """Write that the principal saw data about these people: one entry, and one more where they are among them."""
    request = answering.current()
    address = request.client.host if request is not None and request.client is not None else None
    reading = Reading(
        principal, action, object_type, frozenset(subjects), details or {}, address, current_traceparent()
    )  # fmt: skip
    record_readings(session, [reading], now=now)


def record_readings(
    session: Session, readings: Sequence[Reading], *, known: Collection[UUID] = (), now: datetime | None = None
) -> set[UUID]:
    """Write what several people saw, in one statement.

    Args:
        known: Groups that stand in the log already: who is in them is not sent again.

    Returns:
        The groups that were named. They are known once the transaction is committed.
    """
    values, named = _readings(readings, known, now)
    if values is not None:
        _READS.do(session, values)
    return named


async def record_readings_alone(line: Line, readings: Sequence[Reading], *, known: Collection[UUID] = ()) -> set[UUID]:
    """The same in an event loop; it is committed when this returns."""
    values, named = _readings(readings, known, None)
    if values is not None:
        await line.say(_READS, values)
    return named


class Named:
    """Groups that a process knows to stand in the log: `known` of `record_readings`. Safe to share between threads."""

    MOST = 10_000

    def __init__(self) -> None:
        self.groups: set[UUID] = set()

    def add(self, groups: set[UUID]) -> None:
        """That these were named in a transaction that is committed."""
        if len(self.groups) > self.MOST:
            self.groups = set()
        self.groups |= groups


def _readings(
    readings: Sequence[Reading], known: Collection[UUID], now: datetime | None
) -> tuple[dict[str, Any] | None, set[UUID]]:
    """What is written, None where nothing is, and the groups that it names."""
    told = [
        (one, purpose, subject_id, group)
        for one in readings
        for purpose, subject_id, group in _about(one.principal, one.subjects)
    ]
    if not told:
        return None, set()
    groups = {group.id: group.subjects for _, _, _, group in told if group is not None}
    new = groups.keys() - known
    rows = [
        {
            "id": new_id(), "subject_id": subject_id, "group_id": group and group.id, "purpose": purpose,
            "actor_id": one.principal.account_id, "actor_role": one.principal.role, "action": one.action,
            "object_type": one.object_type, "details": _details(one.principal, one.details),
            "address": one.address and one.address[:45], "traceparent": one.traceparent,
        }
        for one, purpose, subject_id, group in told
    ]  # fmt: skip
    named = [{"id": one, "subjects": groups[one]} for one in new]
    values = {
        "several": SEVERAL, "now": now or datetime.now(UTC), "groups": orjson.dumps(named).decode(),
        "readings": orjson.dumps(rows).decode(),
    }  # fmt: skip
    return values, set(groups)


@dataclass(frozen=True, slots=True)
class Group:
    """Several people whom a reading was about.

    Attributes:
        id: Made of who they are.
        subjects: All of them, sorted, as PostgreSQL writes an array.
    """

    id: UUID
    subjects: str


@lru_cache(maxsize=20_000)
def _text_of(person: UUID) -> str:
    """A UUID's text, which Python puts together anew each time. The same people are in many groups."""
    return str(person)


@lru_cache(maxsize=512)
def group_of(people: frozenset[UUID]) -> Group:
    """The group that these people are."""
    subjects = "{" + ",".join(sorted(map(_text_of, people))) + "}"
    return Group(UUID(bytes=hashlib.sha256(subjects.encode()).digest()[:16]), subjects)


def _about(
    principal: Principal, subjects: frozenset[UUID]
) -> Iterator[tuple[str, UUID | None, Group | None]]:  # fmt: skip
    """The entries of one reading: purpose, and the person or the group. What somebody sees of themself is apart."""
    own = principal.account_id
    if own in subjects:
        yield OWN, own, None
        subjects -= {own}
    if len(subjects) == 1:
        yield purpose_of(principal), next(iter(subjects)), None
    elif subjects:
        yield purpose_of(principal), None, group_of(subjects)


def purpose_of(principal: Principal, subject_id: UUID | None = None) -> str:
    """Why somebody of this role looks at a person's data; somebody else's where nobody is named."""
    if subject_id is not None and principal.account_id == subject_id:
        return OWN
    return "care" if principal.role in ("coach", "lead_coach") else "operations"


def refused(
    principal: Principal,
    action: str,
    object_type: str,
    object_id: UUID | str,
    *,
    subject_id: UUID | None = None,
    details: Mapping[str, Any] | None = None,
) -> None:
    """Note that the principal was not let through. Kept when the request ends; outside a request only logged."""
    entry = _entry(action, object_type, str(object_id)[:200], subject_id, None, "refused", details, None)
    request = answering.current()
    if (gathered := getattr(request.state, "refusals", None) if request else None) is not None:
        gathered.append(entry | _actor(principal))
    else:
        log.warning("refused_outside_a_request", action=action, principal=principal.key, object=str(object_id))


def keep(sessions: sessionmaker[Session], entries: list[dict[str, Any]]) -> None:
    """Write gathered refusals in a transaction of their own. The answer is a refusal already: a failure is logged."""
    try:
        with answering.answering(None), sessions.begin() as session:  # also of those who may look at nothing any more
            for entry in entries:
                _INSERT.do(session, entry)
    except Exception:
        log.exception("refusals_not_kept", actions=[entry["action"] for entry in entries])


def _actor(principal: Principal) -> dict[str, Any]:
    return {"actor_id": principal.account_id, "actor_role": principal.role}


def _details(principal: Principal | None, details: Mapping[str, Any]) -> dict[str, Any]:
    if principal is None or principal.account_id is not None:
        return dict(details)
    return dict(details) | {"client_id": principal.client_id}


def _entry(
    action: str,
    object_type: str,
    object_id: UUID | str,
    subject_id: UUID | None,
    purpose: str | None,
    outcome: Outcome,
    details: Mapping[str, Any] | None,
    now: datetime | None,
) -> dict[str, Any]:
    request = answering.current()
    principal: Principal | None = getattr(request.state, "principal", None) if request is not None else None
    return {
        "id": new_id(),
        "action": action,
        "object_type": object_type,
        "object_id": str(object_id),
        "subject_id": subject_id,
        "purpose": purpose,
        "outcome": outcome,
        "details": _details(principal, details or {}),
        "address": request.client.host[:45] if request is not None and request.client is not None else None,
        "traceparent": current_traceparent(),
        "occurred_at": now or datetime.now(UTC),
    } | (_actor(principal) if principal is not None else {"actor_id": None, "actor_role": None})
