select
    customer_id,
    day,
    device,
    cast(sleep_minutes as integer) as sleep_minutes,
    cast(hrv_rmssd_ms as {{ double() }}) as hrv_rmssd_ms,
    cast(resting_heart_rate_bpm as integer) as resting_heart_rate_bpm,
    steps,
    received_at
from {{ latest_rows('training__wearable_days', key=['customer_id', 'day', 'device']) }} as latest
