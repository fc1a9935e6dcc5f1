{# Makes the touched parts of a table anew, in one transaction, and writes those that differ. See `plyo_plan`. #}
{% macro plyo_replace_part(target, plan, sql) %}
    {%- set parts, day = plan.parts, plan.parts.get('day') -%}
    {%- set touched = plyo_touched(plan) -%}
    {% do run_query("drop table if exists temp.parts; drop table if exists temp.made; drop table if exists temp.wrong") %}
    {%- if touched is none -%}
        {%- set narrowed, everywhere, inside = sql, 'true', 'true' -%}
    {%- else -%}
        {%- do run_query(
            "create temp table parts as select key, min(since) as since from (" ~ touched ~ ") as told (key, since) "
            ~ "where key is not null and since is not null group by key"
        ) -%}
        {%- set narrowed = plyo_narrowed(plan, sql) -%}
        {%- set earliest = plyo_rows("select min(since) from temp.parts")[0][0] if day -%}
        {%- set inside -%}
            {# DuckLake leaves out files by the first condition, which the second implies. -#}
            {%- if earliest %} row_of_model.{{ day }} >= date '{{ earliest }}' and {% endif %} exists (
                select 1 from temp.parts as part
                where part.key = row_of_model.{{ parts.key }} {%- if day %} and row_of_model.{{ day }} >= part.since {%- endif %}
            )
        {%- endset -%}
    {%- endif -%}
    {%- set together = [parts.key] + ([day] if day else []) -%}
    {%- set columns = plyo_columns(target) -%}
    {%- do run_query(
        "create temp table made as select " ~ columns ~ " from (" ~ narrowed ~ ") as row_of_model where " ~ inside
    ) -%}
    {%- do run_query(
        "create temp table wrong as select distinct " ~ together | join(', ') ~ " from (select " ~ columns
        ~ ", 1 as stored from " ~ target ~ " as row_of_model where " ~ inside ~ " union all by name select *, -1 as stored "
        ~ "from temp.made) group by " ~ columns ~ " having sum(stored) <> 0"
    ) -%}
    {%- set differs = plyo_rows("select count(*) from temp.wrong")[0][0] > 0 -%}
    {%- set same -%}
        exists (
            select 1 from temp.wrong
            where {% for column in together %}{{ ' and ' if not loop.first }}wrong.{{ column }} is not distinct from row_of_model.{{ column }}{% endfor %}
        )
    {%- endset -%}
    {% call statement('main') -%}
        {% if differs -%}
            delete from {{ target }} as row_of_model where {{ same }};
            insert into {{ target }} by name select * from temp.made as row_of_model where {{ same }};
        {% endif -%}
        {{ plyo_note(target, 'table', plan.noted) }}
    {%- endcall %}
{% endmacro %}

{% macro plyo_columns(relation) %}
    {%- set names = adapter.get_columns_in_relation(relation) | map(attribute='name') -%}
    {{ return('"' ~ names | join('", "') ~ '"') }}
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
        {%- set rows = "ducklake_table_changes('" ~ input.lake ~ "', '" ~ input.schema ~ "', '" ~ input.table ~ "', "
            ~ (plan.before[input.lake] + 1) ~ ", " ~ until ~ ")" -%}
        {%- if input.lake == 'raw' and plyo_rows("select 1 from " ~ rows ~ " where _op = 't' limit 1") -%}
            {{ return(none) }}
        {%- endif -%}
        {%- do told.append(
            "select *" ~ no_day ~ " from (" ~ plyo_named(template, plan) | replace('{rows}', rows) ~ ")"
        ) -%}
    {%- endfor -%}
    {{ return(told | join(' union all ') if told else "select null, null where false") }}
{% endmacro %}

{# The model's SQL reading no more of its inputs than the parts need. #}
{% macro plyo_narrowed(plan, sql) %}
    {%- set text = namespace(sql=sql) -%}
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
