{#
    The objects of a raw table of documents as they are now: `id`, `document` (JSON), `is_deleted`, `loaded_at`.

    The newest version of an id is the one its source changed last; where the source does not say when, the one landed
    last. Of a deleted object the document is the last that was seen alive: what is told of its end says only its id.

    Args:
        provider: Name of a source, `stripe` or `hubspot`.
        plural: Name of the table in it.
#}
{% macro newest_documents(provider, plural) -%}
    {{ return(adapter.dispatch('newest_documents')(source(provider, plural))) }}
{%- endmacro %}

{% macro default__newest_documents(raw) -%}
    (
        select
            id,
            is_deleted,
            loaded_at,
            coalesce(alive, document) as document
        from (
            select
                id,
                document,
                _deleted as is_deleted,
                _landed_at as loaded_at,
                first_value(document) over (
                    partition by id order by _deleted, coalesce(_version, _landed_at) desc, _batch_id desc
                ) as alive,
                row_number() over (
                    partition by id order by coalesce(_version, _landed_at) desc, _batch_id desc
                ) as _newest
            from {{ raw }}
        ) as ranked
        where _newest = 1
    )
{%- endmacro %}

{% macro duckdb__newest_documents(raw) -%}
    (
        select
            id,
            coalesce(arg_max(document, _place) filter (where not _deleted), arg_max(document, _place)) as document,
            arg_max(_deleted, _place) as is_deleted,
            arg_max(_landed_at, _place) as loaded_at
        from (select *, row(coalesce(_version, _landed_at), _batch_id) as _place from {{ raw }}) as placed
        group by id
    )
{%- endmacro %}

{# A member of the column `document` as text; null where there is none. `path` is like `lines.data[0].id`. #}
{% macro doc_text(path) -%} {{ return(adapter.dispatch('json_text')('document', path)) }} {%- endmacro %}

{# The same as a whole number. #}
{% macro doc_integer(path) -%} cast({{ doc_text(path) }} as bigint) {%- endmacro %}

{# The same as true or false. #}
{% macro doc_boolean(path) -%} cast({{ doc_text(path) }} as boolean) {%- endmacro %}

{# The same as an instant, from ISO 8601. #}
{% macro doc_time(path) -%} cast({{ doc_text(path) }} as {{ instant_type() }}) {%- endmacro %}

{# The same as an instant, from Unix seconds. #}
{% macro doc_epoch(path) -%} {{ return(adapter.dispatch('epoch')(doc_integer(path))) }} {%- endmacro %}

{# The elements of a list in a column of JSON, as a relation `element` with one column `value`, to join laterally. #}
{% macro json_elements(column, path) -%} {{ return(adapter.dispatch('json_elements')(column, path)) }} {%- endmacro %}

{# A member of any expression of JSON as text. #}
{% macro json_text(expression, path) -%} {{ return(adapter.dispatch('json_text')(expression, path)) }} {%- endmacro %}

{% macro default__json_text(expression, path) -%}
    ({{ expression }} #>> '{ {{- path | replace('[', ',') | replace(']', '') | replace('.', ',') -}} }')
{%- endmacro %}

{% macro duckdb__json_text(expression, path) -%} ({{ expression }} ->> '$.{{ path }}') {%- endmacro %}

{# Documents are landed as text there; their elements are variants. #}
{% macro snowflake__json_text(expression, path) -%}
    cast(get_path(parse_json(cast({{ expression }} as varchar)), '{{ path }}') as varchar)
{%- endmacro %}

{% macro bigquery__json_text(expression, path) -%} json_value({{ expression }}, '$.{{ path }}') {%- endmacro %}

{% macro default__epoch(seconds) -%} to_timestamp({{ seconds }}) {%- endmacro %}

{# Its own function gives a time without a zone. #}
{% macro snowflake__epoch(seconds) -%}
    dateadd('second', {{ seconds }}, {{ instant('1970-01-01 00:00:00+00') }})
{%- endmacro %}

{% macro bigquery__epoch(seconds) -%} timestamp_seconds({{ seconds }}) {%- endmacro %}

{% macro default__json_elements(column, path) -%}
    lateral jsonb_array_elements({{ column }} #> '{ {{- path | replace('.', ',') -}} }') as element (value)
{%- endmacro %}

{% macro duckdb__json_elements(column, path) -%}
    unnest(cast({{ column }} -> '$.{{ path }}' as json [])) as element (value)
{%- endmacro %}

{% macro snowflake__json_elements(column, path) -%}
    lateral flatten(input => get_path(parse_json(cast({{ column }} as varchar)), '{{ path }}')) as element
{%- endmacro %}

{% macro bigquery__json_elements(column, path) -%}
    unnest(array(
        select as struct piece as value
        from unnest(json_query_array({{ column }}, '$.{{ path }}')) as piece
    )) as element
{%- endmacro %}

{# The pieces of a text between separators, as a relation `element` with one column `value`, to join laterally. #}
{% macro text_pieces(expression, separator) -%}
    {{ return(adapter.dispatch('text_pieces')(expression, separator)) }}
{%- endmacro %}

{% macro default__text_pieces(expression, separator) -%}
    unnest(string_to_array({{ expression }}, '{{ separator }}')) as element (value)
{%- endmacro %}

{% macro snowflake__text_pieces(expression, separator) -%}
    lateral flatten(input => split({{ expression }}, '{{ separator }}')) as element
{%- endmacro %}

{% macro bigquery__text_pieces(expression, separator) -%}
    unnest(array(
        select as struct piece as value
        from unnest(split({{ expression }}, '{{ separator }}')) as piece
    )) as element
{%- endmacro %}

{# An amount in major units, like `490.50`, in minor units; null in a currency that `contracts.money` does not know. #}
{% macro minor_units(amount, currency) -%}
    cast(round(cast({{ amount }} as decimal(28, 6)) * case
        when {{ currency }} in ('EUR', 'USD', 'GBP', 'CHF') then 100
        when {{ currency }} in ('VND', 'JPY', 'KRW') then 1
        when {{ currency }} in ('KWD', 'BHD') then 1000
    end) as bigint)
{%- endmacro %}
