select
    delivery.delivery_id,
    delivery.customer_id,
    delivery.announcement_id,
    delivery.channel,
    delivery.purpose,
    delivery.template,
    delivery.status,
    delivery.reason,
    delivery.attempts,
    delivery.created_at,
    {{ local_date('delivery.created_at', "coalesce(customer.time_zone, 'UTC')") }} as created_on,
    delivery.sent_at,
    delivery.delivered_at,
    delivery.segments,
    delivery.cost_thousandths,
    delivery.currency
from {{ ref('stg_engagement__deliveries') }} as delivery
left join {{ ref('int_customers') }} as customer on delivery.customer_id = customer.customer_id
