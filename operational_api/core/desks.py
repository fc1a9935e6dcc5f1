"""A kind of request as a page shows it, whatever it is about: a `Desk`, offered by its context's public door."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from fastapi import Request
from sqlalchemy.orm import Session

from operational_api.core.approvals import Approvals
from operational_api.core.principal import Principal

Facts = Sequence[tuple[str, str]]
"""What to know, and how it is."""


@dataclass(frozen=True, slots=True)
class Words:
    """One request in words: what would happen, to whom, and what else to know before deciding."""

    what: str
    about_id: UUID | None
    facts: Facts = ()


class Approve(Protocol):
    """Says yes to one request and does what was asked for, in the session's transaction."""

    def __call__(
        self, request: Request, session: Session, id_: UUID, principal: Principal, reason: str, now: datetime, /
    ) -> object: ...


def _nothing_more(_: Session, __: Sequence[Any]) -> Mapping[UUID, Facts]:
    return {}


@dataclass(frozen=True, slots=True)
class Desk:
    """One kind of request.

    Args:
        name: In addresses.
        label: Of one request.
        read: Action of who may see what was asked for.
        words: A row of the kind's table in words; amounts and roles as people say them.
        looked_up: What else to know of requests, by their ids: for a page of them at once.
    """

    name: str
    label: str
    read: str
    approvals: Approvals[Any]
    words: Callable[[Any], Words]
    approve: Approve
    looked_up: Callable[[Session, Sequence[Any]], Mapping[UUID, Facts]] = _nothing_more
