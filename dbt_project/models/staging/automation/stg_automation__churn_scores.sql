select
    id as score_id,
    customer_id,
    model_id,
    probability,
    scored_at
from {{ latest_rows('automation__churn_scores') }} as latest
