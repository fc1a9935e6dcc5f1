-- Everybody belongs to the cohort of the month in which they were new, and to no other; who of all earlier cohorts is
-- still there in a month are its members at the start.
with cohorts as (
    select
        {{ add_months('cohort_month', 'months_since') }} as month,
        sum(case when months_since = 0 then members else 0 end) as members_new,
        sum(case when months_since > 0 then retained else 0 end) as members_at_start
    from {{ ref('fct_cohort_retention') }}
    group by {{ add_months('cohort_month', 'months_since') }}
),

months as (
    select
        month,
        sum(members_new) as members_new,
        sum(members_at_start) as members_at_start
    from {{ ref('fct_membership_months') }}
    group by month
)

select
    coalesce(cohorts.month, months.month) as month,
    cohorts.members_new as new_by_cohort,
    months.members_new as new_by_month,
    cohorts.members_at_start as there_by_cohort,
    months.members_at_start as there_by_month
from cohorts
full outer join months on cohorts.month = months.month
where
    coalesce(cohorts.members_new, 0) <> coalesce(months.members_new, 0)
    or coalesce(cohorts.members_at_start, 0) <> coalesce(months.members_at_start, 0)
