select
    id as stripe_subscription_id,
    {{ doc_text('customer') }} as stripe_customer_id,
    {{ doc_text('items.data[0].price.id') }} as stripe_price_id,
    {{ doc_text('items.data[0].price.product') }} as stripe_product_id,
    {{ doc_integer('items.data[0].quantity') }} as quantity,
    {{ doc_text('status') }} as status,
    {{ doc_integer('items.data[0].price.unit_amount') }} * {{ doc_integer('items.data[0].quantity') }} as amount_minor,
    upper({{ doc_text('currency') }}) as currency,
    {{ doc_boolean('cancel_at_period_end') }} as is_cancelled_at_period_end,
    {{ doc_epoch('start_date') }} as started_at,
    {{ doc_epoch('trial_end') }} as trial_ends_at,
    coalesce(
        {{ doc_epoch('items.data[0].current_period_start') }},
        {{ doc_epoch('current_period_start') }}
    ) as current_period_start_at,
    coalesce(
        {{ doc_epoch('items.data[0].current_period_end') }},
        {{ doc_epoch('current_period_end') }}
    ) as current_period_end_at,
    {{ doc_epoch('canceled_at') }} as cancelled_at,
    {{ doc_epoch('ended_at') }} as ended_at,
    {{ doc_epoch('created') }} as created_at,
    is_deleted,
    loaded_at
from {{ newest_documents('stripe', 'subscriptions') }} as newest
