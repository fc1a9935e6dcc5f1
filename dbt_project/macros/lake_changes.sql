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
    {%- set before, run = plyo_noted(this, 'table'), graph.plyo_run -%}
    {%- set noted = {'code': local_md5(code), 'raw': run.raw, 'marts': plyo_look_around(), 'now': now | string} -%}
    {%- if should_full_refresh() or not before or before.code != noted.code or before.raw > run.raw
        or 'raw ' ~ before.raw not in run.kept or 'marts ' ~ before.marts not in run.kept -%}
        {{ return({'way': 'all', 'noted': noted}) }}
    {%- endif -%}
    {%- set since = dict(before, raw=[before.raw, run.since.raw] | max) -%}
    {%- set moved = plyo_moved(inputs, since) -%}
    {%- set asks_clock = plyo_asks_clock(sql, inputs, before.now, now) -%}
    {%- if not moved and not asks_clock -%}
        {{ return({'way': 'nothing', 'noted': before}) }}
    {%- endif -%}
    {%- set parts = node.config.meta.get('parts') -%}
    {%- if parts and ('remade' in moved.values() or now < before.now) -%}
        {{ return({'way': 'all', 'noted': noted}) }}
    {%- endif -%}
    {{ return({
        'way': 'part', 'noted': noted, 'before': since, 'moved': moved, 'parts': parts, 'inputs': inputs,
        'asks_clock': asks_clock, 'now': now, 'at_hand': run.at_hand
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
    {%- set run = graph.plyo_run -%}
    {%- if 'zones' not in run -%}
        {%- if not adapter.get_relation('marts', 'intermediate', 'int_customers') -%} {{ return(true) }} {%- endif -%}
        {%- do run.update({'zones': plyo_rows(
            "select distinct format('(@@{}@@)', time_zone) from marts.intermediate.int_customers union select '(@@UTC@@)'"
        ) | map(attribute=0) | join(', ') | replace('@@', "'")}) -%}
    {%- endif -%}
    {{ return(plyo_rows(
        "select count(*) from (values " ~ run.zones ~ ") as zones (time_zone) where "
        ~ "cast(timestamptz '" ~ then ~ "' at time zone time_zone as date) <> "
        ~ "cast(timestamptz '" ~ now ~ "' at time zone time_zone as date)"
    )[0][0] > 0) }}
{% endmacro %}

{% macro plyo_catalog(lake) -%} {{ return('__ducklake_metadata_' ~ lake ~ '.' ~ lake ~ '.') }} {%- endmacro %}

{% macro plyo_rows(query) %} {{ return(run_query(query).rows | list) }} {% endmacro %}

{#
    Tables a model reads, directly or through views, and those views; views know which raw tables and marts they hide.
    A model that is only written into others hides tables as a view does. A log (`is_log`) tells its emptyings; what
    connectors land in raw is none.
#}
{% macro plyo_inputs(node) %}
    {%- set found = [] -%}
    {%- for id in node.depends_on.nodes -%}
        {%- set source = graph.sources.get(id) -%}
        {%- if source -%}
            {%- do found.append({
                'name': source.name, 'lake': source.database, 'schema': source.schema, 'table': source.identifier,
                'kind': 'table', 'clock': none, 'view': none,
                'is_log': source.source_name == 'raw' and not source.name.startswith('_')
            }) -%}
        {%- else -%}
            {%- set upstream = graph.nodes[id] -%}
            {%- set is_view = upstream.config.materialized in ('view', 'ephemeral') -%}
            {%- do found.append({
                'name': upstream.name, 'lake': upstream.database, 'schema': upstream.schema, 'table': upstream.alias,
                'kind': 'view' if is_view else 'table',
                'clock': none if not is_view else 'now' if 'now()' in upstream.raw_code
                    else 'day' if 'today(' in upstream.raw_code else none,
                'view': none, 'is_log': false
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
    What a run finds when it begins: notes of all tables and views, which of their snapshots are still there, and which
    tables of both lakes moved when, since the oldest note of what is visited. It is kept beside the graph that all
    models of a run share, as is what models add to it: nobody asks the catalog for these one by one. A run sees one
    snapshot of raw, and what it writes to marts it knows; where somebody else wrote to marts meanwhile, it reads
    again. After a build of everything all that it left out is as good as built from the raw that it saw, so what
    moved before is not asked.
#}
{% macro plyo_read_notes() %} {{ return(adapter.dispatch('plyo_read_notes')()) }} {% endmacro %}

{% macro default__plyo_read_notes() -%} {%- endmacro %}

{% macro duckdb__plyo_read_notes() -%}
    {%- if execute -%}
        {%- set catalog, passed, visited = plyo_catalog('marts'), plyo_passed(), [] -%}
        {%- set read = [] -%}
        {%- for id in selected_resources if id in graph.nodes -%}
            {%- set node = graph.nodes[id] -%}
            {%- do visited.append('table.' ~ node.schema ~ '.' ~ node.alias) -%}
            {%- if node.resource_type == 'model' -%} {%- do read.extend(node.depends_on.nodes) -%} {%- endif -%}
        {%- endfor -%}
        {%- set run = {
            'notes': {}, 'moves': {}, 'later': [], 'at_hand': [], 'since': {}, 'kept': [], 'emptied': {}, 'read': read,
            'unfilled': {}, 'wrote': {}, 'looked_for': {}
        } -%}
        {%- set ids, since = {'raw': [], 'marts': []}, {'raw': [], 'marts': []} -%}
        {%- for row in plyo_rows(
            "with objects as (select table_id as id, schema_id, "
            ~ "table_name as name, 'table' as kind from " ~ catalog
            ~ "ducklake_table where end_snapshot is null union all select "
            ~ "view_id, schema_id, view_name, 'view' from " ~ catalog ~ "ducklake_view where end_snapshot is null) "
            ~ "select objects.kind, place.schema_name as place, objects.name, tag.value from objects inner join "
            ~ catalog ~ "ducklake_schema as place on objects.schema_id = place.schema_id and place.end_snapshot "
            ~ "is null inner join " ~ catalog ~ "ducklake_tag as tag on objects.id = tag.object_id and "
            ~ "tag.key = 'comment' and tag.end_snapshot is null where tag.value is not null"
        ) -%}
            {%- set name, noted = row[0] ~ '.' ~ row[1] ~ '.' ~ row[2], fromjson(row[3], {}) -%}
            {%- do run.notes.update({name: noted}) -%}
            {%- for lake in ids if row[0] == 'table' and noted[lake] is integer -%}
                {%- do ids[lake].append(noted[lake]) -%}
                {%- if name in visited -%} {%- do since[lake].append(noted[lake]) -%} {%- endif -%}
            {%- endfor -%}
        {%- endfor -%}
        {%- set there = [] -%}
        {#- By their ids: the stream leaves a snapshot a second, too many to be read. #}
        {%- for lake in ids -%}
            {%- do run.since.update({
                lake: passed.raw if passed and lake == 'raw'
                    else (since[lake] + ([passed.marts] if passed else [])) | min
            }) -%}
            {%- do there.append(
                "select true as is_now, '" ~ lake ~ "' as lake, id from " ~ lake ~ ".current_snapshot()"
            ) -%}
            {%- do there.append(
                "select false, '" ~ lake ~ "', snapshot_id from " ~ plyo_catalog(lake)
                ~ "ducklake_snapshot where snapshot_id in (" ~ ([-1] + ids[lake]) | unique | join(', ') ~ ")"
            ) -%}
        {%- endfor -%}
        {%- for row in plyo_rows(there | join(' union all ')) -%}
            {%- if row[0] -%} {%- do run.update({row[1]: row[2] | int}) -%}
            {%- else -%} {%- do run.kept.append(row[1] ~ ' ' ~ row[2]) -%} {%- endif -%}
        {%- endfor -%}
        {%- do graph.update({'plyo_run': run}) -%}
        {%- for lake in ids -%} {%- do plyo_read_moves(lake) -%} {%- endfor -%}
    {%- endif -%}
{%- endmacro %}

{#
    Reads of all tables and views of a lake since which snapshot each is what it is, and by which commits since its rows
    changed, went, or were rewritten by maintenance. Of raw only the last of each, as they are many. A table that never
    had a row has no statistics.
#}
{% macro plyo_read_moves(lake) %}
    {%- set catalog, run = plyo_catalog(lake), graph.plyo_run -%}
    {%- for row in plyo_rows(
        "with done as (select snapshot_id, unnest(regexp_extract_all(changes_made, '[a-z_]+:\\d+')) as what from "
        ~ catalog ~ "ducklake_snapshot_changes where "
        ~ ("snapshot_id > " ~ run.since[lake] if run.since[lake] and not flags.FULL_REFRESH else "false")
        ~ "), moves as (select split_part(what, ':', 2) as id, "
        ~ ("max(snapshot_id)" if lake == 'raw' else "snapshot_id")
        ~ " as moved_at, starts_with(what, 'rewrite') as rewrote, contains(what, 'delete') as went "
        ~ "from done where split_part(what, ':', 1) in ('inserted_into_table', 'deleted_from_table', 'inlined_insert', "
        ~ "'inlined_delete', 'rewrite_delete') group by id, rewrote, went" ~ ("" if lake == 'raw' else ", moved_at")
        ~ "), things as (select schema_id, cast(table_id as varchar) as id, table_name as name, "
        ~ "begin_snapshot as begun from " ~ catalog ~ "ducklake_table where end_snapshot is null"
        ~ ("" if lake == 'raw' else " union all select schema_id, 'view', view_name, begin_snapshot from " ~ catalog
            ~ "ducklake_view where end_snapshot is null")
        ~ ") select place.schema_name, things.name, max(things.begun), "
        ~ "string_agg(moves.moved_at, ' ') filter (where not moves.rewrote), "
        ~ "string_agg(moves.moved_at, ' ') filter (where moves.rewrote), things.id <> 'view' and things.id not in ("
        ~ "select cast(table_id as varchar) from " ~ catalog ~ "ducklake_table_stats), "
        ~ "string_agg(moves.moved_at, ' ') filter (where moves.went) from things inner join " ~ catalog
        ~ "ducklake_schema as place on things.schema_id = place.schema_id and place.end_snapshot is null "
        ~ "left join moves on things.id = moves.id group by all"
    ) -%}
        {%- do run.moves.update({lake ~ '.' ~ row[0] ~ '.' ~ row[1]: {
            'begun': row[2] | int, 'at': ((row[3] or '') | string).split() | map('int') | list,
            'rewritten': ((row[4] or '') | string).split() | map('int') | list, 'is_empty': row[5],
            'went': ((row[6] or '') | string).split() | map('int') | list
        }}) -%}
    {%- endfor -%}
{% endmacro %}

{#
    The newest snapshot of marts, or that of the open transaction. Where somebody else has committed since the run looked
    last, what moved in marts is read again. A run whose models are made side by side may take what another of them has
    just committed for somebody else's: it reads once more than it had to.
#}
{% macro plyo_look_around() %}
    {%- set run, now = graph.plyo_run, plyo_rows("select id from marts.current_snapshot()")[0][0] | int -%}
    {%- if range(run.marts + 1, now + 1) | reject('in', run.wrote.values() | list) | list -%}
        {%- do plyo_read_moves('marts') -%}
    {%- endif -%}
    {%- do run.update({'marts': [run.marts, now] | max}) -%}
    {{ return(now) }}
{% endmacro %}

{# The note a table or a view carried when the run began, as a dictionary; none where there was no note. #}
{% macro plyo_noted(relation, kind) %}
    {{ return(graph.plyo_run.notes.get(kind ~ '.' ~ relation.schema ~ '.' ~ relation.identifier) or none) }}
{% endmacro %}

{% macro plyo_note(relation, kind, noted) -%}
    comment on {{ kind }} {{ relation }} is '{{ tojson(noted, sort_keys=true) }}'
{%- endmacro %}

{# Keeps a table's note until the run ends, and that this run moved it. #}
{% macro plyo_note_later(relation, noted, wrote) %}
    {%- set run = graph.plyo_run -%}
    {%- do run.later.append({
        'place': relation.schema, 'name': relation.identifier, 'marts': noted.marts,
        'statement': plyo_note(relation, 'table', noted)
    }) -%}
    {%- if wrote -%}
        {%- do run.wrote.update({
            'marts.' ~ relation.schema ~ '.' ~ relation.identifier:
                plyo_rows("select id from marts.last_committed_snapshot()")[0][0] | int
        }) -%}
    {%- endif -%}
{% endmacro %}

{#
    SQL that writes the notes kept, in one transaction: a hook at the end of a run. Not of a table that somebody replaced
    meanwhile: its note says what it was made of.
#}
{% macro plyo_write_notes() %} {{ return(adapter.dispatch('plyo_write_notes')()) }} {% endmacro %}

{% macro default__plyo_write_notes() -%} {%- endmacro %}

{% macro duckdb__plyo_write_notes() -%}
    {%- set catalog, statements = plyo_catalog('marts'), [] -%}
    {%- if execute and graph.get('plyo_run', {}).get('later') -%}
        {#- Whether the table is there, DuckDB's list of tables would open all of both lakes to say. #}
        {%- set begun = {} -%}
        {%- for row in plyo_rows(
            "select place.schema_name, object.table_name, object.begin_snapshot from " ~ catalog
            ~ "ducklake_table as object inner join " ~ catalog ~ "ducklake_schema as place "
            ~ "on object.schema_id = place.schema_id and place.end_snapshot is null where object.end_snapshot is null"
        ) -%}
            {%- do begun.update({row[0] ~ '.' ~ row[1]: row[2] | int}) -%}
        {%- endfor -%}
        {%- for note in graph.plyo_run.later -%}
            {%- if begun.get(note.place ~ '.' ~ note.name, note.marts + 1) <= note.marts -%}
                {%- do statements.append(note.statement) -%}
            {%- endif -%}
        {%- endfor -%}
        {%- if statements -%} {{ return("begin; " ~ statements | join("; ") ~ "; commit") }} {%- endif -%}
    {%- endif -%}
{%- endmacro %}

{#
    Which inputs have moved since the snapshots `before.raw` and `before.marts`: name to 'changed', to 'once' where a
    single commit to `marts` did it, or 'remade' where the table or view is another one than then, or maintenance has
    rewritten files with deleted rows, after which deletions are told no more. Views that hide a moved table are named
    as well as the table.
#}
{% macro plyo_moved(inputs, before) %}
    {%- set moved = {} -%}
    {%- for input in inputs -%}
        {%- set since = before[input.lake] -%}
        {%- set name = input.lake ~ '.' ~ input.schema ~ '.' ~ input.table -%}
        {%- set moves = graph.plyo_run.moves.get(name) -%}
        {%- if moves -%}
            {%- set commits = (moves.at + [graph.plyo_run.wrote.get(name, 0)]) | select('gt', since) | unique | list -%}
            {%- set is_remade = moves.begun > since or moves.rewritten | select('gt', since) | list -%}
            {%- if is_remade or commits -%}
                {%- set how = 'remade' if is_remade
                    else 'once' if input.lake == 'marts' and commits | length == 1 else 'changed' -%}
                {%- for name in [input.name, input.view] if name and moved.get(name) != 'remade' -%}
                    {%- do moved.update({name: how}) -%}
                {%- endfor -%}
            {%- endif -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(moved) }}
{% endmacro %}

{# Whether rows of a table went after a snapshot, as far as the commits tell. #}
{% macro plyo_went(table, since) %}
    {%- set name = table.lake ~ '.' ~ table.schema ~ '.' ~ table.table -%}
    {%- set moves = graph.plyo_run.moves.get(name) -%}
    {{ return(
        moves is none or graph.plyo_run.wrote.get(name, 0) > since or moves.went | select('gt', since) | list | length > 0
    ) }}
{% endmacro %}

{#
    Rows of a table that came and went after a snapshot, until another. Where none went, nobody looks for them: most of
    what moves is a log to which rows are only added, and for what went DuckLake asks its catalog more than for what came.
#}
{% macro plyo_changes(table, since, until) %}
    {{ return(
        "ducklake_table_" ~ ("changes" if plyo_went(table, since) else "insertions") ~ "('" ~ table.lake ~ "', '"
        ~ table.schema ~ "', '" ~ table.table ~ "', " ~ (since + 1) ~ ", " ~ until ~ ")"
    ) }}
{% endmacro %}
