select
    payload_id,
    customer_id,
    source,
    provider,
    device,
    day,
    steps,
    distance_m,
    active_energy_kcal,
    resting_heart_rate_bpm,
    hrv_rmssd_ms,
    vo2max_ml_per_kg_minute,
    ordering_at,
    received_at,
    first_received_at
from
    {{ newest_measurements('days', scores=['activity_score', 'recovery_score', 'sleep_score', 'strain']) }} as newest
