select
    id as slot_id,
    coach_id,
    location_id,
    kind,
    title,
    starts_at,
    ends_at,
    cast(capacity as integer) as capacity,
    status,
    assists_id as assists_slot_id
from {{ latest_rows('scheduling__slots') }} as latest
