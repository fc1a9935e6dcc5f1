-- A customer's stays follow each other: each begins when the one before ends, and the last is the stage of now.
with followed as (
    select
        *,
        lead(valid_from) over (partition by customer_id order by stay) as begins_next
    from {{ ref('fct_customer_stages') }}
)

select *
from followed
where valid_to is distinct from begins_next or valid_to < valid_from
