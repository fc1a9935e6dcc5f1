with members as (
    select
        customer_id,
        {{ first_of_month('min(started_on)') }} as cohort_month
    from {{ ref('int_memberships') }}
    group by customer_id
),

months as (
    select series.day as month
    from {{ dates('(select min(cohort_month) from members)', today(), '1 month') }} as series
),

still as (
    select
        members.cohort_month,
        members.customer_id,
        {{ months_between('members.cohort_month', 'months.month') }} as months_since,
        max(
            case
                when
                    months.month = members.cohort_month
                    or (
                        membership.started_on < months.month
                        and (membership.ended_on is null or membership.ended_on >= months.month)
                    )
                    then 1
                else 0
            end
        ) = 1 as is_member
    from members
    inner join months on members.cohort_month <= months.month
    inner join {{ ref('int_memberships') }} as membership on members.customer_id = membership.customer_id
    group by members.cohort_month, members.customer_id, months.month
)

select
    cohort_month,
    cast(months_since as integer) as months_since,
    cast(count(*) as integer) as members,
    cast(count(case when is_member then 1 end) as integer) as retained,
    cast(avg(case when is_member then cast(1 as {{ double() }}) else 0 end) as {{ double() }}) as retention
from still
group by cohort_month, months_since
