"""What people may take with them: no table that knows people was overlooked, and no secret is given."""

from pathlib import Path

from sqlalchemy import Table, Uuid

from operational_api import worker
from operational_api.core.database import Base
from operational_api.core.personal import NAMES_PEOPLE

CONTRIBUTIONS = {each.schema: each for each in worker.contributions()}
DECIDED = {
    f"{schema}.{name}": each for schema, each in CONTRIBUTIONS.items() for name in (*each.tables, *each.withheld)
}
THINGS = frozenset(
    (
        "id", "attachment_id", "attempt_id", "automation_run_id", "batch_id", "booking_id", "class_id", "digest_id",
        "event_id", "export_id", "family_id", "fee_booking_id", "holder_id", "location_id", "login_session_id",
        "message_id", "origin_id", "payment_id", "plan_id", "sale_id", "series_id", "session_id", "session_pack_id",
        "slot_id", "source_id", "template_id", "topic",
    )
)  # fmt: skip
"""Ids without a foreign key that name no person."""
BUSINESS = {
    "compliance.exports": "of many people's data; who asked is in the audit log",
    "compliance.export_files": "the same",
    "compliance.stored_files": "found by personal_exports, which is given",
    "engagement.attachment_files": "found by attachments, which is given, with its files",
    "scheduling.calendar_entries": "found by the booking, which is given",
}
"""Tables that hang on somebody by an id without a foreign key, and why they are looked at nevertheless."""


def about_people() -> set[str]:
    """Tables with a column that names people, and those that hang on them, step by step."""
    tables = Base.metadata.tables
    found = {name for name, table in tables.items() if NAMES_PEOPLE & set(table.columns.keys())}

    def hangs_on(table: Table) -> bool:
        return any(key.column.table.fullname in found for key in table.foreign_keys)

    while more := {name for name, table in tables.items() if name not in found and hangs_on(table)}:
        found |= more
    return found


class TestContributions:
    def test_decide_about_every_table_that_knows_people(self) -> None:
        open_ = about_people() - DECIDED.keys()
        assert not open_, f"say in the context's `personal` whether people get their rows of {sorted(open_)}"
        assert DECIDED.keys() <= Base.metadata.tables.keys()
        assert not [one for each in CONTRIBUTIONS.values() for one in each.tables.keys() & each.withheld.keys()]

    def test_say_of_every_table_what_becomes_of_it_when_an_account_is_closed(self) -> None:
        open_ = [
            f"{schema}.{name}"
            for schema, each in CONTRIBUTIONS.items() for name, rule in each.tables.items() if rule.closing is None
        ]  # fmt: skip
        assert not open_, "say it in the context's `personal`: deleted, emptied, kept and why, or by what else"

    def test_know_of_every_id_whether_it_names_a_person(self) -> None:
        unknown = [
            f"{table.fullname}.{column.name}"
            for table in Base.metadata.tables.values()
            for column in table.columns
            if isinstance(getattr(column.type, "item_type", column.type), Uuid) and not column.foreign_keys
            and not column.name.endswith("_by") and column.name not in NAMES_PEOPLE | THINGS
        ]  # fmt: skip
        assert not unknown, "does it name people (core.personal.NAMES_PEOPLE) or things (THINGS here)?"
        assert not BUSINESS.keys() & DECIDED.keys()

    def test_every_context_with_tables_has_one(self) -> None:
        assert {one.schema for one in Base.metadata.tables.values()} == CONTRIBUTIONS.keys()

    def test_give_nothing_that_opens_a_door(self) -> None:
        given = [
            f"{schema}.{name}.{column.name}"
            for schema, each in CONTRIBUTIONS.items()
            for name, rule in each.tables.items()
            for column in Base.metadata.tables[f"{schema}.{name}"].columns
            if column.name not in rule.omit
        ]
        words = ("hash", "secret", "token", "sealed", "auth", "p256dh", "endpoint", "credential", "_url", ".url")
        harmless = {
            "identity.login_sessions.authenticated_at",  # when
            "engagement.announcements.author_id",
            "scheduling.class_notices.author_id",
        }
        assert [one for one in given if any(word in one.split(".", 1)[1] for word in words)] == sorted(
            harmless & set(given), key=given.index
        )

    def test_say_in_words_why_something_is_not_given(self) -> None:
        for each in CONTRIBUTIONS.values():
            assert all(len(why) > 20 for why in each.withheld.values())

    def test_stand_in_the_context_whose_tables_they_are(self) -> None:
        contexts = Path(worker.__file__).parent
        for schema in CONTRIBUTIONS.keys() - {"platform"}:
            assert (contexts / schema / "personal.py").is_file()
