-- The same workout from two devices is counted once. Of recordings that overlap for at least half of the shorter one,
-- the best is counted: the one that tells most, then a recorded before a typed one, then the longer one. A recording
-- is left out only for one that is counted itself, never for one that was left out: a chain loses nothing.
with measured as (
    select
        activity.activity_id,
        activity.customer_id,
        activity.source,
        activity.provider,
        activity.started_at,
        activity.ended_at,
        row_number() over (
            partition by activity.customer_id
            order by
                case when activity.distance_m is null then 0 else 1 end
                + case when activity.active_energy_kcal is null then 0 else 1 end
                + case when activity.average_heart_rate_bpm is null then 0 else 2 end
                + case when activity.average_power_w is null then 0 else 1 end
                + case when activity.elevation_gain_m is null then 0 else 1 end desc,
                activity.is_manual asc,
                activity.duration_seconds desc,
                activity.activity_id asc
        ) as place
    from {{ ref('stg_wearables__activities') }} as activity
    inner join {{ ref('int_health_consents') }} as consent on activity.customer_id = consent.customer_id
    where consent.allows_activity
),

rivals as (
    select
        worse.activity_id,
        better.activity_id as better_id,
        better.place as better_place
    from measured as worse
    inner join measured as better
        on
            worse.customer_id = better.customer_id
            and worse.place > better.place
            and worse.started_at < better.ended_at
            and better.started_at < worse.ended_at
    where
        (worse.provider <> better.provider or worse.source <> better.source)
        and 2 * {{ hours_between(
            'greatest(worse.started_at, better.started_at)', 'least(worse.ended_at, better.ended_at)'
        ) }} >= least(
            {{ hours_between('worse.started_at', 'worse.ended_at') }},
            {{ hours_between('better.started_at', 'better.ended_at') }}
        )
),

verdict_0 as (
    select
        activity_id,
        'open' as verdict
    from measured
),

-- Each turn decides those whose better ones are all decided; a chain of more than eight stays counted at its end.
{% for turn in range(1, 5) -%}
    verdict_{{ turn }} as (
        select
            mine.activity_id,
            case
                when max(mine.verdict) <> 'open' then max(mine.verdict)
                when max(case when better.verdict = 'counted' then 1 else 0 end) = 1 then 'duplicate'
                when max(case when better.verdict = 'open' then 1 else 0 end) = 0 then 'counted'
                else 'open'
            end as verdict
        from verdict_{{ turn - 1 }} as mine
        left join rivals on mine.activity_id = rivals.activity_id
        left join verdict_{{ turn - 1 }} as better on rivals.better_id = better.activity_id
        group by mine.activity_id
    ),
{% endfor %}

counted_instead as (
    select
        rivals.activity_id,
        rivals.better_id,
        row_number() over (partition by rivals.activity_id order by rivals.better_place) as place
    from rivals
    inner join verdict_4 as better on rivals.better_id = better.activity_id
    where better.verdict = 'counted'
)

select
    verdict.activity_id,
    verdict.verdict <> 'duplicate' as is_counted,
    case when verdict.verdict = 'duplicate' then chosen.better_id end as counted_activity_id
from verdict_4 as verdict
left join counted_instead as chosen on verdict.activity_id = chosen.activity_id and chosen.place = 1
