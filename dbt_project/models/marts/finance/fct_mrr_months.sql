-- Start and end are read off the steps that hold then, the movements are summed: that both agree is tested. What moves
-- from plan to plan leaves one and reaches the other; only the difference is expansion or contraction, of the new plan.
{% set of_membership = "partition by subscription_id order by changed_at, change_id" %}
{% set of_charges = "partition by subscription_id order by starts_on, issued_at, invoice_id, ends_on" %}
with steps as (
    select
        change_id,
        subscription_id,
        currency,
        plan_id,
        lag(plan_id) over ({{ of_membership }}) as plan_before_id,
        coalesce(lag(mrr_after_minor) over ({{ of_membership }}), 0) as mrr_before_minor,
        mrr_after_minor,
        movement,
        amount_minor,
        state_after,
        changed_on,
        next_changed_on,
        {{ first_of_month('changed_on') }} as month
    from {{ ref('int_membership_changes') }}
),

moved as (
    select
        month,
        currency,
        plan_id,
        movement,
        amount_minor
    from steps
    where movement is not null
    union all
    select
        month,
        currency,
        plan_before_id as plan_id,
        'transfer' as movement,
        -mrr_before_minor as amount_minor
    from steps
    where plan_before_id <> plan_id
    union all
    select
        month,
        currency,
        plan_id,
        'transfer' as movement,
        mrr_before_minor as amount_minor
    from steps
    where plan_before_id <> plan_id
),

summed as (
    select
        month,
        currency,
        plan_id,
        {% for movement in ['new', 'expansion', 'contraction', 'churn', 'reactivation', 'transfer'] -%}
            sum(case when movement = '{{ movement }}' then amount_minor else 0 end)
            as {{ movement }}_minor{{ ',' if not loop.last }}
        {% endfor %}
    from moved
    group by month, currency, plan_id
),

months as (
    select
        series.day as month,
        {{ add_months('series.day', 1) }} as next_month,
        least({{ add_months('series.day', 1) }}, {{ add_days(today(), 1) }}) as until_day
    from {{ dates("(select min(month) from steps)", today(), '1 month') }} as series
),

billing as (
    -- An invoice of a provider's own billing has no lines: it is one charge for its period.
    select
        invoice.invoice_id,
        invoice.subscription_id,
        line.starts_on,
        line.ends_on,
        line.amount_minor - line.tax_minor as net_minor,
        invoice.status,
        invoice.issued_at
    from {{ ref('stg_commerce__invoices') }} as invoice
    inner join {{ ref('stg_commerce__invoice_lines') }} as line on invoice.invoice_id = line.invoice_id
    where line.kind in ('membership', 'discount')
    union all
    select
        invoice.invoice_id,
        invoice.subscription_id,
        {{ local_date('invoice.period_start', "coalesce(customer.time_zone, 'UTC')") }} as starts_on,
        {{ local_date('invoice.period_end', "coalesce(customer.time_zone, 'UTC')") }} as ends_on,
        invoice.subtotal_minor as net_minor,
        invoice.status,
        invoice.issued_at
    from {{ ref('stg_commerce__invoices') }} as invoice
    left join {{ ref('int_customers') }} as customer on invoice.customer_id = customer.customer_id
    where
        not exists (
            select 1
            from {{ ref('stg_commerce__invoice_lines') }} as line
            where line.invoice_id = invoice.invoice_id
        )
),

-- What an invoice asks for the same days, with its discounts. Days and not names of months say how many months they
-- are: an hour may lie on another day where the customer lives, and a month's last day in another month.
charges as (
    select
        subscription_id,
        invoice_id,
        issued_at,
        starts_on,
        ends_on,
        status,
        sum(net_minor) as net_minor,
        cast(round({{ days_between('starts_on', 'ends_on') }} / 30.436875) as integer) as months_charged
    from billing
    where subscription_id is not null and starts_on is not null
    group by subscription_id, invoice_id, issued_at, starts_on, ends_on, status
),

in_turn as (
    select
        *,
        lag(starts_on) over ({{ of_charges }}) as starts_before_on,
        lag(ends_on) over ({{ of_charges }}) as ends_before_on
    from charges
),

-- A charge for a part of a month is a proration and left out, and so is one for the days that are left of the charge
-- before it: a change of plan. Months are of different lengths, so a period may miss its whole number of months by
-- three days: from 28 February to 31 March is one month.
billed as (
    select
        subscription_id,
        invoice_id,
        issued_at,
        starts_on,
        ends_on,
        cast(net_minor as {{ double() }}) / months_charged as billed_minor,
        case when status = 'paid' then cast(net_minor as {{ double() }}) / months_charged else 0 end as collected_minor
    from in_turn
    where
        status <> 'void'
        and months_charged >= 1
        and abs({{ days_between('ends_on', add_months('starts_on', 'months_charged')) }}) <= 3
        and not coalesce(starts_before_on < starts_on and ends_before_on = ends_on, false)
),

-- Of charges that have a day in them the newest counts: a change of plan may begin a period anew within a paid one.
charged as (
    select
        month,
        subscription_id,
        sum(billed_minor) as billed_minor,
        sum(collected_minor) as collected_minor
    from (
        select
            months.month,
            billed.*,
            first_value(billed.invoice_id) over (
                partition by months.month, billed.subscription_id
                order by billed.starts_on desc, billed.issued_at desc, billed.invoice_id desc
            ) as newest_invoice_id
        from months
        inner join billed on months.until_day > billed.starts_on and months.until_day <= billed.ends_on
    ) as held
    where invoice_id = newest_invoice_id
    group by month, subscription_id
),

-- Six places make a sum the same in whatever order it was made, and a half of a cent goes up in every warehouse.
ending as (
    select
        months.month,
        months.next_month,
        steps.currency,
        steps.plan_id,
        sum(steps.mrr_after_minor) as end_minor,
        count(case when steps.state_after = 'active' then 1 end) as members_at_end,
        round(cast(sum(coalesce(charged.billed_minor, 0)) as decimal(28, 6))) as billed_minor,
        round(cast(sum(coalesce(charged.collected_minor, 0)) as decimal(28, 6))) as collected_minor
    from months
    inner join steps
        on
            months.next_month > steps.changed_on
            and (steps.next_changed_on is null or months.next_month <= steps.next_changed_on)
            and steps.state_after in ('active', 'paused')
    left join charged on months.month = charged.month and steps.subscription_id = charged.subscription_id
    group by months.month, months.next_month, steps.currency, steps.plan_id
),

rows_told as (
    select
        month,
        currency,
        plan_id
    from ending
    union distinct
    select
        next_month as month,
        currency,
        plan_id
    from ending
    where next_month <= {{ today() }}
    union distinct
    select
        month,
        currency,
        plan_id
    from summed
)

select
    told.month,
    told.currency,
    told.plan_id,
    plan.plan_code,
    plan.plan_name,
    cast(coalesce(started.end_minor, 0) as bigint) as start_minor,
    {% for movement in ['new', 'expansion', 'contraction', 'churn', 'reactivation', 'transfer'] -%}
        cast(coalesce(summed.{{ movement }}_minor, 0) as bigint) as {{ movement }}_minor,
    {% endfor -%}
    cast(coalesce(ending.end_minor, 0) as bigint) as end_minor,
    cast(coalesce(ending.billed_minor, 0) as bigint) as billed_minor,
    cast(coalesce(ending.collected_minor, 0) as bigint) as collected_minor,
    cast(coalesce(ending.members_at_end, 0) as integer) as members_at_end
from rows_told as told
left join ending on told.month = ending.month and told.currency = ending.currency and told.plan_id = ending.plan_id
left join ending as started
    on told.month = started.next_month and told.currency = started.currency and told.plan_id = started.plan_id
left join summed on told.month = summed.month and told.currency = summed.currency and told.plan_id = summed.plan_id
left join {{ ref('stg_commerce__plans') }} as plan on told.plan_id = plan.plan_id
