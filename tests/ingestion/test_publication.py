"""What may leave the operational database, and what may not."""

import psycopg

from ingestion.postgres_cdc import publication

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

    def test_is_harmless_when_repeated(self, published):
        before = published_tables(published)
        publication.create(published)
        assert published_tables(published) == before

    def test_a_new_table_is_published_by_the_transaction_that_makes_it(self, published):
        published.execute("create table training.habits (id int primary key)")
        assert "training.habits" in published_tables(published)

    def test_a_new_table_of_identity_is_not(self, published):
        published.execute("create table identity.totp_secrets (id int primary key, secret text)")
        assert "identity.totp_secrets" not in published_tables(published)

    def test_a_new_table_without_a_key_can_still_be_updated(self, published):
        published.execute("create table training.notes (body text); insert into training.notes values ('a')")
        published.execute("update training.notes set body = 'b'")
        assert "training.notes" in published_tables(published)
