-- No customer holds two seats at the same time: the next session starts when the last has ended, or later.
with seats as (
    select
        booking_id,
        customer_id,
        starts_at,
        max(ends_at) over (
            partition by customer_id order by starts_at, booking_id rows between unbounded preceding and 1 preceding
        ) as busy_until
    from {{ ref('fct_bookings') }}
    where status in ('booked', 'attended', 'no_show')
)

select *
from seats
where starts_at < busy_until
