with payments as (
    select
        invoice_id,
        count(*) as attempts,
        sum(case when status = 'captured' then amount_minor else 0 end) as paid_minor,
        sum(refunded_minor) as refunded_minor
    from {{ ref('fct_payments') }}
    group by invoice_id
)

select
    invoice.invoice_id,
    invoice.number,
    invoice.customer_id,
    invoice.subscription_id,
    invoice.session_pack_id,
    case when invoice.subscription_id is null then 'pack' else 'membership' end as kind,
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
    invoice.paid_at
from {{ ref('stg_commerce__invoices') }} as invoice
left join {{ ref('int_customers') }} as customer on invoice.customer_id = customer.customer_id
left join payments on invoice.invoice_id = payments.invoice_id
