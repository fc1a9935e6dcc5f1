"""What pack buyers are worth, as an asset. Learning and valuing are `ml.lifetime`; when they run, `automation` says."""

import dagster as dg

from orchestration.failures import TRY_AGAIN, judged

VALUES = dg.AssetKey(["ml", "lifetime_values"])


@dg.asset(
    key=VALUES, deps=[dg.AssetKey(["finance", "fct_packs"]), dg.AssetKey(["core", "dim_customers"])], group_name="ml",
    owners=["team:retention"], kinds={"ducklake"}, retry_policy=TRY_AGAIN,
)  # fmt: skip
def lifetime_values() -> dg.MaterializeResult[None]:
    """What every pack buyer without a membership will probably bring in the year to come."""
    from contracts.warehouse import WarehouseSettings
    from ml.lifetime import value
    from ml.marts import MartsMissing

    with judged(MartsMissing):
        valued = value.run(WarehouseSettings())
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": valued.rows,
            "as_of": str(valued.as_of),
            "buyers": valued.buyers,
            "repeat_buyers": valued.repeat_buyers,
            "decision": valued.decision,
        }
    )
