"""What ml reads from: the marts that dbt builds, and the day up to which they know."""

from datetime import date

import duckdb


class MartsMissing(RuntimeError):
    """The marts are not built yet: run the dbt build first."""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


def known_until(lake: duckdb.DuckDBPyConnection) -> date:
    """The day up to whose end the marts know.

    Raises:
        MartsMissing: they are not built yet.
    """
    try:
        row = lake.execute("select cast(max(data_as_of) as date) from marts.core.fct_builds").fetchone()
    except duckdb.CatalogException as error:
        raise MartsMissing from error
    if row is None or row[0] is None:
        raise MartsMissing
    day: date = row[0]
    return day
