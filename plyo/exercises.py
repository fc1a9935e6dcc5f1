"""Importing a catalogue of movements into a database: what `plyo import-exercises` does."""

from pathlib import Path

from sqlalchemy.orm import Session

from operational_api.core.database import make_engine
from operational_api.training.service import catalogue


def import_file(url: str, file: Path, *, source: str, licence: str) -> catalogue.Imported:
    """Read the whole file, then import it in one transaction.

    Args:
        url: libpq URL of a migrated database.

    Raises:
        UnreadableCatalogue: it is no such file; nothing was changed.
        OSError: it cannot be read.
    """
    entries = catalogue.read(file.read_bytes())
    engine = make_engine(url.replace("postgresql://", "postgresql+psycopg://", 1), application_name="plyo-import")
    try:
        with Session(engine) as session, session.begin():
            return catalogue.import_catalogue(session, entries, source=source, licence=licence)
    finally:
        engine.dispose()
