"""Where a number comes from: metric or dataset, marts, intermediate and staging models, raw tables, source tables.

dbt's manifest tells the models, their SQL and their tests; `run_results.json` beside it how the tests ended. Both are
read again when dbt has written them anew. Nothing is run here.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from contracts.metrics import METRICS
from contracts.relations import RELATIONS
from operational_api.analytics.catalogue import SCREENS
from operational_api.analytics.errors import NotBuilt, UnknownRelation
from operational_api.analytics.query import Query

_MODEL_OF = {"marts": "mart", "intermediate": "intermediate", "staging": "staging"}
_ML: dict[str, tuple[str, ...]] = {
    "ml.churn_models": ("retention.fct_churn_features", "retention.fct_churn_labels"),
    "ml.churn_scores": ("retention.fct_churn_features", "ml.churn_models"),
    "ml.lifetime_models": ("finance.fct_packs", "core.dim_customers"),
    "ml.lifetime_values": ("finance.fct_packs", "core.dim_customers", "ml.lifetime_models"),
    "ml.training_effects": (
        "training.fct_training_days",
        "training.fct_wearable_days",
        "scheduling.fct_bookings",
        "retention.fct_churn_labels",
        "core.fct_consents",
    ),
}
"""What is written by `ml` and therefore not in dbt's manifest."""


class Manifest:
    """dbt's manifest, as a graph of relations."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._read_at: tuple[float, float] | None = None
        self._nodes: dict[str, dict[str, Any]] = {}
        self._tests: dict[str, list[dict[str, Any]]] = {}
        self._raw: dict[str, frozenset[str]] = {}

    def raw_tables(self, mart: str) -> frozenset[str]:
        """Names of the tables of `raw` that a mart is made of; none while dbt has not written its manifest."""
        try:
            self._refresh()
        except NotBuilt:
            return frozenset()
        if mart not in self._raw:
            found, waiting = set[str](), [mart]
            while waiting:
                if (current := waiting.pop()) not in found:
                    found.add(current)
                    waiting += self._parents(current)
            prefix = "raw.main."
            self._raw[mart] = frozenset(one.removeprefix(prefix) for one in found if one.startswith(prefix))
        return self._raw[mart]

    def lineage(self, name: str) -> dict[str, Any]:
        """Everything a metric, dataset or mart is made of, down to the product's tables.

        Returns:
            name; nodes: {id, kind, name, description, owner, sql, columns, tests}, the asked one first; edges:
            {from, to} with data flowing from `from` to `to`; sources: the tables of the product and documents of
            providers it comes from. kind: metric, dataset, model (of ml), mart, intermediate, staging, raw, source.
            `owner` is null where nobody is named; `columns` are {name, type, description}.

        Raises:
            UnknownRelation: there is none of that name.
            NotBuilt: dbt has not written its manifest yet.
        """
        if name not in METRICS and name not in SCREENS and name not in RELATIONS:
            raise UnknownRelation(f"There is no metric, dataset or mart `{name[:80]}`.", allowed=sorted(RELATIONS))
        self._refresh()
        nodes: dict[str, dict[str, Any]] = {}
        edges: list[dict[str, str]] = []
        waiting = [name]
        while waiting:
            current = waiting.pop(0)
            if current in nodes:
                continue
            nodes[current] = self._node(current)
            for parent in self._parents(current):
                edges.append({"from": parent, "to": current})
                waiting.append(parent)
        sources = sorted(one for one in nodes if nodes[one]["kind"] == "source")
        return {"name": name, "nodes": list(nodes.values()), "edges": edges, "sources": sources}

    def _refresh(self) -> None:
        results = self._file.with_name("run_results.json")
        try:
            changed_at = (self._file.stat().st_mtime, results.stat().st_mtime if results.exists() else 0.0)
            if changed_at == self._read_at:
                return
            manifest = json.loads(self._file.read_text())
            ended = json.loads(results.read_text())["results"] if results.exists() else []
        except (FileNotFoundError, json.JSONDecodeError) as error:
            raise NotBuilt("dbt has not written its manifest yet: lineage comes with the first build.") from error
        statuses = {one["unique_id"]: one["status"] for one in ended}
        named = {unique: _name(node) for unique, node in (manifest["nodes"] | manifest["sources"]).items()}
        self._nodes = {
            named[unique]: node | {"parents": [named[one] for one in node.get("depends_on", {}).get("nodes", [])]}
            for unique, node in (manifest["nodes"] | manifest["sources"]).items()
            if node["resource_type"] in ("model", "source", "seed")
        }
        self._tests = {}
        for unique, node in manifest["nodes"].items():
            if node["resource_type"] == "test":
                told = {
                    "name": node["name"],
                    "description": node.get("description", ""),
                    "status": statuses.get(unique),
                }
                for one in {node.get("attached_node") or "", *node["depends_on"]["nodes"][:1]} & named.keys():
                    self._tests.setdefault(named[one], []).append(told)
        self._raw = {}
        self._read_at = changed_at

    def _node(self, name: str) -> dict[str, Any]:
        if metric := METRICS.get(name):
            return _told(name, "metric", metric.definition, metric.expression, owner=metric.owner)
        if dataset := SCREENS.get(name):
            return _told(name, "dataset", dataset.definition, Query(dataset.text).text)
        if name in _ML:
            return _told(name, "model", RELATIONS[name].grain, None, columns=_columns(name, {}))
        if name.startswith("postgresql:"):
            table = name.removeprefix("postgresql:")
            return _told(name, "source", f"Table `{table}` of the product.", f"select * from {table}", owner="product")
        if ":" in name:
            where, _, what = name.partition(":")
            return _told(name, "source", f"`{what}` as {where} tells them.", None, owner=where)
        node = self._nodes.get(name)
        if node is None:
            return _told(name, "mart", RELATIONS[name].grain if name in RELATIONS else "", None)
        kind = "raw" if node["resource_type"] == "source" else _MODEL_OF.get(node["fqn"][1], "mart")
        return _told(
            name, kind, node.get("description", ""), node.get("compiled_code") or node.get("raw_code"),
            columns=_columns(name, node.get("columns", {})), tests=self._tests.get(name, []),
            owner=(node.get("meta") or node.get("config", {}).get("meta") or {}).get("owner"),
        )  # fmt: skip

    def _parents(self, name: str) -> Iterator[str]:
        if metric := METRICS.get(name):
            yield metric.relation
        elif dataset := SCREENS.get(name):
            yield from Query(dataset.text).relations
        elif name in _ML:
            yield from _ML[name]
        elif name.startswith("raw.main.") and "__" in name:
            # Sources named `raw` are change logs of the product's tables; others are named after who tells them.
            source = self._nodes.get(name, {}).get("source_name") or "raw"
            table = name.removeprefix("raw.main.")
            where, _, what = table.partition("__")
            yield f"postgresql:{where}.{what}" if source == "raw" else f"{source}:{what}"
        elif name in self._nodes:
            yield from self._nodes[name]["parents"]


def _name(node: dict[str, Any]) -> str:
    if node["resource_type"] == "source":
        if node.get("schema") == "ml":
            return f"ml.{node['identifier']}"
        return f"raw.main.{node['identifier']}"
    return f"{node['schema']}.{node.get('alias') or node['name']}"


def _columns(name: str, described: dict[str, dict[str, Any]]) -> list[dict[str, str | None]]:
    promised = RELATIONS[name].columns if name in RELATIONS else {}
    return [
        {
            "name": column, "type": promised.get(column) or described.get(column, {}).get("data_type"),
            "description": described.get(column, {}).get("description", ""),
        }
        for column in (promised or described)
    ]  # fmt: skip


def _told(
    name: str, kind: str, description: str, sql: str | None, *, owner: str | None = None,
    columns: list[dict[str, str | None]] | None = None, tests: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:  # fmt: skip
    return {
        "id": name, "kind": kind, "name": name, "description": description, "owner": owner, "sql": sql,
        "columns": columns or [], "tests": tests or [],
    }  # fmt: skip
