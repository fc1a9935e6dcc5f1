-- No customer holds two seats at the same time: the next session starts when the last has ended, or later.
{% set first = plyo_first_that_came('fct_bookings', 'starts_at') %}
with seats as (
    select
        booking_id,
        customer_id,
        starts_at,
        max(ends_at) over (
            partition by customer_id order by starts_at, booking_id rows between unbounded preceding and 1 preceding
        ) as busy_until
    from {{ ref('fct_bookings') }}
    where
        status in ('booked', 'attended', 'no_show')
        {% if first %}
            -- Of two at once one came, so neither had ended when the first that came began.
            and ends_at >= {{ first }}
        {% endif %}
)

select *
from seats
where starts_at < busy_until
