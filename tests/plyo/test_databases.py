"""Roles: each context reaches its own schema and `platform`, change capture only reads, nobody else gets in."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege
from sqlalchemy.orm import Session

from operational_api.compliance import public as compliance
from operational_api.compliance.service.consents import ENTERED
from operational_api.core import audit, standing
from operational_api.core.database import make_engine
from operational_api.core.lines import Line
from operational_api.core.principal import Credential, Principal
from plyo import databases
from plyo.home import SECRET_NAMES
from plyo.postgres import PostgresServer, free_port
from plyo.schema import migrate

WRITERS = ["audit_writer", *(f"ctx_{name}" for name in databases.CONTEXT_SCHEMAS)]
PASSWORDS = {name: f"{name}-password" for name in SECRET_NAMES}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    folder: Path = tmp_path_factory.mktemp("roles") / "data"
    server = PostgresServer(folder, free_port(), "superuser", durable=False, dies_with_parent=True)
    server.create()
    server.start()
    for _ in range(2):  # the second time must change nothing
        databases.create(server, PASSWORDS)
        migrate(server, PASSWORDS)
    yield server
    server.stop()


def connect(server: PostgresServer, role: str, database: str = "plyo") -> psycopg.Connection:
    return psycopg.connect(server.url(database, user=role, password=PASSWORDS[role]), autocommit=True)


class TestContextRoles:
    @pytest.mark.parametrize("schema", databases.CONTEXT_SCHEMAS)
    def test_reach_their_own_schema_and_platform_only(self, server: PostgresServer, schema: str) -> None:
        tables = {
            "identity": "accounts", "commerce": "plans", "training": "clients", "scheduling": "slots",
            "engagement": "messages", "automation": "rules", "platform": "outbox_events", "compliance": "consents",
            "integrations": "connectors",
        }  # fmt: skip
        with connect(server, f"ctx_{schema}") as connection:
            for other, table in tables.items():
                query = f"select count(*) from {other}.{table}"
                if other in (schema, "platform"):
                    assert connection.execute(query).fetchone() == (0,)
                else:
                    with pytest.raises(InsufficientPrivilege):
                        connection.execute(query)

    @pytest.mark.asvs("13.2.2")
    def test_reach_no_table_of_another_context(self, server: PostgresServer) -> None:
        """Every table and view there is, not one of each schema."""
        with psycopg.connect(server.url("plyo")) as connection:
            reached = connection.execute(
                """
                select r.rolname, n.nspname, c.relname
                from pg_class c join pg_namespace n on n.oid = c.relnamespace, pg_roles r
                where r.rolname like 'ctx\\_%%' and n.nspname = any (%s) and c.relkind in ('r', 'p', 'v', 'm')
                  and (has_schema_privilege(r.oid, n.oid, 'usage')
                       or has_table_privilege(r.oid, c.oid, 'select, insert, update, delete, truncate'))
                """,
                [list(databases.CONTEXT_SCHEMAS)],
            ).fetchall()
        assert len(reached) > 50
        assert [one for one in reached if one[0] != f"ctx_{one[1]}"] == []

    def test_what_runs_with_the_owners_rights_is_known(self, server: PostgresServer) -> None:
        """Functions and views through which a role reads more than it was granted."""
        with psycopg.connect(server.url("plyo")) as connection:
            functions = connection.execute(
                """select p.oid::regprocedure::text from pg_proc p join pg_namespace n on n.oid = p.pronamespace
                   where p.prosecdef and n.nspname = any (%s)""",
                [[*databases.CONTEXT_SCHEMAS, "platform"]],
            ).fetchall()
            views = connection.execute(
                "select schemaname || '.' || viewname from pg_views where schemaname = any (%s)",
                [[*databases.CONTEXT_SCHEMAS, "platform"]],
            ).fetchall()
        assert {function for (function,) in functions} == {
            "platform.consent_changed()",
            "platform.consents_mark()",
            "platform.visible_customers()",
            "platform.decided_kinds(uuid[])",
            "platform.must_hold(uuid,text,timestamp with time zone,uuid[])",
        }
        with psycopg.connect(server.url("plyo")) as connection:
            open_to_all = connection.execute(
                """select p.oid::regprocedure from pg_proc p join pg_namespace n on n.oid = p.pronamespace
                   where p.prosecdef and n.nspname = 'platform'
                       and has_function_privilege('plyo_cdc', p.oid, 'execute')"""
            ).fetchall()
        assert open_to_all == [], "a role that is neither a context nor the reader of numbers may run none of them"
        assert {view for (view,) in views} == {
            "engagement.contacts", "commerce.people", "commerce.studios", "compliance.people",
            "compliance.exported_customers", "compliance.exported_events", "compliance.exported_payments",
        }  # fmt: skip
        with psycopg.connect(server.url("plyo")) as connection:
            writable = connection.execute(
                """select table_name from information_schema.views where table_schema = any (%s)
                   and (is_updatable = 'YES' or is_insertable_into = 'YES')""",
                [[*databases.CONTEXT_SCHEMAS, "platform"]],
            ).fetchall()
        assert writable == [], "a plain view would let its readers write with its owner's rights"

    def test_the_api_has_all_of_them(self, server: PostgresServer) -> None:
        with connect(server, "plyo_api") as connection:
            connection.execute("select 1 from identity.accounts, commerce.plans, automation.rules")

    def test_nobody_but_the_owner_changes_the_schema(self, server: PostgresServer) -> None:
        with connect(server, "plyo_api") as connection, pytest.raises(InsufficientPrivilege):
            connection.execute("alter table identity.accounts add column x int")


class TestSessionsThatEnded:
    @pytest.mark.asvs("13.2.2")
    @pytest.mark.parametrize("role", WRITERS)
    def test_may_be_asked_about_by_all_and_read_by_contexts_only(self, server: PostgresServer, role: str) -> None:
        asked = "select platform.must_hold(gen_random_uuid(), 'coach', now(), array[gen_random_uuid()])"
        with connect(server, role) as connection:
            assert connection.execute(asked).fetchone() is not None
            if role == "audit_writer":
                for table in ("revocations", "role_changes"):
                    with pytest.raises(InsufficientPrivilege):
                        connection.execute(f"select count(*) from platform.{table}")


class TestAuditLog:
    """Added to by everybody, read by compliance, changed by nobody."""

    ADD = """insert into platform.audit_entries (id, action, object_type, object_id)
             values (gen_random_uuid(), 'test.add', 'Test', 'x')"""

    @pytest.mark.asvs("16.4.2")
    @pytest.mark.parametrize(
        "role", ["plyo_api", "audit_writer", *(f"ctx_{name}" for name in databases.CONTEXT_SCHEMAS)]
    )
    def test_is_added_to_and_never_changed(self, server: PostgresServer, role: str) -> None:
        with connect(server, role) as connection:
            connection.execute(self.ADD)
            for change in ("update platform.audit_entries set action = 'x'", "delete from platform.audit_entries",
                           "truncate platform.audit_entries", "update platform.audit_groups set subjects = '{}'",
                           "delete from platform.audit_groups", "update platform.consent_marks set changes = 0",
                           "delete from platform.consent_marks"):  # fmt: skip
                with pytest.raises(InsufficientPrivilege):
                    connection.execute(change)

    @pytest.mark.parametrize("role", WRITERS)
    def test_is_read_by_compliance_only(self, server: PostgresServer, role: str) -> None:
        with connect(server, role) as connection:
            if role == "ctx_compliance":
                connection.execute("select from platform.audit_entries, platform.audit_groups, compliance.people")
            else:
                for table in ("audit_entries", "audit_groups"):
                    with pytest.raises(InsufficientPrivilege):
                        connection.execute(f"select from platform.{table}")

    def test_its_writer_does_nothing_else(self, server: PostgresServer) -> None:
        with connect(server, "audit_writer") as connection:
            for table in ("platform.outbox_events", "identity.accounts", "training.clients"):
                with pytest.raises(InsufficientPrivilege):
                    connection.execute(f"select from {table}")
            connection.execute("select * from platform.decided_kinds(array[gen_random_uuid()])")

    def test_its_writer_may_do_all_that_a_turn_of_analytics_does(self, server: PostgresServer) -> None:
        url = server.url("plyo", user="audit_writer", password=PASSWORDS["audit_writer"])
        engine = make_engine(url.replace("postgresql://", "postgresql+psycopg://"), application_name="test")
        person = Principal("admin", "tests", account_id=uuid4(), credential=Credential((uuid4(),), 0))
        people = frozenset({uuid4(), uuid4()})
        reading = audit.Reading(person, "test.read", "Client", people, {"what": "x"}, "::1", None)

        async def turn() -> None:
            line = Line(url, application_name="test")
            assert (await standing.still_hold(line, [person]))[0] == {person}
            assert await compliance.shown_kinds_alone(line, people) == dict.fromkeys(people, frozenset(ENTERED))
            await audit.record_readings_alone(line, [reading])
            await line.close()

        asyncio.run(turn())
        with Session(engine) as session, session.begin():  # the second time its people are known
            audit.record_readings(session, [reading])
        with psycopg.connect(server.url("plyo")) as connection:
            told = """select subjects, purpose, actor_id from platform.audit_entries as entry
                join platform.audit_groups as named on named.id = group_id where action = 'test.read'"""
            assert connection.execute(told).fetchall() == [(sorted(people), "operations", person.account_id)] * 2
        engine.dispose()


class TestCdcRole:
    def test_sees_the_rows_that_row_level_security_hides_from_the_api(self, server: PostgresServer) -> None:
        customer = uuid4()
        with psycopg.connect(server.url("plyo"), autocommit=True) as connection:
            connection.execute(
                """insert into compliance.consents values
                   (gen_random_uuid(), %s, 'sleep', 'coaching', true, 'x', now(), gen_random_uuid())""",
                [customer],
            )
        count = "select count(*) from compliance.consents"
        with connect(server, "plyo_cdc") as cdc, connect(server, "plyo_api") as api:
            assert cdc.execute(count).fetchone() == (1,)
            with cdc.cursor().copy("copy compliance.consents to stdout") as rows:
                assert len(list(rows)) == 1
            assert api.execute(count).fetchone() == (0,)
            with api.transaction():
                api.execute(
                    "select set_config('plyo.role', 'customer', true), set_config('plyo.principal', %s, true)",
                    [str(customer)],
                )
                assert api.execute(count).fetchone() == (1,)
            assert api.execute(count).fetchone() == (0,)

    def test_reads_and_does_not_write(self, server: PostgresServer) -> None:
        with connect(server, "plyo_cdc") as connection:
            connection.execute("select 1 from commerce.payments")
            with pytest.raises(InsufficientPrivilege):
                connection.execute("delete from commerce.payments")


class TestDatabases:
    @pytest.mark.asvs("13.2.2")
    def test_are_closed_to_each_others_roles(self, server: PostgresServer) -> None:
        with pytest.raises(psycopg.OperationalError, match="permission denied"):
            connect(server, "plyo_api", "lake")
        with pytest.raises(psycopg.OperationalError, match="permission denied"):
            connect(server, "lake_reader", "plyo")
