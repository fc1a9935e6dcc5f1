select
    activity.activity_id,
    activity.customer_id,
    activity.started_at,
    activity.ended_at,
    cast(
        coalesce(
            {{ local_date(seconds_after('activity.started_at', '60 * activity.utc_offset_minutes'), "'UTC'") }},
            {{ local_date('activity.started_at', 'customer.time_zone') }}
        ) as date
    ) as local_day,
    activity.activity_type,
    activity.activity_name,
    activity.source,
    activity.provider,
    activity.device,
    activity.is_manual,
    cast(activity.duration_seconds / 60 as {{ double() }}) as duration_minutes,
    activity.distance_m,
    activity.active_energy_kcal,
    activity.average_heart_rate_bpm,
    activity.max_heart_rate_bpm,
    activity.elevation_gain_m,
    activity.average_power_w,
    activity.trimp,
    verdict.is_counted,
    verdict.counted_activity_id,
    case
        when verdict.is_counted then 'counted'
        when activity.is_manual and not counted.is_manual
            then 'left out: ' || counted.provider || ' recorded the same time'
        else 'left out: ' || counted.provider || ' tells more of the same time'
    end as decision,
    activity.payload_id,
    activity.received_at
from {{ ref('int_activity_verdicts') }} as verdict
inner join {{ ref('stg_wearables__activities') }} as activity on verdict.activity_id = activity.activity_id
inner join {{ ref('int_customers') }} as customer on activity.customer_id = customer.customer_id
left join {{ ref('stg_wearables__activities') }} as counted on verdict.counted_activity_id = counted.activity_id
