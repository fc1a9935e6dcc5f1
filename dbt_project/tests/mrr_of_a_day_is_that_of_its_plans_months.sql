-- By day and plan and by month and plan recurring revenue is computed apart: on the last day of a month they agree.
with by_day as (
    select
        {{ first_of_month('day') }} as month,
        currency,
        plan_id,
        mrr_minor,
        active_members,
        row_number() over (partition by {{ first_of_month('day') }}, currency, plan_id order by day desc) as place
    from {{ ref('fct_mrr_daily') }}
    where plan_id is not null
)

select
    by_day.month,
    by_day.currency,
    by_day.plan_id,
    by_day.mrr_minor,
    coalesce(by_month.end_minor, 0) as end_minor
from by_day
left join {{ ref('fct_mrr_months') }} as by_month
    on by_day.month = by_month.month and by_day.currency = by_month.currency and by_day.plan_id = by_month.plan_id
where by_day.place = 1 and by_day.mrr_minor <> coalesce(by_month.end_minor, 0)
