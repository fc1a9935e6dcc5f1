"""What others may rely on: marts as `contracts.relations` names them, metrics that compute, nothing undescribed."""

import json
import re
import shutil
from pathlib import Path

import pytest

from contracts.metrics import METRICS
from contracts.relations import RELATIONS
from orchestration.defs.destinations import READ_BY_MODELS
from tests.dbt_project import lake as lakes
from tests.dbt_project.lake import PROJECT, ROOT


@pytest.fixture(scope="module")
def manifest(built_lake, target: Path) -> dict:
    """The manifest of the build."""
    return json.loads((target / "manifest.json").read_text())


def models(manifest: dict) -> list[dict]:
    """Models of every build; those of sources outside are built and tested in `test_connectors`."""
    return [
        node
        for node in manifest["nodes"].values()
        if node["resource_type"] == "model" and "connectors" not in node["tags"]
    ]


class TestRelations:
    def test_every_mart_is_promised_and_every_promise_is_a_mart(self, manifest):
        marts = {f"{node['schema']}.{node['name']}" for node in models(manifest) if node["fqn"][1] == "marts"}
        assert marts == {name for name in RELATIONS if not name.startswith("ml.")}

    def test_contracts_say_the_same_columns_and_types_in_the_same_order(self, manifest):
        for node in models(manifest):
            if node["fqn"][1] != "marts":
                continue
            relation = RELATIONS[f"{node['schema']}.{node['name']}"]
            assert node["config"]["contract"]["enforced"], relation.name
            said = [(column["name"], column["data_type"]) for column in node["columns"].values()]
            assert said == list(relation.columns.items()), relation.name
            assert node["description"] == relation.grain

    def test_the_lake_holds_what_was_promised(self, marts):
        for relation in RELATIONS.values():
            if relation.schema == "ml":
                continue
            found = {row[0]: row[1].lower() for row in marts.execute(f"describe {relation.path}").fetchall()}
            assert found == relation.columns, relation.name

    def test_keys_identify_rows(self, marts):
        for relation in RELATIONS.values():
            if relation.schema == "ml":
                continue
            key = ", ".join(relation.key)
            twice = f"select {key} from {relation.path} group by all having count(*) > 1"
            assert marts.execute(twice).fetchall() == [], relation.name


class TestDescriptions:
    def test_every_model_says_its_grain_and_every_column_what_it_is(self, manifest, marts):
        silent = [node["name"] for node in models(manifest) if "One row" not in node["description"]]
        assert silent == []
        for node in models(manifest):
            if node["config"]["materialized"] == "ephemeral":  # part of its readers' SQL, nothing in the lake
                assert all(column["description"].strip(" ?") for column in node["columns"].values()), node["name"]
                continue
            actual = {row[0] for row in marts.execute(f"describe {node['relation_name']}").fetchall()}
            described = {name for name, column in node["columns"].items() if column["description"].strip(" ?")}
            assert described == actual, node["name"]

    def test_every_exposure_stands_on_a_mart(self, manifest):
        for exposure in manifest["exposures"].values():
            parents = [manifest["nodes"][name] for name in exposure["depends_on"]["nodes"]]
            assert parents, exposure["name"]
            assert all(parent["fqn"][1] == "marts" for parent in parents), exposure["name"]

    def test_every_mart_has_a_reader(self, manifest):
        read = {parent for exposure in manifest["exposures"].values() for parent in exposure["depends_on"]["nodes"]}
        unread = [
            node["name"] for node in models(manifest) if node["fqn"][1] == "marts" and node["unique_id"] not in read
        ]
        assert unread == []

    def test_the_exposure_of_metrics_stands_on_what_metrics_read(self, manifest):
        nodes = manifest["exposures"]["exposure.plyo.metrics"]["depends_on"]["nodes"]
        read = {"{schema}.{name}".format(**manifest["nodes"][one]) for one in nodes}
        assert read == {metric.relation for metric in METRICS.values()}


class TestTags:
    def test_no_run_begins_while_a_column_is_not_tagged(self, built_lake, target, tmp_path):
        project = tmp_path / "project"
        shutil.copytree(PROJECT, project, ignore=shutil.ignore_patterns("target", "logs"))
        file = project / "models" / "marts" / "training" / "_training__models.yml"
        text, told = re.subn(r"(- name: readiness)\n +config: .*", r"\1", file.read_text(), count=1)
        assert told
        file.write_text(text)
        run = lakes.dbt(
            "run", "--select", "fct_builds", settings=built_lake, target=tmp_path / "target", project=project
        )
        assert run.returncode != 0
        assert "fct_wearable_days.readiness has no class, purpose, retention, mask" in run.stdout
        assert "python -m contracts.dbt_tags" in run.stdout


class TestSources:
    def test_a_copy_of_raw_brings_all_that_models_read(self, manifest):
        read = {one["identifier"] for one in manifest["sources"].values() if one["identifier"].startswith("_")}
        assert read == set(READ_BY_MODELS)


class TestMetrics:
    @pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
    def test_a_metric_can_be_computed_from_its_own_words(self, marts, metric):
        where = f"where {metric.where}" if metric.where else ""
        query = f"select {metric.at}, {metric.expression} as value from {RELATIONS[metric.relation].path} {where} group by 1"  # noqa: E501
        assert marts.execute(query).fetchall() or metric.name == "nps"  # of answers that nobody has entered

    def test_a_label_names_one_metric(self):
        labels = [metric.label for metric in METRICS.values()]
        assert sorted(set(labels)) == sorted(labels)

    def test_money_is_never_summed_across_currencies(self):
        assert all("currency" in metric.columns for metric in METRICS.values() if metric.unit == "money")

    def test_the_page_of_metrics_defines_each_with_the_same_words_and_sql(self):
        page = re.sub(r"\s+", " ", (ROOT / "docs" / "metrics.md").read_text())
        missing = [
            metric.name
            for metric in METRICS.values()
            if f"`{metric.name}`" not in page or metric.definition not in page or metric.expression not in page
        ]
        assert missing == []
