with deliveries as (
    select
        announcement_id,
        count(case when status = 'sent' then 1 end) as sent,
        count(case when delivered_at is not null then 1 end) as delivered,
        count(case when status = 'withheld' then 1 end) as withheld,
        count(case when status = 'failed' then 1 end) as failed
    from {{ ref('fct_deliveries') }}
    where announcement_id is not null
    group by announcement_id
)

select
    announcement.announcement_id,
    announcement.author_id,
    announcement.segment,
    announcement.subject,
    announcement.created_at,
    {{ local_date('announcement.created_at', "'UTC'") }} as created_on,
    announcement.recipients,
    cast(coalesce(deliveries.sent, 0) as integer) as sent,
    cast(coalesce(deliveries.delivered, 0) as integer) as delivered,
    cast(coalesce(deliveries.withheld, 0) as integer) as withheld,
    cast(coalesce(deliveries.failed, 0) as integer) as failed
from {{ ref('stg_engagement__announcements') }} as announcement
left join deliveries on announcement.announcement_id = deliveries.announcement_id
