"""The churn model and its scores as assets. Training and scoring are `ml.churn`; when they run, `automation` says.

`ml` is imported when it runs: LightGBM and scikit-learn take seconds to load.
"""

import dagster as dg

from orchestration.failures import TRY_AGAIN, judged

FEATURES = dg.AssetKey(["retention", "fct_churn_features"])
LABELS = dg.AssetKey(["retention", "fct_churn_labels"])
MODEL = dg.AssetKey(["ml", "churn_model"])
SCORES = dg.AssetKey(["ml", "churn_scores"])


def is_stale() -> bool:
    """Whether features mean something else by now than the model in use learned."""
    from ml.churn import definitions
    from ml.churn.settings import ChurnSettings
    from ml.registry import Registry

    return definitions.is_stale(Registry(ChurnSettings().ml_path, "churn"))


@dg.asset(
    key=MODEL, deps=[FEATURES, LABELS], group_name="ml", owners=["team:retention"], kinds={"lightgbm"},
    retry_policy=TRY_AGAIN,
)  # fmt: skip
def churn_model() -> dg.MaterializeResult[None]:
    """A model of who leaves within 30 days, trained on every known outcome and promoted if it earned it.

    The same code, data and seed give the same model, which is then found and not trained again.
    """
    from ml.churn import train
    from ml.churn.settings import ChurnSettings
    from ml.marts import MartsMissing

    with judged(MartsMissing):
        trained = train.run(ChurnSettings())
    return dg.MaterializeResult(
        metadata={
            "model_id": trained.model_id,
            "algorithm": trained.algorithm,
            "is_promoted": trained.is_promoted,
            "decision": trained.decision,
            "labelled_rows": trained.labelled_rows,
            "leavers": trained.leavers,
            "metrics": dg.MetadataValue.json(trained.metrics),
        }
    )


@dg.asset(
    key=SCORES, deps=[FEATURES, MODEL], group_name="ml", owners=["team:retention"], kinds={"ducklake"},
    retry_policy=TRY_AGAIN,
)  # fmt: skip
def churn_scores() -> dg.MaterializeResult[None]:
    """Today's probability of leaving, with reasons, for every active member. Scoring again writes only what differs."""
    from ml.churn import score
    from ml.churn.settings import ChurnSettings
    from ml.marts import MartsMissing
    from ml.registry import NoModel

    with judged(MartsMissing, NoModel):
        scored = score.run(ChurnSettings())
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": scored.rows,
            "model_id": scored.model_id,
            "as_of": str(scored.as_of),
            "changed": len(scored.changed),
            "model_is_stale": scored.is_stale,
        }
    )


ASSETS = [churn_model, churn_scores]
