"""Train, judge, keep and perhaps promote a churn model.

The order of the day: read the rows with known outcomes; backtest LightGBM and its baselines on the same blocks of
time; take the best, LightGBM or not; fit it to everything; promote it unless the model in use is better on rows that
neither had seen. With too little to learn from the simplest model that can be fitted stands in, and `decision` says so.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl

from contracts import warehouse
from contracts.telemetry import get_logger
from ml import registry as registries
from ml.churn import artefact, boosting, definitions, evaluate, features, splits, tables
from ml.churn.artefact import ChurnModel, OtherFeatures
from ml.churn.baselines import BaseRate, Logistic, Model, Recency
from ml.churn.boosting import Boosted
from ml.churn.calibration import Calibration
from ml.churn.features import Rows
from ml.churn.labels import HORIZON
from ml.churn.settings import ChurnSettings
from ml.registry import NoModel, Registry

log = get_logger(__name__)
QUESTION = "churn"
LEAST_LEAVERS = {Recency.algorithm: 5, Logistic.algorithm: 20, Boosted.algorithm: 30}
BACKTEST_MEMBERS = 4
TOLERANCE = 1.005
"""A new model may have up to this many times the log loss of the current one: newer data is worth a tiny step back."""


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """What a training run came to.

    Attributes:
        model_id: The model trained by this run, or found already trained from the same code, data and seed.
        algorithm: `lightgbm`, or the baseline that won or stood in: `recency`, `base_rate`.
        is_promoted: Whether it is the current model now.
        is_new: False when the same model had been trained before.
        decision: One sentence for people: what was chosen and why.
        metrics: `test` (by algorithm), `folds`, `reliability`, `against_current`; see `evaluate.report`.
        labelled_rows: Rows with known outcome.
        leavers: Those of them who left.
        trained_through: Newest `as_of` learned from; None without rows.
        seconds: How long it took.
    """

    model_id: str
    algorithm: str
    is_promoted: bool
    is_new: bool
    decision: str
    metrics: dict[str, Any]
    labelled_rows: int
    leavers: int
    trained_through: date | None
    seconds: float


def run(settings: ChurnSettings) -> TrainedModel:
    """Train on everything known, write `marts.ml.churn_models`, promote if it earned it.

    Raises:
        MartsMissing: the marts are not built yet.
    """
    began = time.perf_counter()
    models = registry(settings)
    with warehouse.reading(settings) as lake:
        snapshot = warehouse.snapshot_id(lake, "marts")
        rows = features.labelled(lake)
    data_hash, defined_by = rows.fingerprint(), definitions.current()
    model_id = registries.model_id(
        QUESTION,
        code=registries.code_hash(Path(__file__).parent),
        parameters=boosting.PARAMETERS | {"rounds": boosting.ROUNDS, "members": boosting.MEMBERS},
        data=f"{data_hash} {defined_by}",
        seed=settings.ml_seed,
    )
    is_new = not models.has(model_id)
    if is_new:
        model, tested = _fit(rows, seed=settings.ml_seed)
        facts = model.facts | {
            "marts_snapshot_id": snapshot, "data_hash": data_hash, "seed": settings.ml_seed, "definitions": defined_by,
        }  # fmt: skip
        model = ChurnModel(model.model, model.calibration, facts)
        models.save(model_id, lambda folder: model.save(folder, tested))
    model = artefact.load(models.folder(model_id))
    verdict = _against_current(models, model_id, rows)
    if verdict["is_better"]:
        models.promote(model_id)
    facts = model.facts | {"against_current": verdict}
    with warehouse.writing(settings) as lake:
        _record(lake, model_id, model.model.algorithm, facts, current=models.current())
    decision = f"{facts['chosen']} {verdict['said']}"
    log.info("churn_model_trained", model_id=model_id, algorithm=model.model.algorithm, decision=decision)
    return TrainedModel(
        model_id=model_id,
        algorithm=model.model.algorithm,
        is_promoted=models.current() == model_id,
        is_new=is_new,
        decision=decision,
        metrics=facts["metrics"] | {"against_current": verdict},
        labelled_rows=len(rows),
        leavers=int(rows.target.sum()),
        trained_through=_newest(rows),
        seconds=time.perf_counter() - began,
    )


def roll_back(settings: ChurnSettings) -> str:
    """Make the model before the current one current again, in the registry and in the lake; returns its id.

    Raises:
        NoModel: there is no earlier one.
    """
    model_id = registry(settings).roll_back()
    with warehouse.writing(settings) as lake:
        warehouse.in_transaction(lake, lambda: _mark_current(lake, model_id))
    return model_id


def registry(settings: ChurnSettings) -> Registry:
    """The churn models below PLYO_ML_PATH."""
    return Registry(settings.ml_path, QUESTION)


def _fits(seed: int, members: int) -> dict[str, Callable[[Rows], Model]]:
    return {
        BaseRate.algorithm: BaseRate.fit,
        Recency.algorithm: Recency.fit,
        Logistic.algorithm: Logistic.fit,
        Boosted.algorithm: lambda rows: Boosted.fit(rows, seed=seed, members=members),
    }


def _fit(rows: Rows, *, seed: int) -> tuple[ChurnModel, pl.DataFrame]:
    blocks = splits.blocks(rows)
    leavers = min(rows.target.sum(), len(rows) - rows.target.sum())
    able = [name for name in _fits(seed, 1) if leavers >= LEAST_LEAVERS.get(name, 0)]
    tests = {name: evaluate.backtest(rows, blocks, _fits(seed, BACKTEST_MEMBERS)[name]) for name in able}
    metrics = evaluate.report(rows, blocks, tests)
    algorithm, chosen = _choose(metrics["test"], rows, able)
    best_first = sorted(metrics["test"], key=lambda name: name != algorithm)
    metrics["test"] = {name: metrics["test"][name] for name in best_first}
    metrics["calibration"] = metrics["reliability"][algorithm]
    model = _fits(seed, boosting.MEMBERS)[algorithm](rows)
    own = tests[algorithm]
    calibration = Calibration.fit(own.log_odds, rows.target) if model.is_calibrated else Calibration()
    newest = _newest(rows)
    facts = {
        "trained_at": datetime.now(UTC).isoformat(),
        "trained_through": newest.isoformat() if newest else None,
        "labelled_rows": len(rows),
        "leavers": int(rows.target.sum()),
        "chosen": chosen,
        "metrics": metrics,
    }
    is_tested = np.isfinite(own.probability)
    tested = rows.where(is_tested).keys.select("customer_id", "as_of").with_columns(
        probability=pl.Series(own.probability[is_tested], dtype=pl.Float64)
    )  # fmt: skip
    return ChurnModel(model, calibration, facts), tested


def _choose(test: dict[str, dict[str, Any]], rows: Rows, able: list[str]) -> tuple[str, str]:
    known = f"{len(rows)} outcomes are known, {int(rows.target.sum())} of them left"
    losses = {name: told["log_loss"] for name, told in test.items() if told["rows"]}
    if not losses:
        if Recency.algorithm in able:
            return Recency.algorithm, f"Too little history to test anything on: {known}. The rule of thumb stands in."
        return BaseRate.algorithm, f"Too little to learn from: {known}. Everybody gets the base rate."
    best = min(losses, key=lambda name: (losses[name], name))
    told = ", ".join(f"{name} {loss:.4f}" for name, loss in sorted(losses.items(), key=lambda pair: pair[1]))
    if best != Boosted.algorithm:
        return best, f"LightGBM did not beat the baseline `{best}`, which stands in (log loss: {told})."
    return best, f"LightGBM beat its baselines (log loss: {told})."


def _against_current(models: Registry, model_id: str, rows: Rows) -> dict[str, Any]:
    """Compare with the model in use, on rows that neither had seen when it predicted them."""
    try:
        current_id = models.current()
        current = artefact.load(models.folder(current_id))
    except OtherFeatures as problem:
        return {"is_better": True, "said": f"Promoted: {problem}"}
    except NoModel:
        return {"is_better": True, "said": "Promoted: there was no model before."}
    if definitions.of_model(models, current_id) != definitions.of_model(models, model_id):
        return {"is_better": True, "said": f"Promoted: features mean something else than {current_id} learned."}
    if current_id == model_id:
        return {"is_better": True, "said": "It is in use already."}
    shared = (
        rows.keys.with_row_index("row")
        .join(artefact.tested(models.folder(model_id)), on=["customer_id", "as_of"])
        .join(_unseen_by(models, current_id, current, rows), on=["customer_id", "as_of"], suffix="_current")
        .sort("row")
    )
    y = rows.target[shared["row"].to_numpy()]
    if not 0 < y.sum() < len(y):
        return {"is_better": True, "said": f"Promoted: no outcome to compare it with {current_id} on."}
    new, old = (evaluate.measure(shared[column].to_numpy(), y) for column in ("probability", "probability_current"))
    is_better = new["log_loss"] <= old["log_loss"] * TOLERANCE
    losses = f"log loss {new['log_loss']:.4f} against {old['log_loss']:.4f} on {len(y)} rows neither had seen"
    said = f"Promoted over {current_id}: {losses}." if is_better else f"Not promoted, {current_id} stays: {losses}."
    return {"is_better": is_better, "said": said, "current_id": current_id, "new": new, "current": old}


def _unseen_by(models: Registry, current_id: str, current: ChurnModel, rows: Rows) -> pl.DataFrame:
    """customer_id, as_of, probability by the current model: its backtest, and fresh ones for dates after it."""
    through = current.facts["trained_through"]
    # A date after the last one learned from is unseen only if its 30 days did not overlap what was learned.
    unseen_from = np.datetime64(through or "1970-01-01", "D") + np.timedelta64(HORIZON.days, "D")
    later = rows.where(rows.as_of >= unseen_from)
    fresh = later.keys.select("customer_id", "as_of").with_columns(
        probability=pl.Series(current.probability(later.x), dtype=pl.Float64)
    )
    earlier = artefact.tested(models.folder(current_id)).join(fresh, on=["customer_id", "as_of"], how="anti")
    return pl.concat([earlier, fresh])


def _newest(rows: Rows) -> date | None:
    newest = rows.keys["as_of"].max()
    return newest if isinstance(newest, date) else None


def _record(
    lake: duckdb.DuckDBPyConnection, model_id: str, algorithm: str, facts: dict[str, Any], current: str
) -> None:
    tables.ensure(lake)
    metrics = json.dumps(facts["metrics"] | {"against_current": facts["against_current"]})
    decision = f"{facts['chosen']} {facts['against_current']['said']}"

    def write() -> None:
        lake.execute(
            f"""insert into {tables.MODELS} by name
            select ? as model_id, cast(? as timestamptz) as trained_at, false as is_current, ? as algorithm,
                cast(? as json) as metrics, ? as decision, ? as seed, ? as labelled_rows, ? as leavers,
                cast(? as date) as trained_through, ? as marts_snapshot_id, ? as data_hash, ? as definitions
            where ? not in (select model_id from {tables.MODELS})""",
            [
                model_id, facts["trained_at"], algorithm, metrics, decision, facts["seed"], facts["labelled_rows"],
                facts["leavers"], facts["trained_through"], facts["marts_snapshot_id"], facts["data_hash"],
                facts["definitions"], model_id,
            ],
        )  # fmt: skip
        _mark_current(lake, current)

    warehouse.in_transaction(lake, write)


def _mark_current(lake: duckdb.DuckDBPyConnection, model_id: str) -> None:
    lake.execute(
        f"update {tables.MODELS} set is_current = (model_id = $id) where is_current <> (model_id = $id)",
        {"id": model_id},
    )
