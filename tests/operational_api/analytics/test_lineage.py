"""From a number to the product's tables, out of a manifest as dbt writes it."""

import json
from datetime import UTC, datetime

import pytest

from operational_api.analytics.lineage import Manifest
from operational_api.analytics.query import At, Query, literal
from tests.operational_api.analytics.conftest import person, serve


def model(name: str, schema: str, layer: str, parents: list[str], sql: str = "select 1") -> dict:
    return {
        "resource_type": "model", "name": name, "alias": name, "schema": schema, "fqn": ["plyo", layer, "x", name],
        "depends_on": {"nodes": parents}, "raw_code": sql, "description": f"About {name}.", "columns": {"day": {}},
    }  # fmt: skip


@pytest.fixture
def manifest(tmp_path):
    file = tmp_path / "manifest.json"
    file.write_text(json.dumps({
        "nodes": {
            "model.plyo.fct_mrr_daily": model("fct_mrr_daily", "finance", "marts", ["model.plyo.int_changes"]),
            "model.plyo.int_changes": model("int_changes", "intermediate", "intermediate", ["model.plyo.stg_subs"]),
            "model.plyo.stg_subs": model("stg_subs", "staging", "staging", ["source.plyo.raw.commerce__subscriptions"]),
            "test.plyo.unique_day": {
                "resource_type": "test", "name": "unique_day", "attached_node": "model.plyo.fct_mrr_daily",
                "schema": "t", "depends_on": {"nodes": ["model.plyo.fct_mrr_daily"]},
            },
        },
        "sources": {
            "source.plyo.raw.commerce__subscriptions": {
                "resource_type": "source", "schema": "main", "identifier": "commerce__subscriptions",
                "name": "commerce__subscriptions", "description": "", "fqn": ["plyo", "raw"], "columns": {},
            },
        },
    }))  # fmt: skip
    (tmp_path / "run_results.json").write_text(
        json.dumps({"results": [{"unique_id": "test.plyo.unique_day", "status": "pass"}]})
    )
    return file


class TestLineage:
    def test_leads_from_a_metric_to_the_source_table(self, manifest):
        told = Manifest(manifest).lineage("mrr")
        assert [(node["kind"], node["id"]) for node in told["nodes"]] == [
            ("metric", "mrr"),
            ("mart", "finance.fct_mrr_daily"),
            ("intermediate", "intermediate.int_changes"),
            ("staging", "staging.stg_subs"),
            ("raw", "raw.main.commerce__subscriptions"),
            ("source", "postgresql:commerce.subscriptions"),
        ]
        assert told["edges"][0] == {"from": "finance.fct_mrr_daily", "to": "mrr"}
        assert told["nodes"][1]["sql"] == "select 1"
        assert told["nodes"][1]["tests"] == [{"name": "unique_day", "description": "", "status": "pass"}]

    def test_a_new_build_is_noticed(self, manifest):
        reader = Manifest(manifest)
        reader.lineage("mrr")
        changed = manifest.read_text().replace("select 1", "select 2")
        manifest.write_text(changed)
        import os

        os.utime(manifest, (1, 1))
        assert reader.lineage("mrr")["nodes"][1]["sql"] == "select 2"

    def test_scores_come_from_features_and_model(self, manifest):
        ids = {node["id"] for node in Manifest(manifest).lineage("watchlist")["nodes"]}
        assert {"ml.churn_scores", "ml.churn_models", "retention.fct_churn_features"} <= ids

    def test_is_for_staff(self, empty_settings, manifest):
        app = serve(empty_settings.model_copy(update={"dbt_manifest": manifest}))
        assert person(app, "customer").get("/api/analytics/lineage/mrr").status_code == 403
        assert person(app, "coach").get("/api/analytics/lineage/mrr").status_code == 200


class TestQuery:
    def test_values_are_quoted_when_written_down(self):
        query = Query("select * from @core.dim_plans where plan_name = $name", {"name": "O'Neill'; drop table x --"})
        assert query.to_read(At(7, datetime.now(UTC))) == (
            "select * from marts.core.dim_plans at (version => 7) where plan_name = 'O''Neill''; drop table x --'"
        )

    @pytest.mark.parametrize("value", [float("nan"), datetime(2026, 1, 1), None, True, b"x"])  # noqa: DTZ001
    def test_other_kinds_of_values_are_no_values(self, value):
        with pytest.raises(TypeError):
            literal(value)
