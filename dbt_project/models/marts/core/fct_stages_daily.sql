-- Who enters a stage on a day adds one, who leaves it takes one away; the running sum is the stage's size.
with moves as (
    select
        since_on as day,
        stage,
        1 as change
    from {{ ref('int_customer_stages') }}
    union all
    select
        until_on as day,
        stage,
        -1 as change
    from {{ ref('int_customer_stages') }}
    where until_on is not null
),

net as (
    select
        day,
        stage,
        sum(change) as change
    from moves
    group by day, stage
),

bounds as (
    select
        min(day) as first_day,
        greatest(max(day), {{ today() }}) as last_day
    from net
),

spine as (
    select
        dates.day,
        stages.stage
    from {{ dates('(select first_day from bounds)', '(select last_day from bounds)') }} as dates
    cross join (
        values ('lead'), ('trial'), ('active'), ('paused'), ('churned'), ('won_back')
    ) as stages (stage)
)

select
    spine.day,
    spine.stage,
    cast(sum(coalesce(net.change, 0)) over (
        partition by spine.stage order by spine.day rows between unbounded preceding and current row
    ) as integer) as customers
from spine
left join net on spine.day = net.day and spine.stage = net.stage
