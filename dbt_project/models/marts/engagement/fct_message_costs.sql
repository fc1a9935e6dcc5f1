-- A text is charged by its segments, at the price of when it left, also where another channel had to say it again: then
-- the message left by both. Nothing else is charged by the message.
with messages as (
    select
        channel,
        purpose,
        sent_at,
        case when channel = 'sms' then segments end as segments,
        case when channel = 'sms' then cost_thousandths end as cost_thousandths,
        case when channel = 'sms' then currency end as currency
    from {{ ref('fct_deliveries') }}
    where sent_at is not null
    union all
    select
        'sms' as channel,
        purpose,
        sent_at,
        segments,
        cost_thousandths,
        currency
    from {{ ref('fct_deliveries') }}
    where sent_at is not null and channel <> 'sms' and segments is not null
)

select
    {{ first_of_month(local_date('sent_at', "'UTC'")) }} as month,
    channel as message_channel,
    purpose as message_purpose,
    cast(count(*) as integer) as messages,
    cast(sum(segments) as integer) as segments,
    {{ half_up('sum(cost_thousandths)', 1000) }} as cost_minor,
    currency
from messages
group by 1, 2, 3, 7
