select
    id as booking_id,
    slot_id,
    customer_id,
    coach_id,
    cast(seat as integer) as seat,
    starts_at,
    ends_at,
    status,
    session_pack_id,
    booked_at,
    cancelled_at,
    outcome_at
from {{ latest_rows('scheduling__bookings') }} as latest
