select
    customer_id,
    stage,
    cast(row_number() over (partition by customer_id order by since, until nulls last) as integer) as stay,
    since as valid_from,
    until as valid_to,
    since_on as valid_from_on,
    until_on as valid_to_on,
    {{ days_between('since_on', "coalesce(until_on, " ~ today() ~ ")") }} as days_in_stage,
    until is null as is_current
from {{ ref('int_customer_stages') }}
