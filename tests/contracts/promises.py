"""Who reads what of the operational tables, found in compiled SQL, and what breaks when a table changes.

The page that promises is `contracts.captured`; here is what a test needs to hold the product and the warehouse to it.
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
            change = "is gone" if now is None else f"is {now} and was {kind}"
            found.append(f"{table}.{column} {change}: read by {', '.join([*models, *whom])}")
    return found
