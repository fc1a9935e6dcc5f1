"""The audit log: who did what to which object, whose data it was, from where, why and how it ended.

Every context writes here, in the transaction of the act; compliance reads (`/api/compliance/audit`, `/privacy`).
Entries are never changed: PostgreSQL refuses it, and the roles of the contexts may only insert. Refused decisions are
gathered during the request and written after it, because the request's own transaction is rolled back.

Does not belong here: what only operations want to know (that is the log), and the values that were read or written.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Literal, cast
from uuid import UUID

from fastapi import Request
from sqlalchemy import Table, insert
from sqlalchemy.orm import Session, sessionmaker

from contracts.ids import new_id
from contracts.telemetry import current_traceparent, get_logger
from operational_api.core import answering
from operational_api.core.models import AuditEntry
from operational_api.core.principal import Principal

log = get_logger(__name__)
_INSERT = insert(cast(Table, AuditEntry.__table__))
Outcome = Literal["done", "refused", "failed"]


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
    session.execute(_INSERT, entry)


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
    """Write that the principal saw data about these people: one entry each, in one statement."""
    entries = [
        _entry(action, object_type, subject, subject, purpose_of(principal, subject), "done", details, now)
        | _actor(principal)
        for subject in subjects
    ]
    if entries:
        session.execute(_INSERT, entries)


def purpose_of(principal: Principal, subject_id: UUID) -> str:
    """Why somebody of this role looks at a person's data."""
    if principal.account_id == subject_id:
        return "own"
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
            session.execute(_INSERT, entries)
    except Exception:
        log.exception("refusals_not_kept", actions=[entry["action"] for entry in entries])


def _actor(principal: Principal) -> dict[str, Any]:
    return {"actor_id": principal.account_id, "actor_role": principal.role}


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
    told = dict(details or {})
    if principal is not None and principal.account_id is None:
        told["client_id"] = principal.client_id
    return {
        "id": new_id(),
        "action": action,
        "object_type": object_type,
        "object_id": str(object_id),
        "subject_id": subject_id,
        "purpose": purpose,
        "outcome": outcome,
        "details": told,
        "address": request.client.host[:45] if request is not None and request.client is not None else None,
        "traceparent": current_traceparent(),
        "occurred_at": now or datetime.now(UTC),
    } | (_actor(principal) if principal is not None else {"actor_id": None, "actor_role": None})
