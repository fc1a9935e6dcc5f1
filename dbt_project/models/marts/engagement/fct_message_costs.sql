-- A text is charged by its segments, also where another channel had to say it again: then the message left by both. What
-- a thousand segments are charged is a setting, as on the page of announcements; nothing else is charged by the message.
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
    case
        when {{ sms_thousand_segments_minor() }} > 0
            then {{ half_up('segments * ' ~ sms_thousand_segments_minor(), 1000) }}
    end as cost_minor,
    case when {{ sms_thousand_segments_minor() }} > 0 and segments is not null then {{ sms_currency() }} end as currency
from months
