"""What payment providers know, in raw and staged. Pulling is `ingestion.payments`; when it runs, `automation` says."""

from orchestration.connectors import raw_assets
from orchestration.defs.dbt import staging_of

EVENTS = "stripe__events"
OBJECTS = tuple(
    f"stripe__{stream}"
    for stream in (
        "customers", "products", "prices", "subscriptions", "invoices", "payment_intents", "charges", "refunds",
        "disputes", "balance_transactions", "payouts",
    )
)  # fmt: skip
"""Raw tables; a test compares them with the connectors'."""
SETTLEMENTS = ("momo__settlements", "momo__settlement_rejections")

stripe_raw = raw_assets(
    "stripe", {table: (table.removeprefix("stripe__"),) for table in (EVENTS, *OBJECTS)}, group="payments"
)
momo_raw = raw_assets("momo", dict.fromkeys(SETTLEMENTS, ("settlements",)), group="payments")
stripe_staging = staging_of("stripe")
momo_staging = staging_of("momo")

ASSETS = [stripe_raw, momo_raw, stripe_staging, momo_staging]
