with clients as (
    select
        customer.coach_id,
        count(*) as active_clients
    from {{ ref('int_customers') }} as customer
    inner join {{ ref('int_customer_stages') }} as stay on customer.customer_id = stay.customer_id
    where stay.until_on is null and stay.stage in ('trial', 'active', 'won_back')
    group by customer.coach_id
)

select
    coach.coach_id,
    coach.display_name,
    coach.location_id,
    location.location_name,
    location.city,
    location.time_zone,
    coach.client_capacity,
    cast(coalesce(clients.active_clients, 0) as integer) as active_clients,
    coach.hired_on,
    coach.left_on
from {{ ref('stg_scheduling__coaches') }} as coach
left join {{ ref('stg_scheduling__locations') }} as location on coach.location_id = location.location_id
left join clients on coach.coach_id = clients.coach_id
