select
    id as entry_id,
    slot_id,
    customer_id,
    status,
    joined_at,
    offered_at,
    closed_at
from {{ latest_rows('scheduling__waitlist_entries') }} as latest
