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
        max(
            case
                when
                    membership.started_on < months.month
                    and (membership.ended_on is null or membership.ended_on >= months.month)
                    then 1
                else 0
            end
        ) = 1 as is_at_start,
        max(
            case
                when
                    membership.started_on < months.until_day
                    and (membership.ended_on is null or membership.ended_on >= months.until_day)
                    then 1
                else 0
            end
        ) = 1 as is_at_end
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
    where status = 'captured' and kind <> 'top_up' and provider <> 'gift'
    group by {{ first_of_month('captured_on') }}, currency, customer_id
),

joined as (
    select
        customer_id,
        currency,
        started_on as first_started_on
    from (
        select
            *,
            row_number() over (partition by customer_id order by started_at, subscription_id) as place
        from {{ ref('int_memberships') }}
    ) as numbered
    where place = 1
),

billed as (
    select
        {{ first_of_month('issued_on') }} as month,
        currency,
        sum(subtotal_minor) as billed_minor
    from {{ ref('fct_invoices') }}
    where kind = 'membership' and status <> 'void'
    group by {{ first_of_month('issued_on') }}, currency
),

billed_by_then as (
    select
        months.month,
        billed.currency,
        sum(billed.billed_minor) as billed_minor
    from months
    inner join billed on months.month >= billed.month
    group by months.month, billed.currency
),

memberships_by_then as (
    select
        months.month,
        membership.currency,
        count(*) as memberships
    from months
    inner join {{ ref('int_memberships') }} as membership on months.until_day > membership.started_on
    group by months.month, membership.currency
),

lifetimes as (
    select
        month,
        currency,
        sum(survival_before) as lifetime_months
    from {{ ref('int_member_lifetimes') }}
    group by month, currency
),

spend as (
    select
        {{ first_of_month('month') }} as month,
        currency,
        sum(amount_minor) as marketing_spend_minor
    from {{ ref('marketing_spend') }}
    group by {{ first_of_month('month') }}, currency
),

counted as (
    select
        members.month,
        members.currency,
        cast(count(case when members.is_at_start then 1 end) as integer) as members_at_start,
        cast(count(case when members.is_at_start and not members.is_at_end then 1 end) as integer) as members_lost,
        cast(count(case when members.is_at_end and not members.is_at_start then 1 end) as integer) as members_joined,
        cast(count(case when members.is_at_end then 1 end) as integer) as members_at_end,
        cast(count(*) as integer) as members_any,
        cast(coalesce(sum(revenue.revenue_minor), 0) as bigint) as revenue_minor,
        members.next_month <= {{ today() }} as is_complete,
        cast(
            count(
                case
                    when
                        joined.first_started_on >= members.month and joined.first_started_on < members.next_month
                        then 1
                end
            ) as integer
        ) as members_new
    from members
    left join revenue
        on
            members.month = revenue.month
            and members.currency = revenue.currency
            and members.customer_id = revenue.customer_id
    left join joined on members.customer_id = joined.customer_id and members.currency = joined.currency
    group by members.month, members.next_month, members.currency
)

select
    counted.*,
    lifetimes.lifetime_months,
    cast(memberships_by_then.memberships as integer) as memberships_to_date,
    cast(coalesce(billed_by_then.billed_minor, 0) as bigint) as billed_to_date_minor,
    cast(spend.marketing_spend_minor as bigint) as marketing_spend_minor
from counted
left join lifetimes on counted.month = lifetimes.month and counted.currency = lifetimes.currency
left join memberships_by_then
    on counted.month = memberships_by_then.month and counted.currency = memberships_by_then.currency
left join billed_by_then on counted.month = billed_by_then.month and counted.currency = billed_by_then.currency
left join spend on counted.month = spend.month and counted.currency = spend.currency
