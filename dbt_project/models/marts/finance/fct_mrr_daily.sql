{% set so_far = 
    "partition by spine.currency order by spine.day rows between unbounded preceding and current row"
 %}
{% set last_30_days = "partition by currency order by day rows between 29 preceding and current row" %}
with moved as (
    select
        changed_on as day,
        currency,
        sum(amount_minor) as change_minor,
        sum(active_delta) as active_change,
        sum(paused_delta) as paused_change,
        sum(case when movement = 'new' then amount_minor else 0 end) as new_minor,
        sum(case when movement = 'expansion' then amount_minor else 0 end) as expansion_minor,
        sum(case when movement = 'contraction' then amount_minor else 0 end) as contraction_minor,
        sum(case when movement = 'churn' then amount_minor else 0 end) as churn_minor,
        sum(case when movement = 'reactivation' then amount_minor else 0 end) as reactivation_minor,
        count(case when movement in ('new', 'reactivation') then 1 end) as members_started,
        count(case when movement = 'churn' then 1 end) as members_ended
    from {{ ref('int_membership_changes') }}
    group by changed_on, currency
),

trials as (
    select
        currency,
        min(case when step = 'trial_started' then changed_on end) as day,
        max(case when step = 'started' then 1 else 0 end) as is_converted,
        max(case when step in ('started', 'ended') then 1 else 0 end) as is_decided
    from {{ ref('int_membership_changes') }}
    group by subscription_id, currency
    having min(case when step = 'trial_started' then changed_on end) is not null
),

tried as (
    select
        day,
        currency,
        count(*) as trials_started,
        sum(is_decided) as trials_decided,
        sum(is_converted) as trials_converted
    from trials
    group by day, currency
),

taken as (
    select
        captured_on as day,
        currency,
        sum(amount_minor - refunded_minor - disputed_minor) as revenue_minor
    from {{ ref('fct_payments') }}
    where status = 'captured'
    group by captured_on, currency
),

bounds as (
    select
        min(day) as first_day,
        greatest(max(day), {{ today() }}) as last_day
    from moved
),

currencies as (
    select distinct currency
    from moved
),

spine as (
    select
        dates.day,
        currencies.currency
    from {{ dates('(select first_day from bounds)', '(select last_day from bounds)') }} as dates
    cross join currencies
),

daily as (
    select
        spine.day,
        spine.currency,
        sum(coalesce(moved.change_minor, 0)) over ({{ so_far }}) as mrr_minor,
        sum(coalesce(moved.active_change, 0)) over ({{ so_far }}) as active_members,
        sum(coalesce(moved.paused_change, 0)) over ({{ so_far }}) as paused_members,
        moved.new_minor,
        moved.expansion_minor,
        moved.contraction_minor,
        moved.churn_minor,
        moved.reactivation_minor,
        moved.members_started,
        moved.members_ended,
        tried.trials_started,
        tried.trials_decided,
        tried.trials_converted,
        coalesce(taken.revenue_minor, 0) as revenue_minor
    from spine
    left join moved on spine.day = moved.day and spine.currency = moved.currency
    left join tried on spine.day = tried.day and spine.currency = tried.currency
    left join taken on spine.day = taken.day and spine.currency = taken.currency
)

select
    day,
    currency,
    cast(mrr_minor as bigint) as mrr_minor,
    cast(active_members as integer) as active_members,
    cast(paused_members as integer) as paused_members,
    {% for amount in ['new_minor', 'expansion_minor', 'contraction_minor', 'churn_minor', 'reactivation_minor'] -%}
        cast(coalesce({{ amount }}, 0) as bigint) as {{ amount }},
    {% endfor -%}
    {% for number in [
        'members_started', 'members_ended', 'trials_started', 'trials_decided', 'trials_converted'
    ] -%}
        cast(coalesce({{ number }}, 0) as integer) as {{ number }},
    {% endfor -%}
    cast(sum(revenue_minor) over ({{ last_30_days }}) as bigint) as revenue_30d_minor,
    cast(avg(active_members) over ({{ last_30_days }}) as {{ double() }}) as mean_members_30d
from daily
