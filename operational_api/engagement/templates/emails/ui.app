{% macro para() %}
<p>{{ caller() }}</p>
{% endmacro %}
{% macro quote(text) %}
<blockquote>{{ text }}</blockquote>
{% endmacro %}
{% macro button(label, url) %}
<p><a href="{{ url }}">{{ label }}</a></p>
{% endmacro %}
{% macro facts(rows) %}
<dl>
{% for name, value in rows %}
<div><dt>{{ name }}</dt><dd>{{ value }}</dd></div>
{% endfor %}
</dl>
{% endmacro %}
