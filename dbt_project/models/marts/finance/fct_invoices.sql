{{ config(meta={'parts': {
    'key': 'invoice_id',
    'changed': {
        'stg_commerce__invoices': 'select id from {rows}',
        'stg_commerce__credit_notes': "
            select invoice_id from {commerce__credit_notes} where id in (select id from {rows})
        ",
        'stg_commerce__invoice_lines': "
            select invoice_id from {commerce__invoice_lines} where id in (select id from {rows})
        ",
        'fct_payments': 'select invoice_id from {rows}',
        'int_customers': 'select invoice_id from {this} where customer_id in (select customer_id from {rows})',
    },
    'only': {
        'stg_commerce__invoices': 'id in (select key from {parts})',
        'stg_commerce__credit_notes': "
            id in (select id from {commerce__credit_notes} where invoice_id in (select key from {parts}))
        ",
        'stg_commerce__invoice_lines': "
            id in (select id from {commerce__invoice_lines} where invoice_id in (select key from {parts}))
        ",
        'fct_payments': 'invoice_id in (select key from {parts})',
    },
}}) }}
-- A failure after the money (a second card, tried at once) left nothing to collect.
{% set was_paid_before = "coalesce(invoice.paid_at <= payments.first_failed_at, false)" %}
with attempts as (
    select
        *,
        min(case when status = 'failed' then attempted_at end) over (partition by invoice_id) as first_failed_at
    from {{ ref('fct_payments') }}
),

payments as (
    select
        invoice_id,
        sum(case when provider in ('wallet', 'gift') then 0 else 1 end) as attempts,
        sum(case when status = 'captured' then amount_minor else 0 end) as paid_minor,
        sum(refunded_minor) as refunded_minor,
        min(first_failed_at) as first_failed_at,
        min(case when status = 'failed' then attempted_on end) as first_failed_on,
        -- A part that was paid before the failure is not what came after it.
        min(case when status = 'captured' and captured_at > first_failed_at then captured_at end) as recovered_at
    from attempts
    group by invoice_id
),

credits as (
    select
        invoice_id,
        sum(amount_minor) as credited_minor,
        sum(case when settlement = 'open' then amount_minor else 0 end) as forgiven_minor
    from {{ ref('stg_commerce__credit_notes') }}
    group by invoice_id
),

special as (
    select
        invoice_id,
        max(kind) as kind
    from {{ ref('stg_commerce__invoice_lines') }}
    where kind in ('fee', 'top_up')
    group by invoice_id
)

select
    invoice.invoice_id,
    invoice.number,
    invoice.customer_id,
    invoice.subscription_id,
    invoice.session_pack_id,
    case
        when invoice.subscription_id is not null then 'membership'
        else coalesce(special.kind, 'pack')
    end as kind,
    invoice.status,
    invoice.currency,
    invoice.subtotal_minor,
    invoice.tax_minor,
    invoice.total_minor,
    cast(coalesce(payments.paid_minor, 0) as bigint) as paid_minor,
    cast(coalesce(payments.refunded_minor, 0) as bigint) as refunded_minor,
    cast(coalesce(payments.attempts, 0) as integer) as attempts,
    invoice.period_start,
    invoice.period_end,
    invoice.issued_at,
    {{ local_date('invoice.issued_at', "coalesce(customer.time_zone, 'UTC')") }} as issued_on,
    invoice.due_at,
    invoice.paid_at,
    cast(coalesce(credits.credited_minor, 0) as bigint) as credited_minor,
    cast(
        case
            when invoice.status = 'open'
                then greatest(
                    invoice.total_minor - coalesce(credits.forgiven_minor, 0) - coalesce(payments.paid_minor, 0), 0
                )
            else 0
        end as bigint
    ) as owed_minor,
    payments.first_failed_on,
    case
        when payments.first_failed_at is null or {{ was_paid_before }} then null
        when invoice.status = 'open' then 'running'
        when invoice.status = 'void' then 'credited'
        when invoice.status = 'paid' and payments.recovered_at is not null then 'recovered'
        else 'lost'
    end as dunning,
    case
        when invoice.status = 'paid' and not {{ was_paid_before }}
            then cast({{ hours_between('payments.first_failed_at', 'payments.recovered_at') }} / 24 as {{ double() }})
    end as days_to_recover
from {{ ref('stg_commerce__invoices') }} as invoice
left join {{ ref('int_customers') }} as customer on invoice.customer_id = customer.customer_id
left join payments on invoice.invoice_id = payments.invoice_id
left join credits on invoice.invoice_id = credits.invoice_id
left join special on invoice.invoice_id = special.invoice_id
