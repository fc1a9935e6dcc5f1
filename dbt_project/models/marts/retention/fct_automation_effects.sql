-- Everybody drawn for treatment counts as treated, whatever the coach did then (intention to treat). The interval is
-- Agresti and Caffo's, which holds for the small numbers of a studio.
with outcomes as (
    select
        rule_id,
        arm,
        'attended' as outcome,
        has_attended as is_reached,
        is_outcome_known
    from {{ ref('fct_automation_runs') }}
    union all
    select
        rule_id,
        arm,
        'retained' as outcome,
        is_retained as is_reached,
        is_outcome_known
    from {{ ref('fct_automation_runs') }}
),

counted as (
    select
        rule.rule_id,
        rule.rule_code,
        rule.rule_name,
        named.outcome,
        count(outcomes.rule_id) as runs,
        count(case when not outcomes.is_outcome_known then 1 end) as outcomes_pending,
        count(case when outcomes.is_outcome_known and outcomes.arm = 'treatment' then 1 end) as treated,
        count(case when outcomes.is_outcome_known and outcomes.arm = 'holdout' then 1 end) as held_out,
        count(case when outcomes.is_reached and outcomes.arm = 'treatment' then 1 end) as treated_reached,
        count(case when outcomes.is_reached and outcomes.arm = 'holdout' then 1 end) as held_out_reached
    from {{ ref('stg_automation__rules') }} as rule
    cross join {{ listed('outcome', ['attended', 'retained']) }} as named
    left join outcomes on rule.rule_id = outcomes.rule_id and named.outcome = outcomes.outcome
    group by rule.rule_id, rule.rule_code, rule.rule_name, named.outcome
),

rated as (
    select
        *,
        cast(treated_reached as {{ double() }}) / nullif(treated, 0) as treated_rate,
        cast(held_out_reached as {{ double() }}) / nullif(held_out, 0) as holdout_rate,
        cast(treated_reached + 1 as {{ double() }}) / (treated + 2) as treated_near,
        cast(held_out_reached + 1 as {{ double() }}) / (held_out + 2) as holdout_near
    from counted
),

bounded as (
    select
        *,
        1.96 * sqrt(
            treated_near * (1 - treated_near) / (treated + 2) + holdout_near * (1 - holdout_near) / (held_out + 2)
        ) as margin
    from rated
)

select
    rule_id,
    rule_code,
    rule_name,
    outcome,
    cast(runs as integer) as runs,
    cast(outcomes_pending as integer) as outcomes_pending,
    cast(treated as integer) as treated,
    cast(held_out as integer) as held_out,
    cast(treated_rate as {{ double() }}) as treated_rate,
    cast(holdout_rate as {{ double() }}) as holdout_rate,
    cast(treated_rate - holdout_rate as {{ double() }}) as lift,
    cast(
        case when treated > 0 and held_out > 0 then treated_near - holdout_near - margin end as {{ double() }}
    ) as lift_low,
    cast(
        case when treated > 0 and held_out > 0 then treated_near - holdout_near + margin end as {{ double() }}
    ) as lift_high
from bounded
