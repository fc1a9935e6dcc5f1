select
    id as message_id,
    customer_id,
    sender_id,
    recipient_id,
    kind,
    automation_run_id,
    sent_at,
    read_at
from {{ latest_rows('engagement__messages') }} as latest
