"""Loaders of one request: what many fields ask for one at a time is fetched in one query.

Each asks a context's public door. They run in the request's own thread and loop, on its one session.
"""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from fastapi import Request
from sqlalchemy.orm import Session
from strawberry.dataloader import DataLoader

from operational_api.commerce import public as commerce
from operational_api.compliance import public as compliance
from operational_api.core import audit
from operational_api.core.principal import Principal
from operational_api.scheduling import public as scheduling
from operational_api.training import public as training

Value = TypeVar("Value")
Load = Callable[[list[UUID]], Awaitable[list[Value]]]


class Context:
    """What resolvers know: who asks, when, by which request, and the loaders."""

    def __init__(self, request: Request, session: Session, principal: Principal | None, *, now: datetime) -> None:
        self.request, self.session, self.principal, self.now = request, session, principal, now
        self.clients = DataLoader(self._by_id(lambda ids: training.client_cards(session, ids)))
        self.coaches = DataLoader(self._by_id(lambda ids: scheduling.coach_names(session, ids)))
        self.memberships = DataLoader(self._by_id(lambda ids: commerce.current_plans(session, ids)))
        self.next_sessions = DataLoader(
            self._by_id(lambda ids: scheduling.next_sessions(session, ids, now, seen_by=principal))
        )
        self.shown_kinds = DataLoader(self._by_id(lambda ids: compliance.shown_kinds(session, ids)))
        self.injuries = DataLoader(self._by_id(self._injuries))

    def _injuries(self, ids: list[UUID]) -> Mapping[UUID, list[training.InjuryFacts]]:
        if self.principal is not None:  # health data: who reads whose is written down
            audit.record_read(self.session, self.principal, "training.read_injuries", "Client", ids, now=self.now)
        return training.open_injuries(self.session, ids)

    @staticmethod
    def _by_id(ask: Callable[[list[UUID]], Mapping[UUID, Value]]) -> "Load[Value | None]":
        async def load(ids: list[UUID]) -> list[Value | None]:
            found = ask(ids)
            return [found.get(id_) for id_ in ids]

        return load
