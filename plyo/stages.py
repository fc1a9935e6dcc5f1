"""Stages of people from a record of events that nobody heard: what the demo and `plyo replay-stages` do."""

from sqlalchemy.orm import Session

from operational_api.core.database import make_engine
from operational_api.engagement.service import stages


def replay(url: str) -> int:
    """Store the stages that the events make; how many were others than stored. One transaction.

    Args:
        url: libpq URL of a migrated database, as owner of the schemas.
    """
    engine = make_engine(url.replace("postgresql://", "postgresql+psycopg://", 1), application_name="plyo-stages")
    try:
        with Session(engine) as session, session.begin():
            return stages.replay(session)
    finally:
        engine.dispose()
