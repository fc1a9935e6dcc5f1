-- Members at the start, less who left, more who joined, are the members at the end, who start the next month.
with told as (
    select
        month,
        currency,
        members_at_start - members_lost + members_joined - members_at_end as unexplained,
        members_at_start,
        lag(members_at_end) over (partition by currency order by month) as ended_before,
        lag(month) over (partition by currency order by month) as month_before
    from {{ ref('fct_membership_months') }}
)

select *
from told
where
    unexplained <> 0
    or ({{ add_months('month_before', 1) }} = month and ended_before <> members_at_start)
