{#
    How views and tables are built in the lake. DuckLake replaces a table or a view in one transaction and readers see
    the old one until it commits, so dbt-duckdb's dance (build under another name, rename twice, drop the old one in a
    second commit) buys nothing here. Other targets keep their own materializations.

    What cannot say anything new is not built: see `lake_changes.sql`.
#}
{#
    Begins a model's transaction. Where models are made side by side, one that replaces a table or a view is alone:
    DuckLake's changes of schemas race inside a process (docs/adr/0005). PostgreSQL holds the turn, for as long as the
    transaction, which has to take it before it looks at a lake: what it opens first is closed last.
#}
{% macro plyo_take_turn(alone=false) %}
    {%- do adapter.ensure_transaction() -%}
    {%- if target.threads > 1 -%}
        {%- do run_query(
            "from postgres_query('__ducklake_metadata_marts', 'select pg_advisory_xact_lock"
            ~ ("" if alone else "_shared") ~ "(748295)::text')"
        ) -%}
    {%- endif -%}
{% endmacro %}

{% materialization view, adapter='duckdb' %}
    {%- set target_relation = this.incorporate(type='view') -%}
    {%- set existing = load_cached_relation(this) -%}
    {%- if existing is not none and not existing.is_view -%}
        {%- do adapter.drop_relation(existing) -%}
    {%- endif -%}
    {%- set noted = {'code': local_md5(sql)} -%}
    {{ run_hooks(pre_hooks) }}
    {% if not should_full_refresh() and plyo_noted(this, 'view') == noted -%}
        {% call noop_statement('main', 'UNCHANGED', 'UNCHANGED', 0) %} select 1 {% endcall %}
    {%- else -%}
        {%- do plyo_take_turn(alone=true) -%}
        {% call statement('main') -%}
            create or replace view {{ target_relation }} as (
                {{ sql }}
            );
            {{ plyo_note(target_relation, 'view', noted) }}
        {%- endcall %}
        {%- do refuse_undescribed(target_relation) -%}
    {%- endif %}
    {{ run_hooks(post_hooks) }}
    {{ adapter.commit() }}
    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}

{% materialization table, adapter='duckdb' %}
    {%- set target_relation = this.incorporate(type='table') -%}
    {%- set existing = load_cached_relation(this) -%}
    {%- if existing is not none and not existing.is_table -%}
        {%- do adapter.drop_relation(existing) -%}
    {%- endif -%}
    {#- All that a model asks is of one snapshot of each lake, looked up once. #}
    {%- do plyo_take_turn() -%}
    {%- set plan = plyo_plan(model, sql) -%}
    {%- if plan.way == 'all' and target.threads > 1 -%}
        {%- do adapter.commit() -%}
        {%- do plyo_take_turn(alone=true) -%}
        {%- set plan = plyo_plan(model, sql) -%}
    {%- endif -%}
    {{ run_hooks(pre_hooks) }}
    {% if plan.way == 'nothing' -%}
        {% call noop_statement('main', 'UNCHANGED', 'UNCHANGED', 0) %} select 1 {% endcall %}
    {%- elif plan.way == 'part' -%}
        {{ plyo_replace_part(target_relation, plan, sql) }}
    {%- else -%}
        {%- set parts = model.config.meta.get('parts', {}) -%}
        {%- set order = [parts.get('day'), parts.get('key')] | select | join(', ') -%}
        {%- set ordered = "order by " ~ order if order else "" -%}
        {% call statement('main') -%}
            {%- if config.get('contract').enforced -%}
                {{ get_assert_columns_equivalent(sql) }}
                create or replace table {{ target_relation }}
                {{ get_table_columns_and_constraints() }};
                insert into {{ target_relation }} {{ get_column_names() }} (
                    {{ get_select_subquery(sql) }}
                    {{ ordered }}
                );
            {%- else -%}
                create or replace table {{ target_relation }} as (
                    select * from (
                        {{ sql }}
                    ) as whole
                    {{ ordered }}
                );
            {%- endif %}
            {{ plyo_note(target_relation, 'table', plan.noted) }}
        {%- endcall %}
        {%- if not config.get('contract').enforced -%} {%- do refuse_undescribed(target_relation) -%} {%- endif -%}
    {%- endif %}
    {{ run_hooks(post_hooks) }}
    {{ adapter.commit() }}
    {%- if plan.way == 'part' -%}
        {%- do plyo_note_later(target_relation, plan.noted, plan.wrote) -%}
        {%- if plan.wrote and model.unique_id in graph.plyo_run.read -%}
            {%- do plyo_keep_changes(target_relation, plan.wrote) -%}
        {%- endif -%}
    {%- endif -%}
    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}
