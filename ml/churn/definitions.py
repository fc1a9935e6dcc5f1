"""What the features and labels of a model mean: a hash of the SQL they are made by, and whether it has changed since.

A feature may keep its name and mean something else, as `adherence_28d` did when it became unknown for who has no plan.
A model trained before reads such a column as what it was: it is stale, and no test on older rows says how good it is.
"""

import hashlib
import json

from contracts.metrics import models
from ml.registry import NoModel, Registry

MARTS = ("retention.fct_churn_features", "retention.fct_churn_labels")


def current() -> str:
    """Hash of every model and macro that features and labels are made of, by `contracts.metrics.models`.

    Raises:
        FileNotFoundError: the dbt project is not there, so what features mean cannot be told.
    """
    found = models.behind(MARTS, models.PROJECT)
    if not found:
        raise FileNotFoundError(models.PROJECT)
    return hashlib.sha256(json.dumps(sorted(found.items())).encode()).hexdigest()[:16]


def of_model(registry: Registry, model_id: str) -> str | None:
    """The hash that a model was trained by; None for one from before they were kept."""
    facts = json.loads((registry.folder(model_id) / "model.json").read_text())["facts"]
    return facts.get("definitions")  # type: ignore[no-any-return]


def is_stale(registry: Registry) -> bool:
    """Whether the model in use was trained by other definitions than today's; none in use is not stale."""
    try:
        model_id = registry.current()
    except NoModel:
        return False
    return of_model(registry, model_id) != current()
