{{ config(meta={'parts': {
    'key': 'customer_id',
    'day': 'day',
    'changed': {
        'stg_training__wearable_days': 'select customer_id, day from {rows}',
        'stg_wearables__sleeps': 'select customer_id, {ever} from {rows}',
        'stg_wearables__days': 'select customer_id, {ever} from {rows}',
    },
    'only': {
        'stg_training__wearable_days': "
            training__wearable_days.day >= {earliest} and exists (
                select 1 from {parts} as part
                where part.key = training__wearable_days.customer_id and training__wearable_days.day >= part.since
            )
        ",
    },
}}) }}
-- One device's day, whichever way it came: as operations have it, or made of what its maker sent. HRV is RMSSD only, of
-- the night where there is one: SDNN is another measure and never stands in for it.
with told as (
    select
        customer_id,
        day,
        device,
        sleep_minutes,
        cast(null as integer) as in_bed_minutes,
        hrv_rmssd_ms,
        resting_heart_rate_bpm,
        steps,
        1 as place
    from {{ ref('stg_training__wearable_days') }}
    union all
    select
        customer_id,
        day,
        lower(provider) as device,
        cast({{ half_up('sum(asleep_seconds)', 60) }} as integer) as sleep_minutes,
        cast({{ half_up('sum(in_bed_seconds)', 60) }} as integer) as in_bed_minutes,
        avg(hrv_rmssd_ms) as hrv_rmssd_ms,
        cast({{ half_up('min(resting_heart_rate_bpm)') }} as integer) as resting_heart_rate_bpm,
        null as steps,
        2 as place
    from {{ ref('stg_wearables__sleeps') }}
    where not is_nap
    group by customer_id, day, lower(provider)
    union all
    select
        customer_id,
        day,
        lower(provider) as device,
        null as sleep_minutes,
        null as in_bed_minutes,
        hrv_rmssd_ms,
        cast({{ half_up('resting_heart_rate_bpm') }} as integer) as resting_heart_rate_bpm,
        cast(steps as integer) as steps,
        3 as place
    from {{ ref('stg_wearables__days') }}
)

select
    customer_id,
    day,
    device,
    cast(max(sleep_minutes) as integer) as sleep_minutes,
    cast(max(in_bed_minutes) as integer) as in_bed_minutes,
    cast(
        coalesce(
            max(case when place = 1 then hrv_rmssd_ms end),
            max(case when place = 2 then hrv_rmssd_ms end),
            max(case when place = 3 then hrv_rmssd_ms end)
        ) as {{ double() }}
    ) as hrv_rmssd_ms,
    cast(
        coalesce(
            max(case when place = 1 then resting_heart_rate_bpm end),
            max(case when place = 3 then resting_heart_rate_bpm end),
            max(case when place = 2 then resting_heart_rate_bpm end)
        ) as integer
    ) as resting_heart_rate_bpm,
    cast(max(steps) as integer) as steps
from told
group by customer_id, day, device
