"""What an erasure changes of numbers is noted by month, and nothing of what was told."""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import duckdb
import pytest

from contracts import warehouse
from contracts.relations import RELATIONS
from ingestion import forgotten, told_otherwise
from ingestion.forgotten import Note
from ingestion.lake_maintenance import forget_past
from tests.ingestion.conftest import Captured

MIA, TOM = UUID(int=1), UUID(int=2)
BOOKINGS = "scheduling.fct_bookings"


def noted(captured: Captured) -> list[tuple[str, date]]:
    with warehouse.reading(captured.settings) as lake:
        return lake.execute(f"select distinct metric, month from {told_otherwise.TABLE} order by all").fetchall()


def book(lake: duckdb.DuckDBPyConnection, number: int, who: UUID, day: str) -> None:
    lake.execute(
        f"""insert into {RELATIONS[BOOKINGS].path} by name
        select ? as booking_id, ? as customer_id, ?::date as local_day, 'attended' as status""",
        [UUID(int=number), who, day],
    )


@pytest.fixture
def before(captured: Captured) -> Captured:
    """Sessions of Mia in two months and one of Tom; then Mia's account is closed, and its erasure begins."""
    with warehouse.writing(captured.settings) as lake:
        lake.execute("create schema marts.scheduling")
        columns = ", ".join(f"{name} {kind}" for name, kind in RELATIONS[BOOKINGS].columns.items())
        lake.execute(f"create table {RELATIONS[BOOKINGS].path} ({columns})")
        for number, (who, day) in enumerate(((MIA, "2026-08-03"), (MIA, "2026-09-01"), (TOM, "2026-07-01"))):
            book(lake, number, who, day)
        forgotten.begin(lake, [Note(MIA, datetime.now(UTC), "scheduling__bookings", "customer_id", 2)])
    return captured


def test_months_that_lost_rows_of_a_forgotten_person_are_noted_and_no_number(before: Captured) -> None:
    with warehouse.writing(before.settings) as lake:
        lake.execute(
            f"delete from {RELATIONS[BOOKINGS].path} where customer_id = ? and local_day < '2026-09-01'", [MIA]
        )
        book(lake, 9, TOM, "2026-06-01")
    assert told_otherwise.note(before.settings) > 0
    found = noted(before)
    assert ("attendances", date(2026, 8, 1)) in found
    assert {month for _, month in found} == {date(2026, 8, 1)}, "neither what stayed nor what others did"
    with warehouse.reading(before.settings) as lake:
        columns = [name for name, *_ in lake.execute(f"from {told_otherwise.TABLE} limit 0").description]
    assert columns == ["metric", "month", "noted_at"]


def test_a_value_that_a_metric_does_not_read_changes_no_number(before: Captured) -> None:
    with warehouse.writing(before.settings) as lake:
        lake.execute(f"update {RELATIONS[BOOKINGS].path} set coach_id = ? where customer_id = ?", [UUID(int=7), MIA])
    told_otherwise.note(before.settings)
    assert "attendances" not in {name for name, _ in noted(before)}


def test_a_night_that_is_gone_on_with_after_the_past_ended_loses_no_note(before: Captured) -> None:
    with warehouse.writing(before.settings) as lake:
        lake.execute(f"delete from {RELATIONS[BOOKINGS].path} where customer_id = ?", [MIA])
    told_otherwise.note(before.settings)
    found = noted(before)
    assert {month for name, month in found if name == "attendances"} == {date(2026, 8, 1), date(2026, 9, 1)}
    forget_past(before.settings, "marts")
    assert told_otherwise.note(before.settings) == 0
    assert noted(before) == found


def test_without_an_erasure_nothing_is_noted(captured: Captured) -> None:
    assert told_otherwise.note(captured.settings) == 0
    with warehouse.reading(captured.settings) as lake, pytest.raises(duckdb.CatalogException):
        lake.execute(f"from {told_otherwise.TABLE}")


def test_a_word_taken_back_counts_from_then_and_not_from_the_night(captured: Captured) -> None:
    with warehouse.writing(captured.settings) as lake:
        lake.execute("create schema marts.scheduling")
        columns = ", ".join(f"{name} {kind}" for name, kind in RELATIONS[BOOKINGS].columns.items())
        lake.execute(f"create table {RELATIONS[BOOKINGS].path} ({columns})")
        book(lake, 1, MIA, "2026-08-03")
        decided_at = datetime.now(UTC)
        lake.execute(
            """create table raw.main.compliance__consents as select ?::uuid as customer_id, 'coaching' as purpose,
            false as is_given, ?::timestamptz as decided_at, 'i' as _op""", [MIA, decided_at],
        )  # fmt: skip
        lake.execute(f"delete from {RELATIONS[BOOKINGS].path}")
        night = datetime.now(UTC) + timedelta(hours=1)
        forgotten.begin(lake, [Note(MIA, night, "training__wearable_days", "customer_id", 1)])
    told_otherwise.note(captured.settings)
    assert ("attendances", date(2026, 8, 1)) in noted(captured)
