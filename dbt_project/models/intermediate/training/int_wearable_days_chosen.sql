{% set values_told -%}
    (case when sleep_minutes is null then 0 else 1 end)
        + (case when hrv_rmssd_ms is null then 0 else 1 end)
        + (case when resting_heart_rate_bpm is null then 0 else 1 end)
        + (case when steps is null then 0 else 1 end)
{%- endset %}
{{ config(meta={'parts': {
    'key': 'customer_id',
    'day': 'day',
    'changed': {
        'int_wearable_readings': 'select customer_id, day from {rows}',
        'int_health_consents': 'select customer_id, {ever} from {rows}',
    },
    'only': {'int_wearable_readings': 'customer_id in (select key from {parts})'},
    'instead': {'reported': "
        with worn as (
            select allowed.customer_id, allowed.device, count(*) as days from allowed
            inner join {parts} as part on allowed.customer_id = part.key and allowed.day < part.since
            group by allowed.customer_id, allowed.device
        ),

        recent as (
            select allowed.* from allowed
            semi join {parts} as part on allowed.customer_id = part.key and allowed.day >= part.since
        )

        select
            recent.*,
            " ~ values_told ~ " as values_told,
            count(*) over (partition by recent.customer_id, recent.day) as devices_seen,
            coalesce(worn.days, 0) + count(*) over (
                partition by recent.customer_id, recent.device order by recent.day
                rows between unbounded preceding and current row
            ) as days_worn
        from recent
        left join worn on recent.customer_id = worn.customer_id and recent.device is not distinct from worn.device
    "},
}}) }}
-- Of the devices that reported a day, the one that counts: the most complete, then the one worn most so far. Only what
-- the customer allows: sleep and the rest of a day are consented to apart.
with allowed as (
    select
        reading.customer_id,
        reading.day,
        reading.device,
        case when consent.allows_sleep then reading.sleep_minutes end as sleep_minutes,
        case when consent.allows_sleep then reading.in_bed_minutes end as in_bed_minutes,
        case when consent.allows_daily then reading.hrv_rmssd_ms end as hrv_rmssd_ms,
        case when consent.allows_daily then reading.resting_heart_rate_bpm end as resting_heart_rate_bpm,
        case when consent.allows_daily then reading.steps end as steps
    from {{ ref('int_wearable_readings') }} as reading
    inner join {{ ref('int_health_consents') }} as consent on reading.customer_id = consent.customer_id
    where consent.allows_daily or (consent.allows_sleep and reading.sleep_minutes is not null)
),

reported as (
    -- whole: reported
    select
        *,
        {{ values_told }} as values_told,
        count(*) over (partition by customer_id, day) as devices_seen,
        count(*) over (
            partition by customer_id, device order by day rows between unbounded preceding and current row
        ) as days_worn
    from allowed
    -- end: reported
),

ranked as (
    select
        *,
        row_number() over (
            partition by customer_id, day order by values_told desc, days_worn desc, device asc
        ) as place
    from reported
)

select
    customer_id,
    day,
    device,
    cast(devices_seen as integer) as devices_seen,
    sleep_minutes,
    in_bed_minutes,
    hrv_rmssd_ms,
    resting_heart_rate_bpm,
    steps
from ranked
where place = 1
