{{ config(meta={'parts': {
    'key': 'customer_id', 'changed': {}, 'only': {},
}}) }}
-- Each step of a membership, told as a movement of recurring revenue, a change of state and a change of stage.
{% set of_membership = "partition by change.subscription_id order by change.changed_at, change.change_id" %}
{% set of_customer = "partition by change.customer_id order by change.changed_at, change.change_id" %}
with ordered as (
    select
        change.*,
        {{ local_date('change.changed_at', "coalesce(customer.time_zone, 'UTC')") }} as changed_on,
        sum(
            case when change.kind in ('started', 'resumed') then 1 when change.kind = 'paused' then -1 else 0 end
        ) over ({{ of_membership }} rows between unbounded preceding and 1 preceding) as running_before,
        max(case when change.kind = 'started' then 1 else 0 end)
            over ({{ of_membership }} rows between unbounded preceding and 1 preceding) as started_before,
        sum(case when change.kind = 'started' then 1 else 0 end)
            over ({{ of_customer }} rows between unbounded preceding and 1 preceding) as memberships_before,
        lead(change.changed_at) over ({{ of_membership }}) as next_changed_at
    from {{ ref('stg_commerce__subscription_changes') }} as change
    left join {{ ref('int_customers') }} as customer on change.customer_id = customer.customer_id
),

stated as (
    select
        ordered.*,
        {{ local_date('ordered.next_changed_at', "coalesce(customer.time_zone, 'UTC')") }} as next_changed_on,
        case
            when coalesce(started_before, 0) = 0 then 'none'
            when running_before > 0 then 'active'
            else 'paused'
        end as state_before,
        mrr_after_minor - mrr_before_minor as difference_minor
    from ordered
    left join {{ ref('int_customers') }} as customer on ordered.customer_id = customer.customer_id
),

told as (
    select
        *,
        case
            when kind in ('started', 'resumed') then 'active'
            when kind = 'paused' then 'paused'
            when kind = 'ended' then 'ended'
            when kind = 'trial_started' then 'trial'
            when state_before = 'none' then 'trial'
            else state_before
        end as state_after,
        case
            when kind = 'started' and coalesce(memberships_before, 0) > 0 then 'reactivation'
            when kind = 'started' then 'new'
            when kind = 'ended' and state_before <> 'none' then 'churn'
            when kind in ('ended', 'trial_started') or difference_minor = 0 then null
            when difference_minor > 0 then 'expansion'
            else 'contraction'
        end as movement,
        case
            when kind = 'started' and coalesce(memberships_before, 0) > 0 then 'won_back'
            when kind = 'resumed' and memberships_before > 1 then 'won_back'
            when kind in ('started', 'resumed') then 'active'
            when kind = 'paused' then 'paused'
            when kind = 'trial_started' then 'trial'
            when kind = 'ended' and coalesce(memberships_before, 0) > 0 then 'churned'
            when kind = 'ended' then 'lead'
        end as stage
    from stated
)

select
    told.change_id,
    told.subscription_id,
    told.customer_id,
    told.plan_id,
    told.kind as step,
    told.changed_at,
    told.changed_on,
    told.next_changed_on,
    told.currency,
    told.movement,
    case when told.movement is null then 0 else told.difference_minor end as amount_minor,
    told.mrr_after_minor,
    told.state_before,
    told.state_after,
    told.stage,
    case
        when told.state_after = 'active' and told.state_before <> 'active' then 1
        when told.state_after <> 'active' and told.state_before = 'active' then -1
        else 0
    end as active_delta,
    case
        when told.state_after = 'paused' and told.state_before <> 'paused' then 1
        when told.state_after <> 'paused' and told.state_before = 'paused' then -1
        else 0
    end as paused_delta,
    case when told.movement = 'churn' then membership.cancel_kind end as cancel_kind
from told
left join {{ ref('stg_commerce__subscriptions') }} as membership on told.subscription_id = membership.subscription_id
