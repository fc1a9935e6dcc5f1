{% set of_another_zone = "
    select customer_id from {rows} group by customer_id having count(*) % 2 = 1 or count(distinct time_zone) > 1
" %}
{{ config(meta={'parts': {
    'key': 'customer_id',
    'day': 'day',
    'changed': {
        'training__clients': 'select id, {ever} from {rows}',
        'training__wearable_days': 'select customer_id, day from {rows}',
        'stg_wearables__sleeps': 'select customer_id, {ever} from {rows}',
        'stg_wearables__days': 'select customer_id, {ever} from {rows}',
        'int_customers': 'select customer_id, {ever} from (' ~ of_another_zone ~ ') as moved',
    },
    'only': {
        'training__wearable_days': 'day >= {earliest} and customer_id in (select key from {parts})',
    },
}}) }}
-- Readings that were told later than the day they are about, such as nights that a watch had kept: as
-- `int_facts_told_late`, of devices.
with reading as (
    select
        told.customer_id,
        told.day,
        told.device,
        told.told_at
    from {{ first_told('training__wearable_days', key=['customer_id', 'day', 'device']) }} as told
    union all
    select
        customer_id,
        day,
        lower(provider) as device,
        first_received_at as told_at
    from {{ ref('stg_wearables__sleeps') }}
    where not is_nap
    union all
    select
        customer_id,
        day,
        lower(provider) as device,
        first_received_at as told_at
    from {{ ref('stg_wearables__days') }}
),

first_reading as (
    select
        customer_id,
        day,
        device,
        min(told_at) as told_at
    from reading
    group by customer_id, day, device
),

dated as (
    select
        about.customer_id,
        about.day,
        about.device,
        {{ local_date('about.told_at', 'customer.time_zone') }} as told_on,
        {{ local_date('client.told_at', 'customer.time_zone') }} as came_on
    from first_reading as about
    inner join {{ ref('int_customers') }} as customer on about.customer_id = customer.customer_id
    left join {{ first_told('training__clients') }} as client on about.customer_id = client.id
)

select
    customer_id,
    day,
    device,
    told_on
from dated
where told_on > day and (came_on is null or day >= came_on)
