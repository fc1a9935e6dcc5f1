-- What moves from plan to plan leaves one and reaches the other, as in fct_mrr_months. What is of no plan (money that
-- came in, and the members it is divided by) is in a row of its own, so that nothing is summed twice.
{% set of_membership = "partition by subscription_id order by changed_at, change_id" %}
{% set so_far = 
    "partition by spine.currency, spine.plan_id order by spine.day rows between unbounded preceding and current row"
 %}
{% set last_30_days = "partition by currency order by day rows between 29 preceding and current row" %}
with steps as (
    select
        subscription_id,
        changed_on,
        currency,
        plan_id,
        step,
        movement,
        amount_minor,
        active_delta,
        paused_delta,
        case when state_before = 'active' then 1 else 0 end as active_before,
        case when state_before = 'paused' then 1 else 0 end as paused_before,
        lag(plan_id) over ({{ of_membership }}) as plan_before_id,
        case
            when state_before in ('active', 'paused')
                then coalesce(lag(mrr_after_minor) over ({{ of_membership }}), 0)
            else 0
        end as mrr_before_minor
    from {{ ref('int_membership_changes') }}
),

moves as (
    select
        changed_on as day,
        currency,
        plan_id,
        movement,
        amount_minor,
        active_delta,
        paused_delta
    from steps
    union all
    select
        changed_on as day,
        currency,
        plan_before_id as plan_id,
        'transfer' as movement,
        -mrr_before_minor as amount_minor,
        -active_before as active_delta,
        -paused_before as paused_delta
    from steps
    where plan_before_id <> plan_id
    union all
    select
        changed_on as day,
        currency,
        plan_id,
        'transfer' as movement,
        mrr_before_minor as amount_minor,
        active_before as active_delta,
        paused_before as paused_delta
    from steps
    where plan_before_id <> plan_id
),

moved as (
    select
        day,
        currency,
        plan_id,
        sum(amount_minor) as change_minor,
        sum(active_delta) as active_change,
        sum(paused_delta) as paused_change,
        {% for movement in ['new', 'expansion', 'contraction', 'churn', 'reactivation', 'transfer'] -%}
            sum(case when movement = '{{ movement }}' then amount_minor else 0 end) as {{ movement }}_minor,
        {% endfor -%}
        count(case when movement in ('new', 'reactivation') then 1 end) as members_started,
        count(case when movement = 'churn' then 1 end) as members_ended
    from moves
    group by day, currency, plan_id
),

trials as (
    select
        subscription_id,
        currency,
        min(case when step = 'trial_started' then changed_on end) as day,
        max(case when step = 'started' then 1 else 0 end) as is_converted,
        max(case when step in ('started', 'ended') then 1 else 0 end) as is_decided
    from steps
    group by subscription_id, currency
    having min(case when step = 'trial_started' then changed_on end) is not null
),

tried as (
    select
        trials.day,
        trials.currency,
        begun.plan_id,
        count(*) as trials_started,
        sum(trials.is_decided) as trials_decided,
        sum(trials.is_converted) as trials_converted
    from trials
    inner join steps as begun
        on trials.subscription_id = begun.subscription_id and begun.step = 'trial_started'
        and trials.day = begun.changed_on
    group by trials.day, trials.currency, begun.plan_id
),

taken as (
    select
        captured_on as day,
        currency,
        sum(amount_minor - refunded_minor - disputed_minor) as revenue_minor
    from {{ ref('fct_payments') }}
    where status = 'captured' and kind <> 'top_up' and provider <> 'gift'
    group by captured_on, currency
),

bounds as (
    select
        min(day) as first_day,
        greatest(max(day), {{ today() }}) as last_day
    from moved
),

days as (
    select dates.day
    from {{ dates('(select first_day from bounds)', '(select last_day from bounds)') }} as dates
),

plans as (
    select
        currency,
        plan_id,
        min(day) as first_day
    from moved
    group by currency, plan_id
),

spine as (
    select
        days.day,
        plans.currency,
        plans.plan_id
    from days
    inner join plans on days.day >= plans.first_day
),

by_plan as (
    select
        spine.day,
        spine.currency,
        spine.plan_id,
        sum(coalesce(moved.change_minor, 0)) over ({{ so_far }}) as mrr_minor,
        sum(coalesce(moved.active_change, 0)) over ({{ so_far }}) as active_members,
        sum(coalesce(moved.paused_change, 0)) over ({{ so_far }}) as paused_members,
        moved.new_minor,
        moved.expansion_minor,
        moved.contraction_minor,
        moved.churn_minor,
        moved.reactivation_minor,
        moved.transfer_minor,
        moved.members_started,
        moved.members_ended,
        tried.trials_started,
        tried.trials_decided,
        tried.trials_converted
    from spine
    left join moved
        on spine.day = moved.day and spine.currency = moved.currency and spine.plan_id = moved.plan_id
    left join tried
        on spine.day = tried.day and spine.currency = tried.currency and spine.plan_id = tried.plan_id
),

currencies as (
    select distinct currency
    from plans
),

members as (
    select
        day,
        currency,
        sum(active_members) as active_members
    from by_plan
    group by day, currency
),

collected as (
    select
        days.day,
        currencies.currency,
        coalesce(members.active_members, 0) as active_members,
        coalesce(taken.revenue_minor, 0) as revenue_minor
    from days
    cross join currencies
    left join members on days.day = members.day and currencies.currency = members.currency
    left join taken on days.day = taken.day and currencies.currency = taken.currency
)

select
    by_plan.day,
    by_plan.currency,
    cast(by_plan.mrr_minor as bigint) as mrr_minor,
    cast(by_plan.active_members as integer) as active_members,
    cast(by_plan.paused_members as integer) as paused_members,
    {% for amount in ['new_minor', 'expansion_minor', 'contraction_minor', 'churn_minor', 'reactivation_minor'] -%}
        cast(coalesce(by_plan.{{ amount }}, 0) as bigint) as {{ amount }},
    {% endfor -%}
    {% for number in [
        'members_started', 'members_ended', 'trials_started', 'trials_decided', 'trials_converted'
    ] -%}
        cast(coalesce(by_plan.{{ number }}, 0) as integer) as {{ number }},
    {% endfor -%}
    cast(0 as bigint) as revenue_30d_minor,
    cast(0 as {{ double() }}) as mean_members_30d,
    by_plan.plan_id,
    plan.plan_code,
    cast(coalesce(by_plan.transfer_minor, 0) as bigint) as transfer_minor
from by_plan
left join {{ ref('stg_commerce__plans') }} as plan on by_plan.plan_id = plan.plan_id
union all
select
    day,
    currency,
    cast(0 as bigint) as mrr_minor,
    cast(0 as integer) as active_members,
    cast(0 as integer) as paused_members,
    {% for amount in ['new_minor', 'expansion_minor', 'contraction_minor', 'churn_minor', 'reactivation_minor'] -%}
        cast(0 as bigint) as {{ amount }},
    {% endfor -%}
    {% for number in [
        'members_started', 'members_ended', 'trials_started', 'trials_decided', 'trials_converted'
    ] -%}
        cast(0 as integer) as {{ number }},
    {% endfor -%}
    cast(sum(revenue_minor) over ({{ last_30_days }}) as bigint) as revenue_30d_minor,
    cast(avg(active_members) over ({{ last_30_days }}) as {{ double() }}) as mean_members_30d,
    {{ as_id("null") }} as plan_id,
    {{ as_text('null') }} as plan_code,
    cast(0 as bigint) as transfer_minor
from collected
