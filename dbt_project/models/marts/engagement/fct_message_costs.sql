-- A text is charged by its segments, also where another channel had to say it again: then the message left by both. What
-- a thousand segments are charged is a setting, as on the page of announcements; nothing else is charged by the message.
{% set price = env_var('PLYO_SMS_THOUSAND_SEGMENTS_MINOR', '0') | int %}
with messages as (
    select
        channel,
        purpose,
        sent_at,
        case when channel = 'sms' then segments end as segments
    from {{ ref('fct_deliveries') }}
    where sent_at is not null
    union all
    select
        'sms' as channel,
        purpose,
        sent_at,
        segments
    from {{ ref('fct_deliveries') }}
    where sent_at is not null and channel <> 'sms' and segments is not null
),

months as (
    select
        {{ first_of_month(local_date('sent_at', "'UTC'")) }} as month,
        channel as message_channel,
        purpose as message_purpose,
        cast(count(*) as integer) as messages,
        cast(sum(segments) as integer) as segments
    from messages
    group by 1, 2, 3
)

select
    month,
    message_channel,
    message_purpose,
    messages,
    segments,
    {% if price %}
        {{ half_up('segments * ' ~ price, 1000) }} as cost_minor,
        case when segments is not null then '{{ env_var("PLYO_SMS_CURRENCY", "EUR") }}' end as currency
    {% else %}
        cast(null as bigint) as cost_minor,
        cast(null as {{ dbt.type_string() }}) as currency
    {% endif %}
from months
