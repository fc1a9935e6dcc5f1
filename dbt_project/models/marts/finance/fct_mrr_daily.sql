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
)

select
    spine.day,
    spine.currency,
    cast(sum(coalesce(moved.change_minor, 0)) over so_far as bigint) as mrr_minor,
    cast(sum(coalesce(moved.active_change, 0)) over so_far as integer) as active_members,
    cast(sum(coalesce(moved.paused_change, 0)) over so_far as integer) as paused_members,
    cast(coalesce(moved.new_minor, 0) as bigint) as new_minor,
    cast(coalesce(moved.expansion_minor, 0) as bigint) as expansion_minor,
    cast(coalesce(moved.contraction_minor, 0) as bigint) as contraction_minor,
    cast(coalesce(moved.churn_minor, 0) as bigint) as churn_minor,
    cast(coalesce(moved.reactivation_minor, 0) as bigint) as reactivation_minor,
    cast(coalesce(moved.members_started, 0) as integer) as members_started,
    cast(coalesce(moved.members_ended, 0) as integer) as members_ended
from spine
left join moved on spine.day = moved.day and spine.currency = moved.currency
window
    so_far as (partition by spine.currency order by spine.day rows between unbounded preceding and current row)
