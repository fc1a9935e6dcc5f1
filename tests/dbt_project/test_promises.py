"""What others may rely on: marts as `contracts.relations` names them, metrics that compute, nothing undescribed."""

import ast
import json
import re
import shutil
from collections import Counter
from pathlib import Path
from typing import get_args

import duckdb
import pytest
import yaml

from contracts.metrics import METRICS
from contracts.relations import RELATIONS
from operational_api.analytics.catalogue import DATASETS
from operational_api.identity.roles.schemas import Role
from orchestration.defs.destinations import READ_BY_MODELS
from tests.contracts.promises import broken_marts, marts_of
from tests.dbt_project import lake as lakes
from tests.dbt_project.lake import PROJECT, ROOT

VIEWS = sorted(path for path in (ROOT / "consoles").glob("*/views/*.py") if path.stem != "__init__")
"""Pages of both consoles."""
SILENT = ("nps", "sleep_efficiency")
"""Metrics of answers that nobody has entered here, and of time in bed that no device here tells."""


def asked_by(view: Path) -> set[str]:
    """The marts of the datasets and metrics that a page names."""
    text = view.read_text()
    said = {one.value for one in ast.walk(ast.parse(text)) if isinstance(one, ast.Constant)}
    datasets = {mart for name in said & DATASETS.keys() for mart in DATASETS[name].relations}
    return datasets | ({METRICS[name].relation for name in said & METRICS.keys()} if ".metric(" in text else set())


@pytest.fixture(scope="module")
def manifest(built_lake, target: Path) -> dict:
    """The manifest of the build."""
    return json.loads((target / "manifest.json").read_text())


def plan_of(lake: duckdb.DuckDBPyConnection, sql: str) -> dict:
    """How DuckDB would run it on tables of any size: on a few rows it takes ways that it takes for no more."""
    lake.execute("set nested_loop_join_threshold = 0; set merge_join_threshold = 0")
    [(_, plan)] = lake.execute(f"explain (format json) {sql}").fetchall()
    return json.loads(plan)[0]


def every_with_every(plan: dict) -> list[str]:
    """Joins that look at each row of one side for each of the other, where neither side is a single row."""
    below = [join for side in plan["children"] for join in every_with_every(side)]
    is_such = plan["name"] in ("CROSS_PRODUCT", "BLOCKWISE_NL_JOIN", "NESTED_LOOP_JOIN")
    if is_such and not any(is_one_row(side) for side in plan["children"]):
        below.append(f"{plan['name']} {plan['extra_info'].get('Condition', '')}".strip())
    return below


def said_in(sql: str) -> tuple[str, ...]:
    """What a model means: each day for each currency, also without a row."""
    return ("CROSS_PRODUCT",) if "cross join" in sql else ()


def is_one_row(plan: dict) -> bool:
    while plan["name"] in ("PROJECTION", "FILTER"):
        (plan,) = plan["children"]
    return plan["name"] in ("UNGROUPED_AGGREGATE", "DUMMY_SCAN")


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

    def test_a_column_that_goes_or_is_retyped_names_who_reads_it(self, manifest):
        promised = {name: one.columns for name, one in RELATIONS.items() if not name.startswith("ml.")}
        actual = marts_of(manifest)
        assert broken_marts(promised, actual, manifest) == []
        payments = dict(actual["finance.fct_payments"])
        kind = payments.pop("refunded_minor")
        for now, change in (
            (payments, "is gone"),
            (payments | {"refunded_minor": "double"}, f"is double and was {kind}"),
        ):
            (said,) = broken_marts(promised, actual | {"finance.fct_payments": now}, manifest)
            what, whom = said.split(": read by ")
            assert what == f"finance.fct_payments.refunded_minor {change}"
            assert {"net_revenue", "refund_rate", "finance.fct_payments", "admin_revenue"} <= set(whom.split(", "))
            assert "payment_failure_rate" not in whom

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


class TestAcceptedValues:
    def test_whoever_works_here_stops_no_build(self):
        text = (PROJECT / "models/staging/identity/_identity__models.yml").read_text()
        [accounts] = [one for one in yaml.safe_load(text)["models"] if one["name"] == "stg_identity__accounts"]
        [role] = [one for one in accounts["columns"] if one["name"] == "role"]
        assert set(role["data_tests"][0]["accepted_values"]["arguments"]["values"]) == set(get_args(Role))


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

    def test_what_columns_of_several_models_are_is_said_once(self):
        """Of a column two models may say different things; the same thing is a block in `docs/columns.md`."""
        files = [yaml.load(path.read_text(), yaml.CSafeLoader) for path in (PROJECT / "models").rglob("*.yml")]
        said = Counter(
            (column["name"], column.get("description", ""))
            for file in files
            for model in file.get("models", ())
            for column in model.get("columns", ())
        )
        assert [one for one, times in said.items() if times > 1 and "doc(" not in one[1]] == []

    def test_every_exposure_stands_on_a_mart(self, manifest):
        for exposure in manifest["exposures"].values():
            parents = [manifest["nodes"][name] for name in exposure["depends_on"]["nodes"]]
            assert parents, exposure["name"]
            assert all(parent["fqn"][1] == "marts" for parent in parents), exposure["name"]

    @pytest.mark.parametrize("view", VIEWS, ids=lambda view: f"{view.parts[-3]}-{view.stem}")
    def test_a_page_of_a_console_reads_only_what_its_exposure_names(self, manifest, view):
        screen = {"catalogue": "metrics"}.get(view.stem, view.stem)
        exposures = {one["name"]: one["depends_on"]["nodes"] for one in manifest["exposures"].values()}
        named = exposures.get(f"{view.parts[-3]}_{screen}", [])
        exposed = {"{schema}.{name}".format(**manifest["nodes"][one]) for one in named}
        assert {name for name in asked_by(view) if not name.startswith("ml.")} <= exposed

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


UNTOLD = {
    "staging/commerce/stg_commerce__plan_prices": (
        "    valid_to\n", "    valid_to,\n    valid_to as shoe_size\n",
        "stg_commerce__plan_prices has columns that its schema file leaves out, so without tags: shoe_size",
    ),
    "intermediate/core/int_customers": (
        "    client.goal,\n", "    client.goal,\n    1 as shoe_size,\n",
        "int_customers has columns that its schema file leaves out, so without tags: shoe_size",
    ),
    "marts/core/fct_builds": ("select\n", "select\n    'big' as hat_size,\n", "hat_size"),
}  # fmt: skip
"""Columns that no file tells of: what a model selects, what it would select, and what is said of it."""


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

    def test_a_column_that_no_file_tells_of_is_not_built(self, built_lake, postgres, tmp_path):
        project, settings = tmp_path / "project", lakes.copied(built_lake, postgres)
        shutil.copytree(PROJECT, project, ignore=shutil.ignore_patterns("target", "logs"))
        for model, (honest, more, _) in UNTOLD.items():
            file = project / "models" / f"{model}.sql"
            text = file.read_text()
            place = text.rindex(honest)
            file.write_text(text[:place] + text[place:].replace(honest, more, 1))
        names = [model.rpartition("/")[2] for model in UNTOLD]
        run = lakes.dbt("run", "--select", *names, settings=settings, target=tmp_path / "target", project=project)
        assert run.returncode != 0
        assert f"ERROR={len(UNTOLD)}" in run.stdout
        assert [said for _, _, said in UNTOLD.values() if said not in run.stdout] == []


class TestCompiling:
    def test_sql_is_told_without_a_run(self, built_lake, tmp_path):
        told = lakes.dbt("compile", "--select", "fct_builds", settings=built_lake, target=tmp_path / "target")
        assert told.returncode == 0, told.stdout
        assert "raw" in told.stdout


class TestPlans:
    def test_no_model_compares_every_row_with_every_row(self, manifest, marts):
        found = {
            (node["name"], join)
            for node in models(manifest)
            for join in every_with_every(plan_of(marts, node["compiled_code"]))
            if join not in said_in(node["compiled_code"])
        }
        assert found == set()


class TestSources:
    def test_a_copy_of_raw_brings_all_that_models_read(self, manifest):
        read = {one["identifier"] for one in manifest["sources"].values() if one["identifier"].startswith("_")}
        assert read == set(READ_BY_MODELS)


class TestMetrics:
    @pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
    def test_a_metric_can_be_computed_from_its_own_words(self, marts, metric):
        where = f"where {metric.where}" if metric.where else ""
        query = f"select {metric.at}, {metric.expression} as value from {RELATIONS[metric.relation].path} {where} group by 1"  # noqa: E501
        told = marts.execute(query).fetchall()
        assert told or metric.name in SILENT

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
