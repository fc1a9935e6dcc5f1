{#
    No run begins while a column of a model or seed is not tagged with what it tells about people, or while nobody can be
    found by what is told of their health or who they are. Tags are written by contracts.dbt_tags.
#}
{% macro refuse_untagged() -%}
    {%- if execute -%}
        {%- set wrong = [] -%}
        {%- for node in graph.nodes.values() if node.resource_type in ('model', 'seed') -%}
            {%- for column in node.columns.values() -%}
                {%- set meta = column.meta or {} -%}
                {%- set missing = ['class', 'purpose', 'retention', 'mask'] | reject('in', meta) | list -%}
                {%- if missing -%}
                    {%- do wrong.append(node.name ~ '.' ~ column.name ~ ' has no ' ~ missing | join(', ')) -%}
                {%- elif meta['class'] in ('identity', 'health') and not meta.get('subject_key') -%}
                    {%- do wrong.append(node.name ~ '.' ~ column.name ~ ' is of nobody who can be found') -%}
                {%- endif -%}
            {%- endfor -%}
        {%- endfor -%}
        {%- if wrong -%}
            {{ exceptions.raise_compiler_error(
                'Columns without tags; say their class in contracts/classification.py and write them with '
                ~ '`python -m contracts.dbt_tags`: ' ~ wrong | join('; ')
            ) }}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}

{#
    A view or table that was just made has no column that its schema file leaves out: nobody would have said what that
    tells about people. Asked once, when the model's code is new; a contract asks the same of marts.
#}
{% macro refuse_undescribed(relation) -%}
    {%- set described = model.columns.keys() | map('lower') | list -%}
    {%- set left_out = run_query('describe ' ~ relation).columns[0].values() | map('lower') | reject('in', described) | list -%}
    {%- if left_out -%}
        {{ exceptions.raise_compiler_error(
            relation.identifier ~ ' has columns that its schema file leaves out, so without tags: ' ~ left_out | join(', ')
        ) }}
    {%- endif -%}
{%- endmacro %}
