select
    id as price_id,
    plan_id,
    currency,
    amount_minor,
    cast(tax_rate_bp as integer) as tax_rate_bp,
    valid_from,
    valid_to
from {{ latest_rows('commerce__plan_prices') }} as latest
