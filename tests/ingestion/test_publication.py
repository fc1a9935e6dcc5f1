"""What may leave the operational database, and what may not."""

import psycopg
import pytest

from ingestion.postgres_cdc import capture, compare, publication
from tests.ingestion.conftest import Captured
from tests.ingestion.streams import streaming

SECRETS = {
    "identity.email_tokens", "identity.login_sessions", "identity.oauth_clients", "identity.authorization_codes",
    "identity.refresh_tokens", "platform.idempotency_keys", "platform.alembic_version",
}  # fmt: skip


def published_tables(source: psycopg.Connection) -> dict[str, list[str]]:
    rows = source.execute("select schemaname || '.' || tablename, attnames::text[] from pg_publication_tables")
    return dict(rows.fetchall())


class TestCreate:
    def test_every_table_of_a_context_but_secrets(self, published):
        tables = published_tables(published)
        assert not SECRETS & tables.keys()
        assert {"commerce.subscriptions", "platform.outbox_events", "training.workout_sets"} <= tables.keys()

    def test_no_hash_of_a_password_and_no_link_with_a_token(self, published):
        tables = published_tables(published)
        assert "email" in tables["identity.accounts"]
        assert "password_hash" not in tables["identity.accounts"]
        assert "context" not in tables["engagement.outgoing_emails"]

    def test_no_address_of_who_signed_in_or_did_something(self, published):
        tables = published_tables(published)
        assert "subject_id" in tables["platform.audit_entries"]
        assert "address" not in tables["platform.audit_entries"]
        assert "identity.sign_in_attempts" not in tables

    def test_is_harmless_when_repeated(self, published):
        before = published_tables(published)
        publication.create(published)
        assert published_tables(published) == before

    def test_a_new_table_is_published_by_the_transaction_that_makes_it(self, published):
        published.execute("create table training.moods (id int primary key)")
        assert "training.moods" in published_tables(published)

    def test_a_new_table_of_identity_is_not(self, published):
        published.execute("create table identity.totp_secrets (id int primary key, secret text)")
        assert "identity.totp_secrets" not in published_tables(published)

    def test_a_new_table_without_a_key_can_still_be_updated(self, published):
        published.execute("create table training.notes (body text); insert into training.notes values ('a')")
        published.execute("update training.notes set body = 'b'")
        assert "training.notes" in published_tables(published)


class TestWhatCannotBeSent:
    """An array or a composite of a type that has a text form only would end the stream of every table."""

    @pytest.mark.parametrize(
        "kind",
        [
            "aclitem[]",
            *(
                pytest.param(kind, marks=pytest.mark.drill)
                for kind in ("public.seg[]", "training.holder", "training.holder[]", "training.deep", "training.shares")
            ),
        ],
    )
    def test_is_refused_with_its_table_only(self, captured: Captured, kind: str) -> None:
        source = captured.source
        source.execute(
            """create extension seg schema public; create type training.holder as (a int, rights aclitem);
               create domain training.shares as aclitem[]; create type training.deep as (a int, held training.holder);
               create table training.fine (id int primary key, rights aclitem)"""
        )
        source.execute(
            f"create table training.old (id int primary key); create table training.new (id int, odd {kind})"
        )
        source.execute("insert into training.old values (1); insert into training.new values (1)")
        assert list(capture.run_once(captured.settings).blocked) == ["training__new"]
        source.execute(f"insert into training.old values (2); alter table training.old add column odd {kind}")
        source.execute(
            "insert into training.old values (3); insert into training.fine values (1, 'postgres=r/postgres')"
        )
        landed = capture.run_once(captured.settings)
        assert landed.rows["training__fine"] == 1
        assert set(landed.blocked) == {"training__new", "training__old"}
        assert "column odd holds values of type" in landed.blocked["training__old"]
        assert "training__old" in capture.resume(captured.settings, "training__old").blocked
        source.execute("alter table training.old drop column odd; alter table training.new drop column odd")
        publication.create(source)
        for table in ("training__old", "training__new"):
            landed = capture.resume(captured.settings, table)
        assert landed.blocked == {}
        with streaming(captured.settings) as settings:
            compared = compare.compare(settings)
        assert compared.differing == {}
        assert {name: table.lake_rows for name, table in compared.tables.items()} == {
            "training__old": 3, "training__new": 1, "training__fine": 1,
        }  # fmt: skip

    def test_a_type_that_is_altered(self, captured: Captured) -> None:
        source = captured.source
        source.execute(
            """create type training.holder as (a int);
               create table training.old (id int primary key, odd training.holder);
               create table training.fine (id int primary key)"""
        )
        capture.run_once(captured.settings)
        source.execute("alter type training.holder add attribute rights aclitem")
        source.execute("insert into training.old values (1, row(1, null)); insert into training.fine values (1)")
        landed = capture.run_once(captured.settings)
        assert landed.rows == {"training__fine": 1}
        assert list(landed.blocked) == ["training__old"]
