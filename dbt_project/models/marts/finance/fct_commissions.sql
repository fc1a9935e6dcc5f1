select
    statement_id,
    coach_id,
    first_on,
    last_on,
    currency,
    sessions,
    pack_revenue_minor,
    session_pay_minor,
    classes,
    class_pay_minor,
    pack_pay_minor,
    corrections,
    corrected_minor,
    total_minor,
    closed_at
from {{ ref('stg_commerce__commission_statements') }}
