"""Databases, roles and grants of one PostgreSQL: made when missing, mended when not as they should be. Never drops."""

from collections.abc import Mapping

import psycopg
from psycopg import sql

from operational_api.core.database import SCHEMAS
from plyo.postgres import PostgresServer

CONTEXT_SCHEMAS = tuple(schema for schema in SCHEMAS if schema != "platform")


def create(server: PostgresServer, passwords: Mapping[str, str]) -> None:
    """Make the databases `plyo`, `lake` and `dagster`, and every role with its password.

    Args:
        server: A running server.
        passwords: By role name.
    """
    with psycopg.connect(server.url(), autocommit=True) as connection:
        for role in ("plyo_owner", "plyo_api", "audit_writer", "lake_writer", "lake_reader", "dagster"):
            _role(connection, role, passwords[role])
        _role(connection, "plyo_cdc", passwords["plyo_cdc"], reads_all=True)
        for schema in CONTEXT_SCHEMAS:
            _role(connection, f"ctx_{schema}", passwords[f"ctx_{schema}"])
            connection.execute(sql.SQL("grant {} to plyo_api").format(sql.Identifier(f"ctx_{schema}")))
        for name, owner in (("plyo", "plyo_owner"), ("lake", "lake_writer"), ("dagster", "dagster")):
            known = connection.execute("select 1 from pg_database where datname = %s", [name]).fetchone()
            if known is None:
                connection.execute(
                    sql.SQL("create database {} owner {}").format(sql.Identifier(name), sql.Identifier(owner))
                )
            connection.execute(sql.SQL("revoke connect on database {} from public").format(sql.Identifier(name)))
            connection.execute(
                sql.SQL("grant connect on database {} to {}").format(sql.Identifier(name), sql.Identifier(owner))
            )
    with psycopg.connect(server.url("plyo"), autocommit=True) as connection:
        connection.execute("create extension if not exists btree_gist")
        connection.execute("create extension if not exists pg_trgm")
        connection.execute("grant connect on database plyo to plyo_api, plyo_cdc, audit_writer")
        connection.execute("grant execute on function pg_log_standby_snapshot() to plyo_cdc")
        for schema in CONTEXT_SCHEMAS:
            connection.execute(sql.SQL("grant connect on database plyo to {}").format(sql.Identifier(f"ctx_{schema}")))


def grant(server: PostgresServer) -> None:
    """After migrations: each context's role works in its own schema and in `platform`; CDC reads."""
    with psycopg.connect(server.url("plyo"), autocommit=True) as connection:
        for schema in SCHEMAS:
            readers = [f"ctx_{schema}"] if schema != "platform" else [f"ctx_{name}" for name in CONTEXT_SCHEMAS]
            for role in readers:
                _grant(connection, schema, role, "select, insert, update, delete")
            _grant(connection, schema, "plyo_cdc", "select")
        _close_audit(connection)
        _close_functions(connection)
    with psycopg.connect(server.url("lake"), autocommit=True) as connection:
        connection.execute("grant connect on database lake to lake_reader")


def _close_audit(connection: psycopg.Connection) -> None:
    """The audit log is added to by everybody, read by compliance and change capture, and changed by nobody."""
    for name in CONTEXT_SCHEMAS:
        rights = "update, delete, truncate" if name == "compliance" else "select, update, delete, truncate"
        tables = "platform.audit_entries, platform.audit_groups"
        connection.execute(sql.SQL(f"revoke {rights} on {tables} from {{}}").format(sql.Identifier(f"ctx_{name}")))
        marks = "revoke insert, update, delete, truncate on platform.consent_marks from {}"  # a trigger's alone
        connection.execute(sql.SQL(marks).format(sql.Identifier(f"ctx_{name}")))
    connection.execute("grant usage on schema platform to audit_writer")
    connection.execute("grant insert on platform.audit_entries, platform.audit_groups to audit_writer")


def _close_functions(connection: psycopg.Connection) -> None:
    """What runs with the owner's rights is for contexts and the reader of numbers, not for every role that logs in."""
    for function in (
        "platform.visible_customers()", "platform.decided_kinds(uuid[])",
        "platform.must_hold(uuid, text, timestamptz, uuid[])", "platform.consents_mark()",
    ):  # fmt: skip
        connection.execute(sql.SQL(f"revoke execute on function {function} from public"))
        for role in (*(f"ctx_{name}" for name in CONTEXT_SCHEMAS), "audit_writer"):
            connection.execute(sql.SQL(f"grant execute on function {function} to {{}}").format(sql.Identifier(role)))


def _role(connection: psycopg.Connection, name: str, password: str, *, reads_all: bool = False) -> None:
    known = connection.execute("select 1 from pg_roles where rolname = %s", [name]).fetchone()
    connection.execute(
        sql.SQL("{} role {} login {} password {}").format(
            sql.SQL("alter" if known else "create"),
            sql.Identifier(name),
            # What is captured is every row: row-level security must not hide any from the copy.
            sql.SQL("replication bypassrls" if reads_all else "nobypassrls"),
            sql.Literal(password),
        )
    )


def _grant(connection: psycopg.Connection, schema: str, role: str, rights: str, *, owner: str = "plyo_owner") -> None:
    names = {"schema": sql.Identifier(schema), "role": sql.Identifier(role), "owner": sql.Identifier(owner)}
    for statement in (
        "grant usage on schema {schema} to {role}",
        f"grant {rights} on all tables in schema {{schema}} to {{role}}",
        "grant usage, select on all sequences in schema {schema} to {role}",
        f"alter default privileges for role {{owner}} in schema {{schema}} grant {rights} on tables to {{role}}",
        "alter default privileges for role {owner} in schema {schema} grant usage, select on sequences to {role}",
    ):
        connection.execute(sql.SQL(statement).format(**names))
