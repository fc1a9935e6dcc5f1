{{ config(materialized='ephemeral') }}
-- From when to when a coach had a client who was on trial, a member or won back: where an assignment and a stay meet.
with assigned as (
    select
        assignment.coach_id,
        assignment.customer_id,
        {{ local_date('assignment.assigned_at', 'customer.time_zone') }} as since_on,
        {{ local_date('assignment.ended_at', 'customer.time_zone') }} as until_on
    from {{ ref('stg_training__coach_assignments') }} as assignment
    inner join {{ ref('int_customers') }} as customer on assignment.customer_id = customer.customer_id
)

select
    assigned.coach_id,
    assigned.customer_id,
    greatest(assigned.since_on, stay.since_on) as since_on,
    case
        when assigned.until_on is null then stay.until_on
        when stay.until_on is null then assigned.until_on
        else least(assigned.until_on, stay.until_on)
    end as until_on
from assigned
inner join {{ ref('int_customer_stages') }} as stay
    on
        assigned.customer_id = stay.customer_id
        and stay.stage in ('trial', 'active', 'won_back')
        and (stay.until_on is null or assigned.since_on < stay.until_on)
        and (assigned.until_on is null or stay.since_on < assigned.until_on)
