{{ config(meta={'parts': {
    'key': 'customer_id', 'changed': {}, 'only': {},
}}) }}
-- One row per membership that was ever paid for: from when to when, on the customer's calendar.
select
    subscription_id,
    customer_id,
    currency,
    min(case when step = 'started' then changed_at end) as started_at,
    min(case when step = 'started' then changed_on end) as started_on,
    max(case when step = 'ended' then changed_at end) as ended_at,
    max(case when step = 'ended' then changed_on end) as ended_on
from {{ ref('int_membership_changes') }}
group by subscription_id, customer_id, currency
having min(case when step = 'started' then changed_at end) is not null
