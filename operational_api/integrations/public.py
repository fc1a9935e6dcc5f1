"""The only door to integrations for other contexts: plain values out."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from operational_api.integrations.service import connectors, runs


@dataclass(frozen=True, slots=True)
class ConnectorState:
    """How a connector fares that somebody has connected. `health`: healthy, waiting, late, failing, paused, off."""

    name: str
    label: str
    health: str
    problem: str | None


def connector_states(session: Session, now: datetime) -> list[ConnectorState]:
    """Every connector that is in use, by name."""
    found = runs.conditions(session, connectors.known(session), now=now)
    return [
        ConnectorState(name, connectors.KINDS[name].label, condition.health, condition.problem)
        for name, condition in sorted(found.items())
    ]
