with runs as (
    select
        run.*,
        rule.rule_code,
        rule.rule_name,
        score.probability,
        {{ days_after('run.started_at', 'rule.outcome_days') }} as outcome_ends_at
    from {{ ref('stg_automation__runs') }} as run
    inner join {{ ref('stg_automation__rules') }} as rule on run.rule_id = rule.rule_id
    left join {{ ref('stg_automation__churn_scores') }} as score on run.score_id = score.score_id
),

attended as (
    select distinct runs.run_id
    from runs
    inner join {{ ref('fct_bookings') }} as booking
        on
            runs.customer_id = booking.customer_id
            and booking.status = 'attended'
            and runs.started_at < booking.starts_at
            and runs.outcome_ends_at >= booking.starts_at
),

lost as (
    select distinct runs.run_id
    from runs
    inner join {{ ref('int_memberships') }} as membership
        on
            runs.customer_id = membership.customer_id
            and runs.started_at < membership.ended_at
            and runs.outcome_ends_at >= membership.ended_at
)

select
    runs.run_id,
    runs.rule_id,
    runs.rule_code,
    runs.rule_name,
    runs.customer_id,
    runs.coach_id,
    runs.arm,
    runs.status,
    runs.probability,
    runs.started_at,
    runs.decided_at,
    runs.dismiss_reason,
    runs.message_id,
    runs.outcome_ends_at,
    runs.outcome_ends_at <= {{ now() }} as is_outcome_known,
    case when runs.outcome_ends_at <= {{ now() }} then attended.run_id is not null end as has_attended,
    case when runs.outcome_ends_at <= {{ now() }} then lost.run_id is null end as is_retained
from runs
left join attended on runs.run_id = attended.run_id
left join lost on runs.run_id = lost.run_id
