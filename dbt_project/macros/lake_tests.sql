{#
    Rows that a data test of single rows, or of uniqueness, looks at. In a build after one of which all data tests
    passed, only what came since can break one. Which snapshots those were is told by the planner of builds
    (`orchestration/build.py`); dbt run by hand is told of none and looks at all rows.

    - Uniqueness: only rows with the keys of rows that came are compared.
    - Accepted values, not null: where no row that came is wrong, no row is. Otherwise all are looked at, so that the
      test says what it would say of all: the wrong row may have been put right by the next.
#}
{% macro duckdb__get_where_subquery(relation) -%}
    {%- set test = model.get('test_metadata') or {} -%}
    {%- set passed = plyo_passed() -%}
    {%- if not passed or config.get('where') or not model.attached_node -%}
        {{ return(dbt.default__get_where_subquery(relation)) }}
    {%- endif -%}
    {%- set node = graph.nodes[model.attached_node] -%}
    {%- set looked_at = plyo_looked_at(node) -%}
    {%- if not looked_at or test.name not in ('unique', 'unique_together', 'accepted_values', 'not_null') -%}
        {{ return(dbt.default__get_where_subquery(relation)) }}
    {%- endif -%}
    {%- set now = plyo_looked_for(looked_at) -%}
    {%- set moved = plyo_moved([looked_at], passed).get(looked_at.name) -%}
    {%- set columns = test.kwargs.get('columns') or [test.kwargs.column_name] -%}
    {#- Of no table, so that nobody has to look for it: DuckLake asks its catalog four times for each it reads. #}
    {%- set none_of_them = "(select cast(null as varchar) as " ~ columns | join(", cast(null as varchar) as ")
        ~ " where false) as no_rows" -%}
    {%- if not moved -%} {{ return(none_of_them) }} {%- endif -%}
    {%- if moved == 'remade' -%} {{ return(dbt.default__get_where_subquery(relation)) }} {%- endif -%}
    {%- if test.name in ('accepted_values', 'not_null') -%}
        {%- set is_wrong = plyo_came_wrong(node, looked_at, passed, now) -%}
        {{ return(dbt.default__get_where_subquery(relation) if is_wrong else none_of_them) }}
    {%- elif node.config.materialized != 'table' -%}
        {{ return(dbt.default__get_where_subquery(relation)) }}
    {%- endif -%}
    {#- By `=` DuckDB leaves out what it need not read; where both may be null it is not the same. #}
    {%- set never_null = [test.kwargs.column_name] -%}
    {%- for column in node.columns.values() if column.constraints | selectattr('type', 'equalto', 'not_null') | list -%}
        {%- do never_null.append(column.name) -%}
    {%- endfor -%}
    {%- set came -%}
        (
            select * from {{ relation }} as row_of_model
            semi join {{ plyo_came(looked_at, passed, now) }} as came
                on
                    {%- for column in columns %}
                    {{ 'and ' if not loop.first }}row_of_model.{{ column }}
                    {{ '=' if column in never_null else 'is not distinct from' }} came.{{ column }}
                    {%- endfor %}
        ) as rows_that_came
    {%- endset -%}
    {{ return(came) }}
{%- endmacro %}

{#
    The snapshot that data tests of a table look at: marts is looked at once for all of a model's, which come after it;
    raw is read as it was when the run began.
#}
{% macro plyo_looked_for(table) %}
    {%- set run = graph.plyo_run -%}
    {%- if table.lake == 'raw' -%} {{ return(run.raw) }} {%- endif -%}
    {%- if table.name not in run.looked_for -%}
        {%- do run.looked_for.update({table.name: plyo_look_around()}) -%}
    {%- endif -%}
    {{ return(run.looked_for[table.name]) }}
{% endmacro %}

{#
    Snapshots of both lakes of which all data tests passed; none where nobody says so. Not asked while dbt parses, which
    would parse the project anew whenever the answer is another.
#}
{% macro plyo_passed() %}
    {%- if not execute -%} {{ return(none) }} {%- endif -%}
    {%- set raw, marts = env_var('PLYO_LAKE_TESTED_RAW_SNAPSHOT', ''), env_var('PLYO_LAKE_TESTED_SNAPSHOT', '') -%}
    {{ return({'raw': raw | int, 'marts': marts | int} if raw and marts else none) }}
{% endmacro %}

{# The table whose rows decide what a test of a model sees: its own, or the only one that a staging view reads. #}
{% macro plyo_looked_at(node) %}
    {%- if node.config.materialized == 'table' -%}
        {{ return({
            'name': node.name, 'lake': node.database, 'schema': node.schema, 'table': node.alias, 'view': none
        }) }}
    {%- endif -%}
    {%- set inputs = plyo_inputs(node) if node.config.materialized == 'view' else [] -%}
    {%- set asks_clock = 'now()' in node.raw_code or 'today(' in node.raw_code -%}
    {%- if inputs | length == 1 and inputs[0].lake == 'raw' and not asks_clock -%}
        {{ return(inputs[0]) }}
    {%- endif -%}
    {{ return(none) }}
{% endmacro %}

{# Rows that came into a table since, until the snapshot `now`. #}
{% macro plyo_came(table, passed, now) -%}
    {{ return(
        "ducklake_table_insertions('" ~ table.lake ~ "', '" ~ table.schema ~ "', '" ~ table.table ~ "', "
        ~ (passed[table.lake] + 1) ~ ", " ~ now ~ ")"
    ) }}
{%- endmacro %}

{# Whether a row that came is wrong by a test of single rows, or a raw row went, behind which an older one shows. #}
{% macro plyo_came_wrong(node, table, passed, now) %}
    {%- set came, arguments = plyo_came(table, passed, now), model.test_metadata.kwargs -%}
    {%- set rows, went = came, "0" -%}
    {%- if table.lake == 'raw' -%}
        {%- set rows = '(' ~ render(node.raw_code) | replace(plyo_mention(table), came) ~ ')' -%}
        {%- if plyo_went(table, passed.raw) -%}
            {%- set went = "(select count(*) from " ~ came | replace('table_insertions', 'table_deletions') ~ ")" -%}
        {%- endif -%}
    {%- endif -%}
    {%- if model.test_metadata.name == 'not_null' -%}
        {%- set wrong = arguments.column_name ~ " is null" -%}
    {%- else -%}
        {%- set quote = "'" if arguments.get('quote', true) else "" -%}
        {%- set accepted = quote ~ arguments['values'] | join(quote ~ ", " ~ quote) ~ quote -%}
        {%- set wrong = arguments.column_name ~ " not in (" ~ accepted ~ ")" -%}
    {%- endif -%}
    {{ return(
        plyo_rows("select (select count(*) from " ~ rows ~ " as came where " ~ wrong ~ ") + " ~ went)[0][0] > 0
    ) }}
{% endmacro %}

{#
    For a data test of our own: the first instant in a column of a mart's rows that came since all data tests passed, as
    SQL; none where all rows have to be looked at.
#}
{% macro plyo_first_that_came(name, column) %}
    {{ return(adapter.dispatch('plyo_first_that_came')(name, column)) }}
{% endmacro %}

{% macro default__plyo_first_that_came(name, column) %} {{ return(none) }} {% endmacro %}

{% macro duckdb__plyo_first_that_came(name, column) %}
    {%- set passed = plyo_passed() -%}
    {%- if not passed -%} {{ return(none) }} {%- endif -%}
    {%- set table = plyo_looked_at(graph.nodes['model.plyo.' ~ name]) -%}
    {%- set now = plyo_looked_for(table) -%}
    {%- set moved = plyo_moved([table], passed).get(name) -%}
    {%- if moved == 'remade' -%} {{ return(none) }} {%- endif -%}
    {%- set first = plyo_rows(
        "select epoch_us(min(" ~ column ~ ")) from " ~ plyo_came(table, passed, now)
    )[0][0] if moved -%}
    {{ return("timestamptz 'infinity'" if first is none else "make_timestamptz(" ~ first | int ~ ")") }}
{% endmacro %}
