-- Hours a coach was available in each week until today: working hours, less whole days off.
with days as (
    select
        coach.coach_id,
        series.day
    from {{ dates("(select min(hired_on) from " ~ ref('stg_scheduling__coaches') ~ ")", today()) }} as series
    inner join {{ ref('stg_scheduling__coaches') }} as coach
        on series.day >= coach.hired_on and (coach.left_on is null or series.day <= coach.left_on)
),

worked as (
    select
        days.coach_id,
        {{ monday('days.day') }} as week_starts_on,
        {{ hours_between('rule.starts_at', 'rule.ends_at') }} as hours
    from days
    inner join {{ ref('stg_scheduling__availability_rules') }} as rule
        on
            days.coach_id = rule.coach_id
            and {{ days_between(monday('days.day'), 'days.day') }} = rule.weekday
            and days.day >= rule.valid_from
            and (rule.valid_to is null or days.day <= rule.valid_to)
    where
        not exists (
            select 1
            from {{ ref('stg_scheduling__time_off') }} as away
            where away.coach_id = days.coach_id and days.day between away.starts_on and away.ends_on
        )
)

select
    coach_id,
    week_starts_on,
    cast(sum(hours) as double precision) as available_hours
from worked
group by coach_id, week_starts_on
