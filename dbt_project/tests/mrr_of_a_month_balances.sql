-- Each month, currency and plan: start and movements make the end. And what moves between plans is lost nowhere.
select
    month,
    currency,
    plan_code,
    start_minor + new_minor + expansion_minor + contraction_minor + churn_minor + reactivation_minor + transfer_minor
    - end_minor as left_over_minor
from {{ ref('fct_mrr_months') }}
where
    start_minor + new_minor + expansion_minor + contraction_minor + churn_minor + reactivation_minor + transfer_minor
    <> end_minor
union all
select
    month,
    currency,
    'all plans' as plan_code,
    sum(transfer_minor) as left_over_minor
from {{ ref('fct_mrr_months') }}
group by month, currency
having sum(transfer_minor) <> 0
