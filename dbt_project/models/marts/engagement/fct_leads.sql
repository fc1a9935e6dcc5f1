-- What came before somebody asked is not what asking led to: a member of last year is no lead that was won.
with members as (
    select
        lead.lead_id,
        min(membership.started_at) as became_member_at
    from {{ ref('stg_engagement__leads') }} as lead
    inner join {{ ref('int_memberships') }} as membership
        on lead.customer_id = membership.customer_id and lead.created_at <= membership.started_at
    group by lead.lead_id
),

trials as (
    select
        lead.lead_id,
        min(change.changed_at) as trial_started_at
    from {{ ref('stg_engagement__leads') }} as lead
    inner join {{ ref('int_membership_changes') }} as change
        on lead.customer_id = change.customer_id and lead.created_at <= change.changed_at
    where change.step = 'trial_started'
    group by lead.lead_id
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
left join members on lead.lead_id = members.lead_id
left join trials on lead.lead_id = trials.lead_id
