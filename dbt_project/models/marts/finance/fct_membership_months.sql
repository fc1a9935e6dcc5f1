with months as (
    select
        series.day as month,
        {{ add_months('series.day', 1) }} as next_month,
        least({{ add_months('series.day', 1) }}, {{ add_days(today(), 1) }}) as until_day
    from {{ dates(
        "(select " ~ first_of_month('min(started_on)') ~ " from " ~ ref('int_memberships') ~ ")",
        today(),
        '1 month'
    ) }} as series
),

members as (
    select
        months.month,
        months.next_month,
        membership.currency,
        membership.customer_id,
        bool_or(
            membership.started_on < months.month
            and (membership.ended_on is null or membership.ended_on >= months.month)
        ) as is_at_start,
        bool_or(
            membership.started_on < months.until_day
            and (membership.ended_on is null or membership.ended_on >= months.until_day)
        ) as is_at_end
    from months
    inner join {{ ref('int_memberships') }} as membership
        on
            months.until_day > membership.started_on
            and (membership.ended_on is null or months.month <= membership.ended_on)
    group by months.month, months.next_month, membership.currency, membership.customer_id
),

revenue as (
    select
        {{ first_of_month('captured_on') }} as month,
        currency,
        customer_id,
        sum(amount_minor - refunded_minor - disputed_minor) as revenue_minor
    from {{ ref('fct_payments') }}
    where status = 'captured'
    group by {{ first_of_month('captured_on') }}, currency, customer_id
)

select
    members.month,
    members.currency,
    cast(count(case when members.is_at_start then 1 end) as integer) as members_at_start,
    cast(count(case when members.is_at_start and not members.is_at_end then 1 end) as integer) as members_lost,
    cast(count(case when members.is_at_end and not members.is_at_start then 1 end) as integer) as members_joined,
    cast(count(case when members.is_at_end then 1 end) as integer) as members_at_end,
    cast(count(*) as integer) as members_any,
    cast(coalesce(sum(revenue.revenue_minor), 0) as bigint) as revenue_minor,
    members.next_month <= {{ today() }} as is_complete
from members
left join revenue
    on
        members.month = revenue.month
        and members.currency = revenue.currency
        and members.customer_id = revenue.customer_id
group by members.month, members.next_month, members.currency
