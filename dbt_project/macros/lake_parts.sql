{#
    Makes the touched parts of a table anew, in one transaction, and writes those that differ. See `plyo_plan`.

    Rows are deleted by the places that they were found at, so the table is read once. A model that names no parts is
    worked out whole, and each row is a part.
#}
{% macro plyo_replace_part(target, plan, sql) %}
    {%- set parts = plan.parts or {} -%}
    {%- set day, touched = parts.get('day'), plyo_touched(plan) if parts else none -%}
    {%- set narrowed, inside = sql, '' -%}
    {%- if touched is not none -%}
        {%- set earliest = plyo_rows(
            "create or replace temp table parts as select key, min(since) as since from (" ~ touched
            ~ ") as told (key, since) where key is not null and since is not null group by key; "
            ~ "select min(since) from temp.parts"
        )[0][0] -%}
        {%- set narrowed = plyo_narrowed(plan, sql) | replace(
            '{earliest}', "date '" ~ (earliest or '0001-01-01') ~ "'"
        ) -%}
        {%- set inside -%}
            semi join temp.parts as part
                on row_of_model.{{ parts.key }} = part.key
                {%- if day %} and row_of_model.{{ day }} >= part.since {%- endif %}
            {# DuckLake leaves out files by this, which the join implies. -#}
            {% if day and earliest %} where row_of_model.{{ day }} >= date '{{ earliest }}' {% endif %}
        {%- endset -%}
    {%- endif -%}
    {%- if parts -%}
        {%- set together = [parts.key] + ([day] if day else []) -%}
    {%- else -%}
        {%- set together = adapter.get_columns_in_relation(target) | map(attribute='name') | list -%}
    {%- endif -%}
    {%- set same -%}
        semi join temp.wrong as wrong
            on
                {%- for column in together %}
                {{ 'and ' if not loop.first }}row_of_model.{{ column }} is not distinct from wrong.{{ column }}
                {%- endfor %}
    {%- endset -%}
    {%- set stored = "select cast(null as bigint) as _place, * from " ~ target ~ " where false"
        if plyo_is_unfilled('marts', target) else "select rowid as _place, * from " ~ target ~ " as row_of_model " ~ inside
    -%}
    {%- set differs = plyo_rows(
        "create or replace temp table stored as " ~ stored
        ~ "; create or replace temp table made as select * exclude (_place) from temp.stored limit 0"
        ~ "; insert into temp.made by name select row_of_model.* from (" ~ plyo_without_unfilled(narrowed)
        ~ ") as row_of_model " ~ inside
        ~ "; create or replace temp table wrong as select distinct " ~ together | join(', ') ~ " from ("
        ~ "select * exclude (_balance), sum(_balance) as _difference from ("
        ~ "select * exclude (_place), 1 as _balance from temp.stored "
        ~ "union all by name select *, -1 as _balance from temp.made) group by all) where _difference <> 0"
        ~ "; select count(*) from temp.wrong"
    )[0][0] > 0 -%}
    {% call statement('main') -%}
        {% if differs -%}
            delete from {{ target }} where rowid in (
                select row_of_model._place from temp.stored as row_of_model {{ same }}
            );
            insert into {{ target }} by name select row_of_model.* from temp.made as row_of_model {{ same }};
        {%- else -%}
            select 1
        {%- endif %}
    {%- endcall %}
    {%- do plan.update({'wrote': same if differs else none}) -%}
{% endmacro %}

{# SQL of the parts that must be made anew, a key and a date; none where that is every part. #}
{% macro plyo_touched(plan) %}
    {%- set told, parts = [], plan.parts -%}
    {%- set no_day = "" if parts.get('day') else ", date '0001-01-01'" -%}
    {%- if plan.asks_clock -%}
        {%- if not parts.get('clock') -%} {{ return(none) }} {%- endif -%}
        {%- do told.append("select *" ~ no_day ~ " from (" ~ plyo_named(parts.clock, plan) ~ ")") -%}
    {%- endif -%}
    {%- for input in plan.inputs if input.name in plan.moved and not (input.kind == 'view') -%}
        {%- set template = parts.changed.get(input.view ~ '.' ~ input.name, parts.changed.get(input.view or input.name)) -%}
        {%- if not template -%} {{ return(none) }} {%- endif -%}
        {%- set until = plan.noted[input.lake] -%}
        {%- set at_hand = plyo_changes_at_hand(input.schema, input.table) -%}
        {%- set rows = at_hand if plan.moved[input.name] == 'once' and input.schema ~ '.' ~ input.table in plan.at_hand
            else plyo_changes(input, plan.before[input.lake], until) -%}
        {%- if input.is_log and plyo_was_ever_emptied(input)
            and plyo_rows("select 1 from " ~ rows ~ " where _op = 't' limit 1") -%}
            {{ return(none) }}
        {%- endif -%}
        {%- do told.append(
            "select *" ~ no_day ~ " from (" ~ plyo_named(template, plan) | replace('{rows}', rows) ~ ")"
        ) -%}
    {%- endfor -%}
    {{ return(told | join(' union all ') if told else "select null, null where false") }}
{% endmacro %}

{# Whether a change log of raw was ever emptied: told by statistics of its files, asked once in a run. #}
{% macro plyo_was_ever_emptied(input) %}
    {%- set known = graph.plyo_run.emptied -%}
    {%- if input.name not in known -%}
        {%- do known.update({
            input.name: plyo_rows("select 1 from " ~ plyo_mention(input) ~ " where _op = 't' limit 1") | length > 0
        }) -%}
    {%- endif -%}
    {{ return(known[input.name]) }}
{% endmacro %}

{#
    Keeps the rows that a model deleted and inserted, in the database in memory that all models of a run share. DuckLake
    tells them as well, for which it reads the table's files again, once for each model that asks. They are only used by
    a model since whose note nothing but this one commit has changed the table. Where no model of the run reads the
    table, none are kept.
#}
{% macro plyo_keep_changes(target, same) %}
    {%- do run_query(
        "create or replace table " ~ plyo_changes_at_hand(target.schema, target.identifier)
        ~ " as select row_of_model.* exclude (_place), false as _came from temp.stored as row_of_model " ~ same
        ~ " union all by name select row_of_model.*, true as _came from temp.made as row_of_model " ~ same
    ) -%}
    {%- do graph.plyo_run.at_hand.append(target.schema ~ '.' ~ target.identifier) -%}
{% endmacro %}

{% macro plyo_changes_at_hand(schema, name) -%}
    {{ return('memory.main."changes.' ~ schema ~ '.' ~ name ~ '"') }}
{%- endmacro %}

{# The model's SQL reading no more of its inputs than the parts need. #}
{% macro plyo_narrowed(plan, sql) %}
    {%- set text = namespace(sql=sql) -%}
    {%- for name, instead in plan.parts.get('instead', {}).items() -%}
        {%- set before, rest = text.sql.split('-- whole: ' ~ name ~ '\n') -%}
        {%- set text.sql = before ~ plyo_named(instead, plan) ~ rest.split('-- end: ' ~ name)[1] -%}
    {%- endfor -%}
    {%- for name, only in plan.parts.only.items() -%}
        {%- set condition = plyo_named(only, plan) -%}
        {%- set input = plan.inputs | selectattr('name', 'equalto', name) | first -%}
        {%- set mention = plyo_mention(input) -%}
        {%- if condition.startswith('select ') or condition.startswith('with ') -%}
            {%- set text.sql = text.sql | replace(mention, '(' ~ condition ~ ')') -%}
        {%- elif input.kind == 'view' -%}
            {%- set raw_table = plan.inputs | selectattr('view', 'equalto', name) | first -%}
            {%- set raw_mention = plyo_mention(raw_table) -%}
            {%- set inner = render(graph.nodes['model.plyo.' ~ name].raw_code)
                | replace(raw_mention, '(select * from ' ~ raw_mention ~ ' where ' ~ condition ~ ')', 1) -%}
            {%- set text.sql = text.sql | replace(mention, '(' ~ inner ~ ')') -%}
        {%- else -%}
            {%- set text.sql = text.sql | replace(
                mention, '(select * from ' ~ mention ~ ' as row_of_input where ' ~ condition ~ ')'
            ) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(text.sql) }}
{% endmacro %}

{# Whether a table never had a row. DuckLake keeps no statistics of it, and asks for them again for each column. #}
{% macro plyo_is_unfilled(lake, relation) %}
    {%- set name = lake ~ '.' ~ relation.schema ~ '.' ~ relation.identifier -%}
    {%- set moves = graph.plyo_run.moves.get(name) -%}
    {{ return(moves is not none and moves.is_empty and name not in graph.plyo_run.wrote) }}
{% endmacro %}

{# SQL that reads no table which never had a row, itself or through a staging view. #}
{% macro plyo_without_unfilled(sql) %}
    {%- set text, run = namespace(sql=sql), graph.plyo_run -%}
    {%- set mentions = [] -%}
    {%- for name, moves in run.moves.items() | list if moves.is_empty and name not in run.wrote -%}
        {%- do mentions.append('"' ~ name.split('.') | join('"."') ~ '"') -%}
    {%- endfor -%}
    {%- if 'views' not in run.unfilled -%}
        {%- do run.unfilled.update({'views': plyo_unfilled_views(mentions)}) -%}
    {%- endif -%}
    {%- for mention, view in run.unfilled.views.items() if mention in text.sql -%}
        {%- set text.sql = text.sql | replace(mention, '(' ~ render(view.raw_code) ~ ')') -%}
    {%- endfor -%}
    {%- for mention in mentions if mention in text.sql -%}
        {%- set text.sql = text.sql | replace(mention, '(select * from ' ~ mention ~ ' where false)') -%}
    {%- endfor -%}
    {{ return(text.sql) }}
{% endmacro %}

{# Views of raw tables alone of which one is mentioned here: how each is mentioned, and its node. #}
{% macro plyo_unfilled_views(mentions) %}
    {%- set views = {} -%}
    {%- for node in graph.nodes.values() if node.resource_type == 'model' and node.config.materialized == 'view' -%}
        {%- set read = [] -%}
        {%- for id in node.depends_on.nodes -%} {%- do read.append(graph.sources.get(id)) -%} {%- endfor -%}
        {%- if read and none not in read -%}
            {%- for source in read if '"' ~ source.database ~ '"."' ~ source.schema ~ '"."' ~ source.identifier ~ '"'
                in mentions -%}
                {%- do views.update({'"' ~ node.database ~ '"."' ~ node.schema ~ '"."' ~ node.alias ~ '"': node}) -%}
            {%- endfor -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(views) }}
{% endmacro %}

{% macro plyo_mention(input) -%}
    {{ return('"' ~ input.lake ~ '"."' ~ input.schema ~ '"."' ~ input.table ~ '"') }}
{%- endmacro %}

{# A template with the names of relations put in. #}
{% macro plyo_named(template, plan) %}
    {%- set text = namespace(sql=template | trim | replace('{this}', this | string) | replace('{parts}', 'temp.parts')
        | replace('{ever}', "date '0001-01-01'") | replace('{then}', "timestamptz '" ~ plan.before.now ~ "'")
        | replace('{now}', "timestamptz '" ~ plan.now ~ "'")) -%}
    {%- for input in plan.inputs -%}
        {%- set text.sql = text.sql | replace('{' ~ input.name ~ '}', plyo_mention(input)) -%}
    {%- endfor -%}
    {{ return(text.sql) }}
{% endmacro %}
