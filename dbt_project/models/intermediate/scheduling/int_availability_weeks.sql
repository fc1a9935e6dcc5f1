-- Hours a coach was available in each week until today, by the rules that bookings are offered by: absence goes before
-- an exception, an exception before a public holiday, a holiday before the working hours of the week.
with days as (
    select
        coach.coach_id,
        coach.location_id,
        series.day
    from {{ dates("(select min(hired_on) from " ~ ref('stg_scheduling__coaches') ~ ")", today()) }} as series
    inner join {{ ref('stg_scheduling__coaches') }} as coach
        on series.day >= coach.hired_on and (coach.left_on is null or series.day <= coach.left_on)
    where
        not exists (
            select 1
            from {{ ref('stg_scheduling__time_off') }} as away
            where away.coach_id = coach.coach_id and series.day between away.starts_on and away.ends_on
        )
),

excepted as (
    select
        days.coach_id,
        days.day,
        {{ hours_of_day_between('exception.starts_at', 'exception.ends_at') }} as hours
    from days
    inner join {{ ref('stg_scheduling__availability_exceptions') }} as exception
        on days.coach_id = exception.coach_id and days.day = exception.exception_on
),

worked as (
    select
        days.coach_id,
        days.day,
        {{ hours_of_day_between('rule.starts_at', 'rule.ends_at') }} as hours
    from days
    inner join {{ ref('stg_scheduling__availability_rules') }} as rule
        on
            days.coach_id = rule.coach_id
            and {{ days_between(monday('days.day'), 'days.day') }} = rule.weekday
            and days.day >= rule.valid_from
            and (rule.valid_to is null or days.day <= rule.valid_to)
    left join {{ ref('stg_scheduling__public_holidays') }} as holiday
        on days.location_id = holiday.location_id and days.day = holiday.holiday_on
    where
        holiday.holiday_id is null
        and not exists (
            select 1
            from excepted
            where excepted.coach_id = days.coach_id and excepted.day = days.day
        )
    union all
    -- A day that an exception closes has a row without hours.
    select
        coach_id,
        day,
        hours
    from excepted
    where hours is not null
)

select
    coach_id,
    {{ monday('day') }} as week_starts_on,
    cast(sum(hours) as {{ double() }}) as available_hours
from worked
group by coach_id, {{ monday('day') }}
