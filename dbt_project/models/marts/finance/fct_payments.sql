{{ config(meta={'parts': {
    'key': 'payment_id',
    'changed': {
        'stg_commerce__payments': 'select id from {rows}',
        'stg_commerce__invoices': 'select payment_id from {this} where invoice_id in (select id from {rows})',
        'stg_commerce__invoice_lines': "
            select payment_id from {this} where invoice_id in (
                select invoice_id from {commerce__invoice_lines} where id in (select id from {rows})
            )
        ",
        'stg_commerce__refunds': "
            select payment_id from {commerce__refunds} where id in (select id from {rows})
        ",
        'stg_commerce__disputes': "
            select payment_id from {commerce__disputes} where id in (select id from {rows})
        ",
        'int_customers': 'select payment_id from {this} where customer_id in (select customer_id from {rows})',
    },
    'only': {'stg_commerce__payments': 'id in (select key from {parts})'},
}}) }}
with refunds as (
    select
        payment_id,
        sum(amount_minor) as refunded_minor
    from {{ ref('stg_commerce__refunds') }}
    where status = 'succeeded'
    group by payment_id
),

disputes as (
    select
        payment_id,
        sum(amount_minor - returned_minor) as disputed_minor
    from {{ ref('stg_commerce__disputes') }}
    group by payment_id
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
    payment.payment_id,
    payment.invoice_id,
    payment.customer_id,
    case
        when invoice.subscription_id is not null then 'membership'
        else coalesce(special.kind, 'pack')
    end as kind,
    payment.provider,
    payment.status,
    payment.amount_minor,
    payment.fee_minor,
    cast(coalesce(refunds.refunded_minor, 0) as bigint) as refunded_minor,
    cast(coalesce(disputes.disputed_minor, 0) as bigint) as disputed_minor,
    payment.currency,
    payment.attempt,
    payment.failure_code,
    payment.attempted_at,
    {{ local_date('payment.attempted_at', "coalesce(customer.time_zone, 'UTC')") }} as attempted_on,
    payment.captured_at,
    {{ local_date('payment.captured_at', "coalesce(customer.time_zone, 'UTC')") }} as captured_on
from {{ ref('stg_commerce__payments') }} as payment
left join {{ ref('stg_commerce__invoices') }} as invoice on payment.invoice_id = invoice.invoice_id
left join {{ ref('int_customers') }} as customer on payment.customer_id = customer.customer_id
left join refunds on payment.payment_id = refunds.payment_id
left join disputes on payment.payment_id = disputes.payment_id
left join special on payment.invoice_id = special.invoice_id
