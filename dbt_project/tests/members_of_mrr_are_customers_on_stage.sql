-- Two roads to the same number: active memberships on the last day, and customers in stage active or won_back.
with daily as (
    select sum(active_members) as members
    from {{ ref('fct_mrr_daily') }}
    where day = (select max(last.day) from {{ ref('fct_mrr_daily') }} as last)
),

staged as (
    select count(*) as members
    from {{ ref('dim_customers') }}
    where stage in ('active', 'won_back')
)

select
    daily.members as by_revenue,
    staged.members as by_stage
from daily
cross join staged
where daily.members <> staged.members
