"""What follows training load and readiness, as an asset. Measuring is `ml.effects`; when it runs, `automation` says."""

import dagster as dg

from orchestration.failures import TRY_AGAIN, judged

EFFECTS = dg.AssetKey(["ml", "training_effects"])
MARTS = (
    ("training", "fct_training_days"),
    ("training", "fct_wearable_days"),
    ("scheduling", "fct_bookings"),
    ("retention", "fct_churn_labels"),
    ("core", "fct_consents"),
)


@dg.asset(
    key=EFFECTS, deps=[dg.AssetKey(list(one)) for one in MARTS], group_name="ml", owners=["team:retention"],
    kinds={"ducklake"}, retry_policy=TRY_AGAIN,
)  # fmt: skip
def training_effects() -> dg.MaterializeResult[None]:
    """How much more often sessions are missed and memberships end after much, little or even load, or bad rest."""
    from contracts.warehouse import WarehouseSettings
    from ml.effects import measure
    from ml.marts import MartsMissing

    with judged(MartsMissing):
        clients = measure.run(WarehouseSettings())
    return dg.MaterializeResult(metadata={name: dg.MetadataValue.int(number) for name, number in clients.items()})
