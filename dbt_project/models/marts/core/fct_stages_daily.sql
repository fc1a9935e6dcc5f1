-- Who enters a stage on a day adds one, who leaves it takes one away; the running sum is the stage's size. In the same
-- way whoever attends begins 30 days of having visited, unless they are in the midst of such days.
with visits as (
    select distinct
        customer_id,
        local_day as day
    from {{ ref('fct_bookings') }}
    where status = 'attended'
),

islands as (
    select
        *,
        sum(begins) over (partition by customer_id order by day rows between unbounded preceding and current row) as nth
    from (
        select
            customer_id,
            day,
            case
                when
                    lag(day) over (partition by customer_id order by day) >= {{ add_days('day', -30) }}
                    then 0
                else 1
            end as begins
        from visits
    ) as marked
),

spells as (
    select
        customer_id,
        min(day) as first_day,
        {{ add_days('max(day)', 30) }} as until_day
    from islands
    group by customer_id, nth
),

visiting as (
    select
        stay.stage,
        greatest(stay.since_on, spells.first_day) as first_day,
        case
            when stay.until_on < spells.until_day then stay.until_on else spells.until_day
        end as until_day
    from spells
    inner join {{ ref('int_customer_stages') }} as stay
        on
            spells.customer_id = stay.customer_id
            and spells.until_day > stay.since_on
            and (stay.until_on is null or spells.first_day < stay.until_on)
),

moves as (
    select
        since_on as day,
        stage,
        1 as change,
        0 as visiting_change
    from {{ ref('int_customer_stages') }}
    union all
    select
        until_on as day,
        stage,
        -1 as change,
        0 as visiting_change
    from {{ ref('int_customer_stages') }}
    where until_on is not null
    union all
    select
        first_day as day,
        stage,
        0 as change,
        1 as visiting_change
    from visiting
    union all
    select
        until_day as day,
        stage,
        0 as change,
        -1 as visiting_change
    from visiting
    where until_day <= {{ today() }}
),

net as (
    select
        day,
        stage,
        sum(change) as change,
        sum(visiting_change) as visiting_change
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
    cross join {{ listed('stage', ['lead', 'trial', 'active', 'paused', 'churned', 'won_back']) }} as stages
)

select
    spine.day,
    spine.stage,
    cast(sum(coalesce(net.change, 0)) over (
        partition by spine.stage order by spine.day rows between unbounded preceding and current row
    ) as integer) as customers,
    cast(sum(coalesce(net.visiting_change, 0)) over (
        partition by spine.stage order by spine.day rows between unbounded preceding and current row
    ) as integer) as visited_30d
from spine
left join net on spine.day = net.day and spine.stage = net.stage
