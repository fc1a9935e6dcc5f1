"""What automation does on other contexts' events, and by the clock."""

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from contracts.events.envelope import Event
from contracts.events.identity import AccountClosed
from contracts.events.training import CoachAssigned
from operational_api.automation.personal import PERSONAL
from operational_api.automation.service import runs
from operational_api.core import personal


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


def forget_person(session: Session, event: Event) -> None:
    """Of a closed account stay figures, and no words that were written to it."""
    assert isinstance(event, AccountClosed)  # noqa: S101 - by the table below
    for one in PERSONAL:
        personal.forget(session, one, event.account_id)


HANDLERS = {CoachAssigned.type: [hand_over_runs], AccountClosed.type: [forget_person]}
PERIODIC = [
    ("automation.expire_runs", timedelta(minutes=15), expire_runs),
    ("automation.meet_newest", timedelta(minutes=15), meet_newest),
]
