-- How far clients lived at what time, out of all that was told of them: what came first held since ever. In the order of
-- the log, which a clock that was set back does not change.
with told as (
    select
        id as customer_id,
        cast(home_distance_km as {{ double() }}) as home_distance_km,
        row_number() over (partition by id order by _lsn, _seq) as place,
        max(_committed_at) over (
            partition by id order by _lsn, _seq rows between unbounded preceding and current row
        ) as told_at
    from {{ source('raw', 'training__clients') }}
    where _op in ('r', 'i', 'u')
)

select
    customer_id,
    home_distance_km,
    case when place > 1 then told_at end as since,
    lead(told_at) over (partition by customer_id order by place) as until
from told
