{#
    What a build of a table in the lake has to do: nothing, a part, or all.

    A table carries a note in its comment: the code it was made by, the snapshots of `raw` and `marts` it was made from,
    and the time. A table that is replaced, by us in one transaction with its note, or by other means, has not that of
    the table before. From the note the next build sees which inputs have moved since:

    - none, and the model does not ask the clock: nothing is done;
    - a model that names its parts (`meta: {parts: ...}`) makes only those parts anew that the changed rows of its
      inputs touch. DuckLake tells exactly the rows that came and went between two snapshots, whatever their age, so
      late rows, corrections and deletions are found alike;
    - a model without parts is worked out whole and compared with what is stored;
    - when the code changed, or a noted snapshot is no longer kept (an erasure ends them all): all of it is written.

    Only what differs is written, so what did not change has not moved for the models after it. Notes of tables that
    were not replaced are written together when the run ends (`plyo_write_notes`): a comment changes the catalog's
    schema, which costs every later look at the catalog more than the rows do. A run that is killed leaves older notes
    than it could, and the next build looks at more changes than it had to.

    `parts` is a dictionary:
        key: a column; rows with one value of it are a part, made of the inputs' rows of that part.
        day: optional, a date column; what changed on a day changes nothing before it, so only later rows are made anew.
        changed: input to SQL of the parts that its changed rows `{rows}` touch: the key, and with `day` a date as well.
            An input that moved and is not named here touches every part. What a view hides counts as the view, or is
            named with it, `<view>.<table>`.
        only: input to what stands for it when parts are made: a condition, or a whole query that begins with `select`.
            A condition on a staging view is put on the first mention of its raw table. An input not named is read whole.
        instead: name to SQL that says for few parts what the model's text between the lines `-- whole: <name>` and
            `-- end: <name>` says for all. What it reads is narrowed by `only` as well.
        clock: SQL of the parts that passing time alone touches, from {then} to {now}. Without it: every part.
    In SQL `{parts}` is the table of parts to be made (`key`, `since`), `{earliest}` the first `since` as a date written
    out, by which DuckDB leaves out what it need not read, `{this}` the model, `{<name>}` a model it reads, `{then}` and
    `{now}` the times of the last build and of this one.

    A table that is written whole is written in the order of its parts, days first: what moved lies together.
#}
{% macro plyo_plan(node, sql) %}
    {%- set inputs = plyo_inputs(node) -%}
    {%- set now = modules.datetime.datetime.now(modules.pytz.utc).isoformat() if not var('now') else var('now') -%}
    {%- set code = sql | replace(plyo_now_text(), 'now') -%}
    {%- set before = plyo_noted(this, 'table') -%}
    {%- set seen = plyo_rows(
        "select (select id from raw.current_snapshot()), (select id from marts.current_snapshot()), "
        ~ (plyo_is_kept('raw', before.raw) ~ " and " ~ plyo_is_kept('marts', before.marts) if before else "false")
        ~ ", (select string_agg(name, ' ') from memory.main.changes)"
    )[0] -%}
    {%- set noted = {'code': local_md5(code), 'raw': seen[0] | int, 'marts': seen[1] | int, 'now': now | string} -%}
    {%- if should_full_refresh() or not before or before.code != noted.code or not seen[2] or before.raw > seen[0] -%}
        {{ return({'way': 'all', 'noted': noted}) }}
    {%- endif -%}
    {%- set moved = plyo_moved(inputs, before) -%}
    {%- set asks_clock = plyo_asks_clock(sql, inputs, before.now, now) -%}
    {%- if not moved and not asks_clock -%}
        {{ return({'way': 'nothing', 'noted': before}) }}
    {%- endif -%}
    {%- set parts = node.config.meta.get('parts') -%}
    {%- if parts and ('remade' in moved.values() or now < before.now) -%}
        {{ return({'way': 'all', 'noted': noted}) }}
    {%- endif -%}
    {{ return({
        'way': 'part', 'noted': noted, 'before': before, 'moved': moved, 'parts': parts, 'inputs': inputs,
        'asks_clock': asks_clock, 'now': now, 'at_hand': (seen[3] or '').split(' ')
    }) }}
{% endmacro %}

{# How `now()` reads in a compiled model. #}
{% macro plyo_now_text() -%} {{ return(now() | trim) }} {%- endmacro %}

{#
    Whether time alone can have changed what a model says. One that uses the clock only for what day it is somewhere says
    the same until a day is over in UTC or where some customer lives: models ask for no other zone's. Zones are those of
    the run's first such model; of a customer who moves meanwhile the row has moved.
#}
{% macro plyo_asks_clock(sql, inputs, then, now) %}
    {%- set days = "cast(" ~ plyo_now_text() ~ " at time zone " -%}
    {%- set clocks = inputs | map(attribute='clock') | list -%}
    {%- if 'now' in clocks or sql.count(plyo_now_text()) > sql.count(days) -%} {{ return(true) }} {%- endif -%}
    {%- if 'day' not in clocks and days not in sql -%} {{ return(false) }} {%- endif -%}
    {%- if not adapter.get_relation('marts', 'intermediate', 'int_customers') -%} {{ return(true) }} {%- endif -%}
    {{ return(plyo_rows(
        "create table if not exists memory.main.zones as select time_zone from marts.intermediate.int_customers "
        ~ "union select 'UTC'; select count(*) from memory.main.zones where "
        ~ "cast(timestamptz '" ~ then ~ "' at time zone time_zone as date) <> "
        ~ "cast(timestamptz '" ~ now ~ "' at time zone time_zone as date)"
    )[0][0] > 0) }}
{% endmacro %}

{% macro plyo_catalog(lake) -%} {{ return('__ducklake_metadata_' ~ lake ~ '.' ~ lake ~ '.') }} {%- endmacro %}

{# SQL that says whether a noted snapshot was still there when the run began. #}
{% macro plyo_is_kept(lake, snapshot) -%}
    {{ return("exists (select 1 from memory.main.kept where lake = '" ~ lake ~ "' and id = " ~ snapshot ~ ")") }}
{%- endmacro %}

{% macro plyo_rows(query) %} {{ return(run_query(query).rows | list) }} {% endmacro %}

{#
    Tables a model reads, directly or through views, and those views; views know which raw tables and marts they hide.
    A model that is only written into others hides tables as a view does.
#}
{% macro plyo_inputs(node) %}
    {%- set found = [] -%}
    {%- for id in node.depends_on.nodes -%}
        {%- set source = graph.sources.get(id) -%}
        {%- if source -%}
            {%- do found.append({
                'name': source.name, 'lake': source.database, 'schema': source.schema, 'table': source.identifier,
                'kind': 'table', 'clock': none, 'view': none
            }) -%}
        {%- else -%}
            {%- set upstream = graph.nodes[id] -%}
            {%- set is_view = upstream.config.materialized in ('view', 'ephemeral') -%}
            {%- do found.append({
                'name': upstream.name, 'lake': upstream.database, 'schema': upstream.schema, 'table': upstream.alias,
                'kind': 'view' if is_view else 'table',
                'clock': none if not is_view else 'now' if 'now()' in upstream.raw_code
                    else 'day' if 'today(' in upstream.raw_code else none,
                'view': none
            }) -%}
            {%- if is_view -%}
                {%- for inner in plyo_inputs(upstream) -%}
                    {%- do found.append(dict(inner, view=upstream.name)) -%}
                {%- endfor -%}
            {%- endif -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(found) }}
{% endmacro %}

{#
    What a run finds when it begins, kept in the database in memory that all its models share: notes of all tables and
    views, which of their snapshots are still there, and when each table of raw last moved since the last build of
    everything; a run sees one snapshot of raw. Nobody asks the catalog for them one by one.
#}
{% macro plyo_read_notes() %} {{ return(adapter.dispatch('plyo_read_notes')()) }} {% endmacro %}

{% macro default__plyo_read_notes() -%} {%- endmacro %}

{% macro duckdb__plyo_read_notes() -%}
    {%- if execute -%}
        {%- set catalog = plyo_catalog('marts') -%}
        {%- set ids = {'raw': [], 'marts': []} -%}
        {%- for row in plyo_rows(
            "create or replace table memory.main.noted as with objects as (select table_id as id, schema_id, "
            ~ "table_name as name, 'table' as kind from " ~ catalog
            ~ "ducklake_table where end_snapshot is null union all select "
            ~ "view_id, schema_id, view_name, 'view' from " ~ catalog ~ "ducklake_view where end_snapshot is null) "
            ~ "select objects.kind, place.schema_name as place, objects.name, tag.value from objects inner join "
            ~ catalog ~ "ducklake_schema as place on objects.schema_id = place.schema_id and place.end_snapshot "
            ~ "is null inner join " ~ catalog ~ "ducklake_tag as tag on objects.id = tag.object_id and "
            ~ "tag.key = 'comment' and tag.end_snapshot is null; "
            ~ "select value from memory.main.noted where kind = 'table' and value is not null"
        ) -%}
            {%- set noted = fromjson(row[0], {}) -%}
            {%- for lake in ids if noted[lake] is integer -%} {%- do ids[lake].append(noted[lake]) -%} {%- endfor -%}
        {%- endfor -%}
        {%- set kept = [] -%}
        {#- By their ids: the stream leaves a snapshot a second, too many to be read. #}
        {%- for lake in ids -%}
            {%- do kept.append(
                "select '" ~ lake ~ "' as lake, snapshot_id as id from " ~ plyo_catalog(lake)
                ~ "ducklake_snapshot where snapshot_id in (" ~ ([-1] + ids[lake]) | unique | join(', ') ~ ")"
            ) -%}
        {%- endfor -%}
        {%- set passed = plyo_passed() -%}
        {%- set catalog = plyo_catalog('raw') -%}
        {{ return(
            "create or replace table memory.main.changes (name varchar); "
            ~ "create or replace table memory.main.kept as " ~ kept | join(' union all ')
            ~ "; create or replace table memory.main.moved as with "
            ~ plyo_written('raw', passed.raw if passed else none)
            ~ " select place.schema_name as place, t.table_name as name, t.begin_snapshot, written.last_at, "
            ~ "written.last_rewritten_at from " ~ catalog ~ "ducklake_table as t inner join " ~ catalog
            ~ "ducklake_schema as place on t.schema_id = place.schema_id and place.end_snapshot is null "
            ~ "left join written on cast(t.table_id as varchar) = written.id where t.end_snapshot is null"
        ) }}
    {%- endif -%}
{%- endmacro %}

{# The note a table or a view carries, as a dictionary; none where there is no note. #}
{% macro plyo_noted(relation, kind) %}
    {%- set rows = plyo_rows(
        "select value from memory.main.noted where kind = '" ~ kind ~ "' and place = '" ~ relation.schema
        ~ "' and name = '" ~ relation.identifier ~ "'"
    ) -%}
    {{ return(fromjson(rows[0][0], none) if rows and rows[0][0] else none) }}
{% endmacro %}

{% macro plyo_note(relation, kind, noted) -%}
    comment on {{ kind }} {{ relation }} is '{{ tojson(noted, sort_keys=true) }}'
{%- endmacro %}

{# Keeps a table's note until the run ends, in the database in memory that all models of a run share. #}
{% macro plyo_note_later(relation, noted) %}
    {%- do run_query(
        plyo_place_of_notes() ~ "insert into memory.main.notes values ('" ~ relation.schema ~ "', '"
        ~ relation.identifier ~ "', " ~ noted.marts ~ ", '"
        ~ plyo_note(relation, 'table', noted) | replace("'", "''") ~ "')"
    ) -%}
{% endmacro %}

{% macro plyo_place_of_notes() -%}
    {{ return("create table if not exists memory.main.notes "
        ~ "(place varchar, name varchar, marts bigint, statement varchar); ") }}
{%- endmacro %}

{#
    SQL that writes the notes kept, in one transaction: a hook at the end of a run. Not of a table that somebody replaced
    meanwhile: its note says what it was made of.
#}
{% macro plyo_write_notes() %} {{ return(adapter.dispatch('plyo_write_notes')()) }} {% endmacro %}

{% macro default__plyo_write_notes() -%} {%- endmacro %}

{% macro duckdb__plyo_write_notes() -%}
    {%- set catalog = plyo_catalog('marts') -%}
    {%- if execute -%}
        {#- Whether the table is there, DuckDB's list of tables would open all of both lakes to say. #}
        {%- set statements = plyo_rows(
            plyo_place_of_notes() ~ "select notes.statement from memory.main.notes as notes inner join " ~ catalog
            ~ "ducklake_table as object "
            ~ "on notes.name = object.table_name and notes.marts >= object.begin_snapshot and object.end_snapshot "
            ~ "is null inner join " ~ catalog ~ "ducklake_schema as place on object.schema_id = place.schema_id "
            ~ "and notes.place = place.schema_name and place.end_snapshot is null"
        ) | map(attribute=0) | list -%}
        {%- if statements -%} {{ return("begin; " ~ statements | join("; ") ~ "; commit") }} {%- endif -%}
    {%- endif -%}
{%- endmacro %}

{#
    Which inputs have moved since a note was written: name to 'changed', to 'once' where a single commit to `marts` did
    it, or 'remade' where the table or view is another one than then, or maintenance has rewritten files with deleted
    rows, after which deletions are told no more. Views that hide a moved table are named as well as the table.
#}
{% macro plyo_moved(inputs, before) %}
    {%- set queries, moved = [], {} -%}
    {%- for lake in ['raw', 'marts'] -%}
        {%- set names = inputs | selectattr('lake', 'equalto', lake) | map(attribute='table') | unique | list -%}
        {%- if names -%}
            {%- do queries.append(plyo_moved_since(lake, before[lake], "'" ~ names | join("', '") ~ "'")) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- for row in plyo_rows(queries | join(' union all ')) if queries -%}
        {%- for input in inputs if input.lake == row[0] and input.schema == row[1] and input.table == row[2] -%}
            {%- set how = 'remade' if row[3] else 'once' if row[4] == 1 else 'changed' -%}
            {%- if moved.get(input.name) != 'remade' -%} {%- do moved.update({input.name: how}) -%} {%- endif -%}
            {%- if input.view and moved.get(input.view) != 'remade' -%}
                {%- do moved.update({input.view: how}) -%}
            {%- endif -%}
        {%- endfor -%}
    {%- endfor -%}
    {{ return(moved) }}
{% endmacro %}

{# SQL of a query's `written`: ids of tables of a lake whose rows changed after a snapshot, when, how often, and when
   rewritten. #}
{% macro plyo_written(lake, since) -%}
    {{ return(
        "done as (select snapshot_id, unnest(regexp_extract_all(changes_made, '[a-z_]+:\\d+')) as what from "
        ~ plyo_catalog(lake) ~ "ducklake_snapshot_changes where "
        ~ ("false" if since is none else "snapshot_id > " ~ since)
        ~ "), written as (select split_part(what, ':', 2) as id, max(snapshot_id) as last_at, "
        ~ "count(distinct snapshot_id) as commits, "
        ~ "max(case when starts_with(what, 'rewrite') then snapshot_id end) as "
        ~ "last_rewritten_at from done where split_part(what, ':', 1) in ('inserted_into_table', 'deleted_from_table', "
        ~ "'inlined_insert', 'inlined_delete', 'rewrite_delete') group by id)"
    ) }}
{%- endmacro %}

{# SQL of the tables and views of one lake that moved after a snapshot: lake, schema, name, whether it is another one,
   and by how many commits (of raw that is not asked). #}
{% macro plyo_moved_since(lake, since, names) -%}
    {%- set catalog, passed = plyo_catalog(lake), plyo_passed() -%}
    {%- if lake == 'raw' and passed and since >= passed.raw -%}
        {{ return(
            "(select 'raw', place, name, begin_snapshot > " ~ since ~ " or coalesce(last_rewritten_at > " ~ since
            ~ ", false), 0 from memory.main.moved where name in (" ~ names ~ ") and (begin_snapshot > " ~ since
            ~ " or last_at > " ~ since ~ "))"
        ) }}
    {%- endif -%}
    {{ return(
        "(with " ~ plyo_written(lake, since)
        ~ " select '" ~ lake ~ "', place.schema_name, t.table_name, t.begin_snapshot > " ~ since
        ~ " or written.last_rewritten_at is not null, " ~ ("written.commits" if lake == 'marts' else "0")
        ~ " from " ~ catalog ~ "ducklake_table as t inner join " ~ catalog ~ "ducklake_schema as place on "
        ~ "t.schema_id = place.schema_id and place.end_snapshot is null left join written on "
        ~ "cast(t.table_id as varchar) = written.id where t.end_snapshot is null and t.table_name in (" ~ names
        ~ ") and (t.begin_snapshot > " ~ since ~ " or written.id is not null)"
        ~ " union all select '" ~ lake ~ "', place.schema_name, v.view_name, true, 0 from " ~ catalog
        ~ "ducklake_view as v inner join " ~ catalog ~ "ducklake_schema as place on v.schema_id = place.schema_id and "
        ~ "place.end_snapshot is null where v.end_snapshot is null and v.view_name in (" ~ names ~ ") and "
        ~ "v.begin_snapshot > " ~ since ~ ")"
    ) }}
{%- endmacro %}
