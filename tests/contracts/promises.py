"""Who reads what of the operational tables and of marts, found in SQL, and what breaks when one of them changes.

The pages that promise are `contracts.captured` and `contracts.relations`; here is what a test needs to hold the product
and the warehouse to them.
"""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import sqlglot
from sqlalchemy import MetaData
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeEngine
from sqlglot import exp

from contracts.metrics import METRICS
from operational_api.analytics.catalogue import DATASETS

Columns = Mapping[str, Mapping[str, str]]
"""Raw table to column to PostgreSQL type."""
Readers = Mapping[tuple[str, str], Sequence[str]]
"""(raw table, column) to the models that read it."""


def of_models(metadata: MetaData) -> dict[str, dict[str, str]]:
    """The columns that the product's tables have, by the name of their raw table."""
    return {
        f"{table.schema}__{table.name}": {one.name: _type(one.type) for one in table.columns}
        for table in metadata.tables.values()
    }


def _type(kind: TypeEngine[Any]) -> str:
    """Its name without how long or precise it may be."""
    return re.sub(r"\([^)]*\)", "", kind.compile(postgresql.dialect()).lower())  # type: ignore[no-untyped-call]


def readers(manifest: dict[str, Any], known: Columns) -> dict[tuple[str, str], list[str]]:
    """Columns of captured tables that models name.

    Args:
        manifest: Of a build, with compiled SQL.
        known: What may be a column of each table.
    """
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    for node in manifest["nodes"].values():
        if node["resource_type"] != "model":
            continue
        tables = [name.split(".")[-1] for name in node["depends_on"]["nodes"] if name.startswith("source.")]
        captured = [table for table in tables if table in known]
        if not captured:
            continue
        tree = sqlglot.parse_one(node["compiled_code"], read="duckdb")
        named = {column.name for column in tree.find_all(exp.Column)}
        for table in captured:
            for column in sorted(named & set(known[table])):
                found[table, column].append(node["name"])
    return dict(found)


def consumers(manifest: dict[str, Any], model: str) -> list[str]:
    """What stands on a model: marts, metrics and screens, by name."""
    by_name = {node["name"]: key for key, node in manifest["nodes"].items() if node["resource_type"] == "model"}
    waiting, seen = [by_name[model]], set()
    while waiting:
        one = waiting.pop()
        if one not in seen:
            seen.add(one)
            waiting += manifest["child_map"].get(one, [])
    marts = {
        f"{node['schema']}.{node['name']}"
        for key in seen
        if (node := manifest["nodes"].get(key)) and node["resource_type"] == "model" and node["fqn"][1] == "marts"
    }
    screens = {manifest["exposures"][key]["name"] for key in seen if key in manifest["exposures"]}
    metrics = {name for name, metric in METRICS.items() if metric.relation in marts}
    return [*sorted(marts), *sorted(metrics), *sorted(screens)]


def readers_of_mart(manifest: dict[str, Any], mart: str, column: str) -> list[str]:
    """Metrics and datasets that name a column of a mart, and screens that stand on the mart."""
    metrics = [
        name for name, metric in METRICS.items()
        if metric.relation == mart and column in _named(f"{metric.expression}, {metric.where or 'true'}, {metric.at}")
    ]  # fmt: skip
    datasets = [
        name for name, one in DATASETS.items()
        if mart in one.relations and (name == mart or re.search(rf"\b{column}\b|\*", one.text))
    ]  # fmt: skip
    screens = [
        one["name"] for one in manifest["exposures"].values()
        if any(_path(manifest["nodes"][node]) == mart for node in one["depends_on"]["nodes"])
    ]  # fmt: skip
    return [*sorted(metrics), *sorted(datasets), *sorted(screens)]


def _named(expressions: str) -> set[str]:
    return {one.name for one in sqlglot.parse_one(f"select {expressions}", read="duckdb").find_all(exp.Column)}


def _path(node: dict[str, Any]) -> str:
    return f"{node['schema']}.{node['name']}"


def marts_of(manifest: dict[str, Any]) -> dict[str, dict[str, str]]:
    """Columns that the marts of every build have, in order."""
    return {
        _path(node): {name: column["data_type"] for name, column in node["columns"].items()}
        for node in manifest["nodes"].values()
        if node["resource_type"] == "model" and node["fqn"][1] == "marts"
    }


def broken_marts(promised: Columns, actual: Columns, manifest: dict[str, Any]) -> list[str]:
    """Promises that marts do not keep, each with whom it breaks."""
    return [
        f"{mart}.{column} {_change(actual.get(mart, {}).get(column), kind)}: read by "
        f"{', '.join(readers_of_mart(manifest, mart, column))}"
        for mart, columns in promised.items()
        for column, kind in columns.items()
        if actual.get(mart, {}).get(column) != kind
    ]


def _change(now: str | None, kind: str) -> str:
    return "is gone" if now is None else f"is {now} and was {kind}"


def broken(promised: Columns, actual: Columns, read_by: Readers, manifest: dict[str, Any]) -> list[str]:
    """Promises that the product's tables do not keep, each with whom it breaks."""
    found = []
    for table, columns in promised.items():
        for column, kind in columns.items():
            now = actual.get(table, {}).get(column)
            if now == kind:
                continue
            models = read_by.get((table, column), ())
            whom = sorted({one for model in models for one in consumers(manifest, model)})
            found.append(f"{table}.{column} {_change(now, kind)}: read by {', '.join([*models, *whom])}")
    return found
