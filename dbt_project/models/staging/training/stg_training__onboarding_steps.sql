{{ config(materialized='ephemeral') }}
select
    customer_id,
    step,
    entered_at,
    left_at,
    outcome
from {{ latest_rows('training__onboarding_steps', key=['customer_id', 'step']) }} as latest
