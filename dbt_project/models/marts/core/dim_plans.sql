with members as (
    select
        plan_id,
        currency,
        count(*) as members
    from {{ ref('stg_commerce__subscriptions') }}
    where status in ('active', 'past_due', 'paused')
    group by plan_id, currency
)

select
    plan.plan_id,
    plan.plan_code,
    plan.plan_name,
    plan.kind,
    plan.interval_months,
    plan.sessions_included,
    plan.trial_days,
    plan.is_active,
    price.currency,
    price.amount_minor,
    cast(
        round(
            cast(price.amount_minor as {{ double() }}) * 10000
            / (10000 + price.tax_rate_bp)
            / nullif(plan.interval_months, 0)
        ) as bigint
    ) as mrr_minor,
    cast(coalesce(members.members, 0) as integer) as members
from {{ ref('stg_commerce__plans') }} as plan
inner join {{ ref('stg_commerce__plan_prices') }} as price
    on
        plan.plan_id = price.plan_id
        and price.valid_from <= {{ now() }}
        and coalesce(price.valid_to, {{ never() }}) > {{ now() }}
left join members on plan.plan_id = members.plan_id and price.currency = members.currency
