{# What a thousand segments of SMS are charged, in minor units of `sms_currency`; 0 where nobody said. #}
{% macro sms_thousand_segments_minor() -%}
    {{ env_var('PLYO_SMS_THOUSAND_SEGMENTS_MINOR', '0') | int }}
{%- endmacro %}

{# In which currency the provider of SMS charges. #}
{% macro sms_currency() -%}
    '{{ env_var("PLYO_SMS_CURRENCY", "EUR") }}'
{%- endmacro %}
