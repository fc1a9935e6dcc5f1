{# Words of SQL that warehouses spell differently. Of time: time.sql; of documents: documents.sql. #}

{# A floating number of 64 bits, as a type. #}
{% macro double() -%} {{ return(adapter.dispatch('double')()) }} {%- endmacro %}

{% macro default__double() -%} double precision {%- endmacro %}

{% macro bigquery__double() -%} float64 {%- endmacro %}

{# Any value as text. #}
{% macro as_text(expression) -%} {{ return(adapter.dispatch('as_text')(expression)) }} {%- endmacro %}

{% macro default__as_text(expression) -%} cast({{ expression }} as varchar) {%- endmacro %}

{% macro bigquery__as_text(expression) -%} cast({{ expression }} as string) {%- endmacro %}

{# An id as the ids of raw are: a UUID, or its text where there is no such type. #}
{% macro as_id(expression) -%} {{ return(adapter.dispatch('as_id')(expression)) }} {%- endmacro %}

{% macro default__as_id(expression) -%} cast({{ expression }} as uuid) {%- endmacro %}

{% macro snowflake__as_id(expression) -%} {{ as_text(expression) }} {%- endmacro %}

{% macro bigquery__as_id(expression) -%} {{ as_text(expression) }} {%- endmacro %}

{# One text of several columns, of which any may be null: those are left out. #}
{% macro joined_text(columns) -%} {{ return(adapter.dispatch('joined_text')(columns)) }} {%- endmacro %}

{% macro default__joined_text(columns) -%} concat({{ columns | join(', ') }}) {%- endmacro %}

{# A null would make all of it null. #}
{% macro snowflake__joined_text(columns) -%}
    concat({% for column in columns %}coalesce({{ as_text(column) }}, ''){{ ', ' if not loop.last }}{% endfor %})
{%- endmacro %}

{% macro bigquery__joined_text(columns) -%} {{ snowflake__joined_text(columns) }} {%- endmacro %}

{# MD5 of a text, in hexadecimal digits. #}
{% macro md5_of(text) -%} {{ return(adapter.dispatch('md5_of')(text)) }} {%- endmacro %}

{% macro default__md5_of(text) -%} md5({{ text }}) {%- endmacro %}

{% macro bigquery__md5_of(text) -%} to_hex(md5({{ text }})) {%- endmacro %}

{# A column whose name is a reserved word somewhere. Snowflake folds names to upper case and quoted ones are as they are. #}
{% macro reserved(column) -%} {{ return(adapter.dispatch('reserved')(column)) }} {%- endmacro %}

{% macro default__reserved(column) -%} {{ column }} {%- endmacro %}

{% macro snowflake__reserved(column) -%} "{{ column | upper }}" {%- endmacro %}

{# Some texts as rows: a table expression with one column. #}
{% macro listed(column, texts) -%}
    (
        {% for text in texts -%}
            select '{{ text }}' as {{ column }}
            {% if not loop.last %}union all {% endif %}
        {%- endfor %}
    )
{%- endmacro %}
