{{ config(materialized='ephemeral') }}
-- That a week was told of and answered. How it went (mood, sleep, weight, words) is between client and coach.
select
    id as check_in_id,
    customer_id,
    due_on,
    submitted_at,
    answered_at
from {{ latest_rows('training__check_ins') }} as latest
