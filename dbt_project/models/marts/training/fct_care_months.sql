-- How coaches look after check-ins and health questionnaires. Of questionnaires only sums are told, and how many held
-- training back only where five or more clients answered one: of fewer it would be somebody's health.
{% set many = "count(distinct case when screenings = 1 then customer_id end) >= 5" %}
with told as (
    select
        check_in.customer_id,
        check_in.submitted_at as told_at,
        1 as check_ins,
        case when check_in.answered_at is not null then 1 else 0 end as check_ins_answered,
        {{ hours_between('check_in.submitted_at', 'check_in.answered_at') }} as answer_hours,
        0 as screenings,
        0 as screenings_held,
        0 as screenings_cleared,
        null as clearing_hours
    from {{ ref('stg_training__check_ins') }} as check_in
    union all
    select
        screening.customer_id,
        screening.answered_at as told_at,
        0 as check_ins,
        0 as check_ins_answered,
        null as answer_hours,
        1 as screenings,
        case when screening.is_red then 1 else 0 end as screenings_held,
        case when screening.cleared_at is not null then 1 else 0 end as screenings_cleared,
        {{ hours_between('screening.answered_at', 'screening.cleared_at') }} as clearing_hours
    from {{ ref('stg_training__screenings') }} as screening
),

placed as (
    select
        told.*,
        {{ first_of_month(local_date('told.told_at', "coalesce(customer.time_zone, 'UTC')")) }} as month,
        assignment.coach_id
    from told
    left join {{ ref('int_customers') }} as customer on told.customer_id = customer.customer_id
    inner join {{ ref('stg_training__coach_assignments') }} as assignment
        on
            told.customer_id = assignment.customer_id
            and told.told_at >= assignment.assigned_at
            and (assignment.ended_at is null or told.told_at < assignment.ended_at)
)

select
    month,
    coach_id,
    cast(sum(check_ins) as integer) as check_ins,
    cast(sum(check_ins_answered) as integer) as check_ins_answered,
    cast(coalesce(sum(answer_hours), 0) as {{ double() }}) as answer_hours,
    cast(sum(screenings) as integer) as screenings,
    cast(case when {{ many }} then sum(screenings_held) end as integer) as screenings_held,
    cast(case when {{ many }} then sum(screenings_cleared) end as integer) as screenings_cleared,
    cast(case when {{ many }} then coalesce(sum(clearing_hours), 0) end as {{ double() }}) as clearing_hours
from placed
group by month, coach_id
