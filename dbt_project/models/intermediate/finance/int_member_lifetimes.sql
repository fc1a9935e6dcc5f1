-- How long a membership lasts, as known at the end of each month: Kaplan and Meier over months of membership. Who left
-- counts the months they began, who is still there the months they have completed; the latter are not treated as if
-- they left (an average of today's members' tenure is biased), nor forgotten.
{% set so_far = 
    "partition by month, currency order by length rows between unbounded preceding and current row"
 %}
with months as (
    select
        series.day as month,
        least({{ add_months('series.day', 1) }}, {{ add_days(today(), 1) }}) as until_day,
        row_number() over (order by series.day) as length
    from {{ dates(
        "(select " ~ first_of_month('min(started_on)') ~ " from " ~ ref('int_memberships') ~ ")", today(), '1 month'
    ) }} as series
),

stays as (
    select
        months.month,
        membership.currency,
        membership.started_on,
        coalesce(membership.ended_on < months.until_day, false) as has_left,
        case
            when membership.ended_on < months.until_day then membership.ended_on else months.until_day
        end as seen_until
    from months
    inner join {{ ref('int_memberships') }} as membership on months.until_day > membership.started_on
),

completed as (
    select
        *,
        {{ months_between('started_on', 'seen_until') }}
        - case
            when {{ add_months('started_on', months_between('started_on', 'seen_until')) }} > seen_until then 1 else 0
        end as whole_months
    from stays
),

lengths as (
    select
        month,
        currency,
        has_left,
        case
            when not has_left then whole_months
            when whole_months = 0 or {{ add_months('started_on', 'whole_months') }} < seen_until then whole_months + 1
            else whole_months
        end as length
    from completed
),

counted as (
    select
        month,
        currency,
        length,
        count(*) as memberships,
        count(case when has_left then 1 end) as left_then
    from lengths
    group by month, currency, length
),

spans as (
    select
        month,
        currency,
        max(length) as longest
    from counted
    group by month, currency
),

risks as (
    select
        spans.month,
        spans.currency,
        steps.length,
        coalesce(counted.left_then, 0) as left_then,
        sum(coalesce(counted.memberships, 0)) over (
            partition by spans.month, spans.currency order by steps.length desc
            rows between unbounded preceding and current row
        ) as at_risk
    from spans
    inner join months as steps on spans.longest >= steps.length
    left join counted
        on spans.month = counted.month and spans.currency = counted.currency and steps.length = counted.length
),

survived as (
    select
        *,
        case
            when max(case when left_then = at_risk then 1 else 0 end) over ({{ so_far }}) = 1 then 0.0
            else exp(
                sum(
                    ln(1 - case when left_then = at_risk then 0 else cast(left_then as {{ double() }}) / at_risk end)
                ) over ({{ so_far }})
            )
        end as survival
    from risks
)

select
    month,
    currency,
    cast(length as integer) as length_months,
    cast(at_risk as integer) as at_risk,
    cast(left_then as integer) as left_then,
    cast(survival as {{ double() }}) as survival,
    cast(
        coalesce(lag(survival) over (partition by month, currency order by length), 1.0) as {{ double() }}
    ) as survival_before
from survived
