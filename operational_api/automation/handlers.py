"""What automation does on other contexts' events, and by the clock."""

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from contracts.events.envelope import Event
from contracts.events.training import CoachAssigned
from operational_api.automation.service import runs


def hand_over_runs(session: Session, event: Event) -> None:
    """A client's open suggestions follow them to a new coach; a first coach is told of the score there is."""
    assert isinstance(event, CoachAssigned)  # noqa: S101 - by the table below
    runs.hand_over(session, customer_id=event.customer_id, coach_id=event.coach_id, now=event.occurred_at)


def expire_runs(session: Session, now: datetime) -> None:
    """Close what nobody decided on."""
    runs.expire_runs(session, now)


def meet_newest(session: Session, now: datetime) -> None:
    """Let the rules meet whom no new score brought to them."""
    runs.meet_newest(session, now)


HANDLERS = {CoachAssigned.type: [hand_over_runs]}
PERIODIC = [
    ("automation.expire_runs", timedelta(minutes=15), expire_runs),
    ("automation.meet_newest", timedelta(minutes=15), meet_newest),
]
