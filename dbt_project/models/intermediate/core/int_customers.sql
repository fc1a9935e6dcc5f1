{{ config(meta={'parts': {
    'key': 'customer_id', 'changed': {}, 'only': {},
}}) }}
-- Everybody who trains or pays, with the zone and the currency that their numbers are told in.
with people as (
    select account_id as customer_id
    from {{ ref('stg_identity__accounts') }}
    where role = 'customer'
    union distinct
    select customer_id
    from {{ ref('stg_training__clients') }}
    union distinct
    select customer_id
    from {{ ref('stg_commerce__customers') }}
)

select
    people.customer_id,
    coalesce(client.display_name, account.display_name) as display_name,
    client.coach_id,
    client.location_id,
    location.location_name,
    location.city,
    coalesce(client.time_zone, location.time_zone, account.time_zone, 'UTC') as time_zone,
    coalesce(payer.currency, location.currency) as currency,
    client.goal,
    client.level,
    client.home_distance_km,
    coalesce(client.joined_at, account.created_at, payer.created_at) as joined_at
from people
left join {{ ref('stg_training__clients') }} as client on people.customer_id = client.customer_id
left join {{ ref('stg_identity__accounts') }} as account on people.customer_id = account.account_id
left join {{ ref('stg_commerce__customers') }} as payer on people.customer_id = payer.customer_id
left join {{ ref('stg_scheduling__locations') }} as location on client.location_id = location.location_id
