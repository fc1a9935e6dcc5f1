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
    outcome_at,
    late_fee_due_at,
    late_fee_waived_at
from {{ latest_rows('scheduling__bookings') }} as latest
-- A seat that is merely kept or asked for is no booking yet, and one that was let go never became one.
where status not in ('held', 'requested', 'released')
