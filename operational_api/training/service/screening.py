"""Answering the health questionnaire, the hold of a red answer, and the coach's clearance."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from contracts.events.training import ScreeningAnswered, ScreeningCleared
from contracts.ids import new_id
from operational_api.core.outbox import publish
from operational_api.training import screening as questionnaire
from operational_api.training.errors import InvalidAnswers, NotToClear, ScreeningNotFound
from operational_api.training.models import Client, Screening
from operational_api.training.service.clients import lock

SENT_TWICE = timedelta(minutes=5)


def answer_screening(
    session: Session, *, client: Client, answers: Mapping[str, bool], now: datetime, version: str | None = None
) -> Screening:
    """Keep the answers, and hold training where one is red. Answers without a red one end no hold: only the coach does.

    The same answers sent again within minutes are kept once.

    Raises:
        InvalidAnswers: not every question of this version was answered.
    """
    version = version or questionnaire.VERSION
    try:
        red = questionnaire.is_red(version, answers)
    except questionnaire.WrongAnswers:
        raise InvalidAnswers from None
    client = lock(session, client)
    last = latest(session, client.id)
    is_same = last is not None and (last.version, last.answers) == (version, dict(answers))
    if last is not None and is_same and last.cleared_at is None and last.answered_at > now - SENT_TWICE:
        return last
    row = Screening(
        id=new_id(), customer_id=client.id, version=version, answers=dict(answers), is_red=red, answered_at=now
    )
    session.add(row)
    if red and client.on_hold_since is None:
        client.on_hold_since = now
    session.flush()
    publish(session, ScreeningAnswered(occurred_at=now, customer_id=client.id, screening_id=row.id, holds_training=red))
    return row


def clear_screening(
    session: Session, *, screening: Screening, client: Client, coach_id: UUID, note: str, now: datetime
) -> Screening:
    """Let a client train again; the note says why it is fine. All red answers so far are cleared with it.

    Clearing it again keeps the first note.

    Raises:
        NotToClear: it holds nothing, or a newer one has been answered since.
    """
    client = lock(session, client)
    if screening.cleared_at is not None:
        return screening
    newest = latest_red(session, client.id)
    if not screening.is_red or newest is None or newest.id != screening.id:
        raise NotToClear
    waiting = session.scalars(
        select(Screening).where(
            Screening.customer_id == client.id, Screening.is_red.is_(True), Screening.cleared_at.is_(None)
        )
    )
    for row in waiting:
        row.cleared_at, row.cleared_by, row.clearance_note = now, coach_id, note
    client.on_hold_since = None
    session.flush()
    publish(
        session, ScreeningCleared(occurred_at=now, customer_id=client.id, screening_id=screening.id, coach_id=coach_id)
    )
    return screening


def get_screening(session: Session, screening_id: UUID) -> Screening:
    """The questionnaire as it was answered.

    Raises:
        ScreeningNotFound: there is none.
    """
    row = session.get(Screening, screening_id)
    if row is None:
        raise ScreeningNotFound
    return row


def screenings_of(session: Session, customer_id: UUID) -> Sequence[Screening]:
    """All that a client answered, the newest first."""
    query = select(Screening).where(Screening.customer_id == customer_id)
    return session.scalars(query.order_by(Screening.answered_at.desc(), Screening.id.desc())).all()


def latest(session: Session, customer_id: UUID) -> Screening | None:
    """The newest answers; None before the first."""
    query = select(Screening).where(Screening.customer_id == customer_id)
    return session.scalar(query.order_by(Screening.answered_at.desc(), Screening.id.desc()).limit(1))


def latest_red(session: Session, customer_id: UUID) -> Screening | None:
    """The newest answers with a red one among them."""
    query = select(Screening).where(Screening.customer_id == customer_id, Screening.is_red.is_(True))
    return session.scalar(query.order_by(Screening.answered_at.desc(), Screening.id.desc()).limit(1))


def is_due(last: Screening | None, now: datetime) -> bool:
    """Whether to ask: never answered, other questions since, or longer ago than a year."""
    return last is None or last.version != questionnaire.VERSION or last.answered_at < now - questionnaire.VALID_FOR
