"""Questions to the source's catalog, by ordinary SQL: what is published, with which types and keys. Reads no rows."""

from dataclasses import replace
from typing import Any, LiteralString

import psycopg

from ingestion.postgres_cdc.relation import Column, Relation

# What shapes PostgreSQL's text of a value: the same in every session that asks for text.
TEXT_OPTIONS = " ".join(
    f"-c {name}={value}"
    for name, value in {
        "datestyle": "ISO", "intervalstyle": "postgres", "timezone": "UTC", "extra_float_digits": "1",
        "bytea_output": "hex", "lc_monetary": "C",
    }.items()
)  # fmt: skip

_PUBLISHED: LiteralString = """
    select n.nspname::text, c.relname::text, c.oid::bigint, c.relreplident = 'f', c.relkind = 'r' and c.relhassubclass,
           array_agg(a.attname::text order by a.attnum), array_agg(a.atttypid::bigint order by a.attnum),
           array_agg(a.atttypmod order by a.attnum),
           array_agg(coalesce(a.attnum = any((k.indkey::int2[])[0:k.indnkeyatts - 1]), false) order by a.attnum)
    from pg_get_publication_tables(%s) p
    join pg_class c on c.oid = p.relid
    join pg_namespace n on n.oid = c.relnamespace
    join pg_attribute a on a.attrelid = c.oid and a.attnum = any(p.attrs)
    left join pg_index k on k.indrelid = c.oid
        and case when c.relreplident = 'i' then k.indisreplident else k.indisprimary end
    group by 1, 2, 3, 4, 5 order by 1, 2"""

_BASE_TYPE: LiteralString = """
    with recursive base(oid, kind, base, item, send) as (
        select oid, typtype, typbasetype, typelem, typsend::oid from pg_type where oid = %s
        union all select t.oid, t.typtype, t.typbasetype, t.typelem, t.typsend::oid
        from pg_type t join base b on b.base = t.oid where b.kind = 'd')
    select case when kind = 'e' or send = 0 then 25 else oid::bigint end,
           (select i.typtype from pg_type i where i.oid = item) = 'e'
    from base where kind <> 'd'"""

_MODIFIER: LiteralString = "select typtypmod from pg_type where oid = %s and typtype = 'd'"
_NAME: LiteralString = "select format_type(%s, %s)"

_ENUM_ARRAY, _TEXT_ARRAY = True, 1009


class Source:
    """The source's catalog, through one connection; types are remembered."""

    def __init__(self, connection: psycopg.Connection[Any], publication: str) -> None:
        self._connection = connection
        self._publication = publication
        self._types: dict[tuple[int, int], tuple[int, int, str]] = {}

    def relations(self) -> dict[str, Relation]:
        """Every published table by its raw name, in today's shape, with its published columns only."""
        found = {}
        for schema, table, oid, is_full, has_heirs, names, types, modifiers, keys in self._connection.execute(
            _PUBLISHED, [self._publication]
        ):
            found_columns = map(Column, names, types, modifiers, keys)
            columns = tuple(self._with_base_type(column) for column in found_columns)
            relation = Relation(oid, schema, table, columns, is_full, has_heirs)
            found[relation.raw_table] = relation
        return found

    def completed(self, streamed: Relation) -> Relation:
        """A relation as a relation message describes it, with base types and its primary key.

        With replica identity full the message calls every column a key; then the catalog says which are.
        """
        columns = tuple(self._with_base_type(column) for column in streamed.columns)
        if streamed.has_full_identity:
            keys = self._primary_key(streamed.oid)
            columns = tuple(replace(column, is_key=not keys or column.name in keys) for column in columns)
        return replace(streamed, columns=columns)

    def value_of_old_rows(self, relation: Relation, column: str) -> tuple[str | None, bool]:
        """What rows that were there before a column was added have in it; it never passed through the log.

        Returns:
            The constant PostgreSQL keeps for them, as text; and whether there may be values it does not keep (a
            volatile default, a rewritten table), so that only a new snapshot can tell.
        """
        row = self._connection.execute(
            """select case when atthasmissing then (attmissingval::text::text[])[1] end,
                      not atthasmissing and (atthasdef or attgenerated <> '' or attidentity <> '')
               from pg_attribute where attrelid = %s and attname = %s and not attisdropped""",
            [relation.oid, column],
        ).fetchone()
        return (row[0], row[1]) if row else (None, True)

    def _with_base_type(self, column: Column) -> Column:
        known = self._types.get((column.oid, column.modifier))
        if known is None:
            known = self._types[column.oid, column.modifier] = self._base(column.oid, column.modifier)
        oid, modifier, name = known
        return replace(column, oid=oid, modifier=modifier, is_plain=oid == column.oid, type_name=name)

    def _base(self, oid: int, modifier: int) -> tuple[int, int, str]:
        row = self._connection.execute(_BASE_TYPE, [oid]).fetchone()
        if row is None:
            return oid, modifier, ""  # dropped meanwhile
        domain = self._connection.execute(_MODIFIER, [oid]).fetchone()
        base, modifier = (_TEXT_ARRAY if row[1] is _ENUM_ARRAY else row[0]), (domain[0] if domain else modifier)
        name = self._connection.execute(_NAME, [base, modifier]).fetchone()
        return base, modifier, name[0] if name else ""

    def _primary_key(self, oid: int) -> set[str]:
        rows = self._connection.execute(
            """select a.attname::text from pg_constraint k join pg_attribute a
               on a.attrelid = k.conrelid and a.attnum = any(k.conkey) where k.conrelid = %s and k.contype = 'p'""",
            [oid],
        )
        return {name for (name,) in rows}
