"""A small business as the analytics service would tell it: every dataset and metric that the admin console asks for."""

import json
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import polars as pl

TODAY = datetime.now(UTC).date()
DAYS = pl.date_range(TODAY - timedelta(days=200), TODAY, eager=True)
N = len(DAYS)
CURRENCIES = ("EUR", "USD", "VND")


def datasets() -> dict[str, pl.DataFrame]:
    """Frames by dataset name, in the columns of `contracts.relations`."""
    steps = pl.Series(range(N))
    daily = [
        pl.DataFrame(
            {
                "day": DAYS,
                "currency": currency,
                "mrr_minor": 900_000 + steps * 900 * scale,
                "active_members": 80 + steps // (4 * scale),
                "new_minor": (steps % 5 == 0).cast(pl.Int64) * 9_900,
                "expansion_minor": (steps % 30 == 0).cast(pl.Int64) * 3_000,
                "contraction_minor": (steps % 45 == 0).cast(pl.Int64) * -4_000,
                "churn_minor": (steps % 9 == 0).cast(pl.Int64) * -9_900,
                "reactivation_minor": (steps % 50 == 0).cast(pl.Int64) * 9_900,
            }
        )
        for scale, currency in enumerate(CURRENCIES, 1)
    ]
    scores = pl.DataFrame(
        {
            "customer_id": [f"c{n}" for n in range(30)], "display_name": [f"Customer {n}" for n in range(30)],
            "coach_name": ["Cara Coach"] * 30, "probability": [0.9 - n * 0.03 for n in range(30)],
            "plan_name": ["Twice a week"] * 30,
            "reasons": [json.dumps([{"label": "No session in 19 days", "contribution": 0.8}])] * 30,
        }
    )  # fmt: skip
    card = {
        "auc": 0.81, "brier": 0.06, "ece": 0.021,
        "calibration": [{"predicted": p / 20, "observed": p / 20 + 0.01, "count": 40} for p in range(1, 10)],
    }  # fmt: skip
    weeks = pl.date_range(TODAY - timedelta(weeks=12), TODAY, "1w", eager=True)
    return {
        "mrr_daily": pl.concat(daily),
        "payments_daily": pl.concat(daily).select(
            "day", "currency", captured_minor=pl.col("new_minor") * 3, failed_minor=pl.col("new_minor") // 3,
            refunded_minor=pl.col("expansion_minor"), disputed_minor=pl.lit(0),
        ),
        "stages_daily": pl.concat(
            pl.DataFrame({"day": DAYS, "stage": stage, "customers": steps // 3 + base})
            for stage, base in (("trial", 5), ("active", 80), ("paused", 6), ("won_back", 2), ("churned", 40))
        ),
        "watchlist": scores,
        "churn_model_card": pl.DataFrame(
            {"model_id": ["abcdef0123456789"], "algorithm": ["lightgbm"], "is_current": [True],
             "trained_at": [datetime.now(UTC)], "metrics": [json.dumps(card)]}
        ),
        "cohort_retention": pl.DataFrame(
            [{"cohort_month": date(2026, m, 1), "months_since": k, "members": 20, "retention": 1 - k / 20}
             for m in range(1, 7) for k in range(8 - m)]
        ),
        "automation_effects": pl.DataFrame(
            {"rule_name": ["Churn check-in"] * 2, "outcome": ["attended", "retained"], "lift": [0.12, 0.05],
             "lift_low": [0.02, -0.03], "lift_high": [0.22, 0.13], "treated": [120, 120], "held_out": [30, 30],
             "treated_rate": [0.62, 0.91], "holdout_rate": [0.5, 0.86], "outcomes_pending": [7, 7]}
        ),
        "lifetime_model_card": pl.DataFrame(
            {"currency": ["EUR", "VND"], "decision": ["Learned.", "2 people bought twice."]}
        ),
        "pack_buyers": pl.DataFrame(
            {"currency": ["EUR"] * 2, "display_name": ["Rare Rita", "Often Otto"], "coach_name": ["Cara Coach", None],
             "purchases": [2, 9], "last_purchased_on": [TODAY - timedelta(days=80), TODAY - timedelta(days=5)],
             "probability_alive": [0.31, 0.97], "expected_purchases": [0.8, 10.4],
             "expected_spend_minor": [9000.4, 12000.2], "expected_value_minor": [7200.3, 124802.1]}
        ),
        "training_effects": pl.DataFrame(
            [{"state": state, "outcome": outcome, "compared_with": "ACWR 0.8 to 1.3", "clients": 60,
              "clients_in_state": inside, "observed_in_state": 400, "rate_in_state": rate, "rate_else": 0.06,
              "difference": difference, "difference_low": low, "difference_high": high, "within_difference": own,
              "within_low": own and own - 0.02, "within_high": own and own + 0.02}
             for state, outcome, inside, rate, difference, low, high, own in (
                 ("load_spike", "no_show", 41, 0.104, 0.044, 0.012, 0.076, 0.021),
                 ("low_readiness", "no_show", 4, None, None, None, None, None),
                 ("load_drop", "left_in_30_days", 38, 0.05, -0.01, -0.03, 0.01, None))],
            schema_overrides={"within_difference": pl.Float64},
        ),
        "automation_runs": pl.DataFrame(
            {"started_at": [datetime.now(UTC)] * 3, "rule_name": ["Churn check-in"] * 3, "arm": ["treatment"] * 3,
             "status": ["open", "acted", "held_out"], "probability": [0.5, 0.6, 0.7],
             "customer_name": ["Customer 1"] * 3, "has_attended": [None, True, False],
             "is_retained": [None, True, True]}
        ),
        "coach_utilisation": pl.concat(
            pl.DataFrame({"coach_id": coach, "coach_name": coach, "week_starts_on": weeks, "available_hours": 30.0,
                          "delivered_hours": hours, "sessions_delivered": 20, "no_shows": 1})
            for coach, hours in (("Cara Coach", 21.0), ("Ben Mentor", 14.0))
        ),
    }  # fmt: skip


def metric(name: str) -> dict[str, Any]:
    """An answer of the metric endpoint with eight months of points."""
    months = pl.date_range(TODAY - timedelta(days=220), TODAY, "1mo", eager=True).to_list()
    is_money = name in ("mrr", "arpm", "payments_captured")
    is_ratio = name in (
        "attrition", "utilisation", "no_show_rate", "adherence", "payment_failure_rate", "lead_conversion"
    )  # fmt: skip
    base = 1_000_000 if is_money else 0.1 if is_ratio else 100
    points = [
        {"at": month.isoformat(), "value": base * (1 + n / 20)} | ({"currency": currency} if is_money else {})
        for currency in (CURRENCIES if is_money else ("",))
        for n, month in enumerate(months)
    ]
    return {
        "name": name, "label": name.replace("_", " ").capitalize(), "definition": f"What {name} means.",
        "unit": "money" if is_money else "ratio" if is_ratio else "count", "relation": "finance.fct_mrr_daily",
        "sql": "select 1", "points": points, "exclusions": "None.", "owner": "finance",
        "freshness": {"state": "fresh", "age_seconds": 20, "data_as_of": None, "snapshot_id": 1},
        "better": "less" if name in ("attrition", "no_show_rate", "payment_failure_rate") else "more",
        "domain": "Members" if name == "attrition" else "Money", "kind": "flow", "grains": ["day", "week", "month"],
        "dimensions": ["currency", "plan", "coach"], "is_by_currency": is_money, "where": "status = 'captured'",
        "at": "day", "relation_grain": "One row per day.", "former": [],
    } | _of_november(is_money, base)  # fmt: skip


def _of_november(is_money: bool, base: float) -> dict[str, Any]:
    """A period's number, half as much again as the one before, in each currency."""
    series = [{"currency": currency} for currency in CURRENCIES] if is_money else [{}]
    return {
        "total": {"from": "2026-11-01", "to": "2026-11-26", "items": [one | {"value": base * 1.5} for one in series]},
        "comparison": {
            "name": "previous_period", "from": "2026-10-01", "to": "2026-10-26",
            "items": [one | {"value": base * 1.5, "compared": base, "change": base * 0.5, "relative_change": 0.5}
                      for one in series],
        },
    }  # fmt: skip


def freshness() -> dict[str, Any]:
    """How old everything is."""
    return {
        "state": "fresh", "stream": {"silent_seconds": 6.4},
        "relations": [
            {"relation": "finance.fct_mrr_daily", "state": "fresh", "age_seconds": 20.2, "late_after_seconds": 600}
        ],
        "sources": [
            {"source": "change stream", "state": "fresh", "age_seconds": 20.2, "metrics": ["mrr"]},
            {"source": "commerce__payments", "state": "late", "age_seconds": 1200.0, "metrics": ["arpm", "arpu"]},
        ],
    }  # fmt: skip


def lineage() -> dict[str, Any]:
    """MRR back to the product's subscriptions; a check of the mart fails."""

    def node(name: str, kind: str, **told: object) -> dict[str, Any]:
        return {"id": name, "name": name, "kind": kind, "description": "", "sql": None, "tests": []} | told

    names = ("mrr", "finance.fct_mrr_daily", "raw.main.commerce__subscriptions", "postgresql:commerce.subscriptions")
    failing = [{"name": "one_row_a_day", "status": "fail"}, {"name": "not_null", "status": "pass"}]
    return {
        "name": "mrr",
        "nodes": [
            node(names[0], "metric", sql="sum(mrr_minor)"),
            node(names[1], "mart", sql="select 1 where 1 < 2", description="MRR <of> a day.", tests=failing),
            node(names[2], "raw"),
            node(names[3], "source"),
        ],
        "edges": [{"from": parent, "to": child} for child, parent in pairwise(names)],
    }


def rule() -> dict[str, Any]:
    """The one automation rule."""
    return {
        "id": "rule1", "code": "churn-check-in", "name": "Churn check-in", "probability_at_least": 0.1,
        "holdout_percent": 20, "is_active": True, "message_template": "Hi {first_name}, all well?",
    }  # fmt: skip


def connectors() -> list[dict[str, Any]]:
    """One that is healthy, one that is paused and failing, one that nobody connected."""
    now = datetime.now(UTC)

    def one(name: str, **told: Any) -> dict[str, Any]:
        empty = dict.fromkeys(
            ("problem", "connected_at", "tested_at", "test_problem", "last_run_at", "last_success_at", "failing_since")
        )
        return empty | {
            "name": name, "label": name.capitalize(), "what": "What it brings", "every_minutes": 60,
            "missing_settings": [], "state": "connected", "health": "healthy", "is_resync_due": False, "streams": [],
        } | told  # fmt: skip

    def stream(name: str, **told: Any) -> dict[str, Any]:
        return {
            "stream": name,
            "rows": 3,
            "cursor": None,
            "problem": None,
            "quarantined": 0,
            "at": now.isoformat(),
        } | told

    return [
        one("stripe", streams=[stream("events", cursor="evt_9")], last_success_at=now.isoformat()),
        one(
            "hubspot", state="paused", health="failing", problem="deals: HTTP 500",
            failing_since=(now - timedelta(hours=2, minutes=1)).isoformat(),
            streams=[stream("deals", problem="HTTP 500")],
        ),
        one("terra", state="off", health="off", missing_settings=["PLYO_TERRA_API_KEY"]),
    ]  # fmt: skip


def drop_off() -> dict[str, Any]:
    """Who stopped at which step of setting up, in no order, and a step that we no longer have."""
    shares = {"plan": 0.25, "goal": 0.1, "booking": 0.4, "mood": 0.5, "screening": None, "consents": 0.05}
    items = [{"step": step, "value": share} for step, share in shares.items()]
    return metric("onboarding_drop_off") | {
        "points": [], "unit": "ratio", "total": {"from": "2025-12-01", "to": "2026-11-30", "items": items},
    }  # fmt: skip
