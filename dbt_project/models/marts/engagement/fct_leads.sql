with members as (
    select
        customer_id,
        min(started_at) as became_member_at
    from {{ ref('int_memberships') }}
    group by customer_id
),

trials as (
    select
        customer_id,
        min(changed_at) as trial_started_at
    from {{ ref('int_membership_changes') }}
    where step = 'trial_started'
    group by customer_id
)

select
    lead.lead_id,
    lead.customer_id,
    lead.source,
    lead.location_id,
    lead.created_at,
    {{ local_date('lead.created_at', "coalesce(location.time_zone, 'UTC')") }} as created_on,
    lead.converted_at,
    lead.lost_at,
    members.became_member_at,
    case
        when members.became_member_at is not null then 'member'
        when lead.lost_at is not null then 'lost'
        when lead.customer_id is not null then 'account'
        else 'open'
    end as status,
    trials.trial_started_at
from {{ ref('stg_engagement__leads') }} as lead
left join {{ ref('stg_scheduling__locations') }} as location on lead.location_id = location.location_id
left join members on lead.customer_id = members.customer_id
left join trials on lead.customer_id = trials.customer_id
