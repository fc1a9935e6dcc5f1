-- The stages of the last day add up to all customers, and dim_customers agrees stage by stage.
with daily as (
    select
        stage,
        customers
    from {{ ref('fct_stages_daily') }}
    where day = (select max(last.day) from {{ ref('fct_stages_daily') }} as last) and customers <> 0
),

now_in as (
    select
        stage,
        count(*) as customers
    from {{ ref('dim_customers') }}
    group by stage
)

select
    coalesce(daily.stage, now_in.stage) as stage,
    daily.customers as by_day,
    now_in.customers as by_customer
from daily
full outer join now_in on daily.stage = now_in.stage
where daily.customers is distinct from now_in.customers
