select
    id as assignment_id,
    customer_id,
    coach_id,
    assigned_at,
    ended_at
from {{ latest_rows('training__coach_assignments') }} as latest
