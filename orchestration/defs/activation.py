"""Scores go back to the people who act on them: changed ones are posted to the operational API's automation context."""

from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Any

import dagster as dg
import duckdb

from orchestration.defs.churn import SCORES
from orchestration.failures import TRY_AGAIN, judged
from orchestration.resources import Lake, OperationalApi

NOTICEABLE = 0.01
"""A probability that moved by less than a point is not news to a coach."""
SCORES_A_POST = 500

_RECEIVED = """
    select cast(customer_id as varchar), arg_max(model_id, scored_at), arg_max(probability, scored_at)
    from raw.automation__churn_scores where _op not in ('d', 't') group by customer_id
"""


@dg.asset(
    key=["activation", "churn_scores"], deps=[SCORES], group_name="activation", owners=["team:retention"],
    kinds={"http"}, retry_policy=TRY_AGAIN,
)  # fmt: skip
def churn_scores(context: dg.AssetExecutionContext, lake: Lake, api: OperationalApi) -> dg.MaterializeResult[None]:
    """Post every score that operations have not got, or got differently; running it again posts nothing new.

    What operations have is read from their own table's change log, so a post that never arrived is made again.
    """
    from ml.churn import score, train
    from ml.churn.settings import ChurnSettings
    from ml.registry import NoModel

    with judged(NoModel):
        model_id = train.registry(ChurnSettings()).current()
        scores = score.latest(ChurnSettings())
        with lake.reading() as connection:
            news = changed(scores, model_id, received(connection))
        for scored_at, batch in posts(news):
            api.post_churn_scores(model_id=model_id, scored_at=scored_at, scores=batch)
    context.log.info(f"posted {len(news)} of {len(scores)} scores")
    return dg.MaterializeResult(metadata={"scores": len(scores), "posted": len(news), "model_id": model_id})


def received(connection: duckdb.DuckDBPyConnection) -> dict[str, tuple[str, float]]:
    """The newest score operations have of each customer: model and probability."""
    return {row[0]: (row[1], row[2]) for row in connection.execute(_RECEIVED).fetchall()}


def changed(
    scores: Iterable[Mapping[str, Any]], model_id: str, known: Mapping[str, tuple[str, float]]
) -> list[Mapping[str, Any]]:
    """Scores that are news to operations: of another model, or moved noticeably, or never received."""

    def is_news(score: Mapping[str, Any]) -> bool:
        before = known.get(str(score["customer_id"]))
        return before is None or before[0] != model_id or abs(before[1] - score["probability"]) >= NOTICEABLE

    return [score for score in scores if is_news(score)]


def posts(news: Iterable[Mapping[str, Any]]) -> list[tuple[str, list[dict[str, Any]]]]:
    """Requests to make: the time of scoring, and at most `SCORES_A_POST` scores made then, as the API reads them."""
    made = []
    ordered = sorted(news, key=lambda score: (score["scored_at"], str(score["customer_id"])))
    for scored_at, together in groupby(ordered, key=lambda score: score["scored_at"]):
        told = [
            {
                "customer_id": str(score["customer_id"]),
                "coach_id": score["coach_id"] and str(score["coach_id"]),
                "probability": score["probability"],
                "reasons": score["reasons"],
            }
            for score in together
        ]
        made += [
            (scored_at.isoformat(), told[start : start + SCORES_A_POST]) for start in range(0, len(told), SCORES_A_POST)
        ]
    return made
