-- A step that was entered and not left for a week is where somebody dropped off; before that nobody knows.
select
    step.customer_id,
    step.step,
    step.entered_at,
    {{ local_date('step.entered_at', "coalesce(customer.time_zone, 'UTC')") }} as entered_on,
    step.left_at,
    step.outcome,
    cast({{ hours_between('step.entered_at', 'step.left_at') }} * 60 as {{ double() }}) as minutes_in_step,
    step.left_at is not null or {{ days_after('step.entered_at', 7) }} <= {{ now() }} as is_outcome_known,
    step.left_at is null and {{ days_after('step.entered_at', 7) }} <= {{ now() }} as is_dropped
from {{ ref('stg_training__onboarding_steps') }} as step
left join {{ ref('int_customers') }} as customer on step.customer_id = customer.customer_id
