{#
    Today's rows of a raw change log: the newest change of each primary key, unless that change deleted it.

    `(_lsn, _seq)` orders changes. A truncate ('t') empties the table at its place in that order. The loader's columns
    (`_op`, `_lsn`, ...) are still there; a staging model names the columns it wants.

    Args:
        raw: Name of the table in source `raw`, `<context>__<table>`.
        key: Primary key columns.
#}
{% macro latest_rows(raw, key=['id']) -%}
    {{ return(adapter.dispatch('latest_rows')(source('raw', raw), key | join(', '))) }}
{%- endmacro %}

{% macro default__latest_rows(raw, key) -%}
    (
        select *
        from (
            select
                change.*,
                row_number() over (partition by {{ key }} order by change._lsn desc, change._seq desc) as _newest
            from {{ raw }} as change
            where
                change._op <> 't'
                and not exists (
                    select 1
                    from {{ raw }} as emptied
                    where emptied._op = 't' and (emptied._lsn, emptied._seq) > (change._lsn, change._seq)
                )
        ) as ranked
        where _newest = 1 and _op <> 'd'
    )
{%- endmacro %}

{% macro duckdb__latest_rows(raw, key) -%}
    (
        select *
        from {{ raw }}
        where
            _op <> 't'
            and row(_lsn, _seq) > (
                select coalesce(max(row(_lsn, _seq)), row(0, -1)) from {{ raw }} where _op = 't'
            )
        qualify row_number() over (partition by {{ key }} order by _lsn desc, _seq desc) = 1 and _op <> 'd'
    )
{%- endmacro %}

{#
    Neither compares rows with `>`. The newest emptying comes from a sequence that begins before everything, so that it
    has a row where the table was never emptied.
#}
{% macro snowflake__latest_rows(raw, key) -%} {{ plyo_latest_rows_beside_emptied(raw, key) }} {%- endmacro %}

{% macro bigquery__latest_rows(raw, key) -%} {{ plyo_latest_rows_beside_emptied(raw, key) }} {%- endmacro %}

{% macro plyo_latest_rows_beside_emptied(raw, key) -%}
    (
        select *
        from (
            select
                change.*,
                row_number() over (partition by {{ key }} order by change._lsn desc, change._seq desc) as _newest
            from {{ raw }} as change
            cross join (
                select
                    lsn,
                    seq,
                    row_number() over (order by lsn desc, seq desc) as place
                from (
                    select -1 as lsn, -1 as seq
                    union all
                    select _lsn as lsn, _seq as seq from {{ raw }} where _op = 't'
                ) as emptyings
            ) as emptied
            where
                emptied.place = 1
                and change._op <> 't'
                and (change._lsn > emptied.lsn or (change._lsn = emptied.lsn and change._seq > emptied.seq))
        ) as ranked
        where _newest = 1 and _op <> 'd'
    )
{%- endmacro %}

{# The snapshot of the raw lake that this build reads; null where raw is no lake. #}
{% macro raw_snapshot_id() -%}
    {{ return(adapter.dispatch('raw_snapshot_id')()) }}
{%- endmacro %}

{% macro default__raw_snapshot_id() -%} null {%- endmacro %}

{% macro duckdb__raw_snapshot_id() -%} (select snapshot.id from raw.current_snapshot() as snapshot) {%- endmacro %}
