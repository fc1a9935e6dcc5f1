{{ config(meta={'parts': {
    'key': 'message_id',
    'changed': {
        'stg_engagement__messages': 'select id from {rows}',
        'int_customers': 'select message_id from {this} where customer_id in (select customer_id from {rows})',
    },
    'only': {'stg_engagement__messages': 'id in (select key from {parts})'},
}}) }}
select
    message.message_id,
    message.customer_id,
    message.sender_id,
    message.recipient_id,
    message.kind,
    message.sender_id = message.customer_id as is_from_customer,
    message.automation_run_id,
    message.sent_at,
    {{ local_date('message.sent_at', "coalesce(customer.time_zone, 'UTC')") }} as sent_on,
    message.read_at,
    cast({{ hours_between('message.sent_at', 'message.read_at') }} as {{ double() }}) as hours_to_read
from {{ ref('stg_engagement__messages') }} as message
left join {{ ref('int_customers') }} as customer on message.customer_id = customer.customer_id
