"""Where a number comes from, as a picture that is also a list: layers from the product's tables to the mart, each part
unfolding to what it means, what it reads, its checks and its SQL. Fetching it is the view's."""

from collections.abc import Iterator
from html import escape
from typing import Any

from consoles.theme import colour

LAYERS = {
    "source": "Tables of the product",
    "raw": "Every change of them",
    "staging": "As they are today",
    "intermediate": "Worked out",
    "mart": "Marts",
    "model": "Models of churn",
    "dataset": "Datasets",
    "metric": "Metric",
}
"""Kinds of parts in the order in which data flows."""

STYLE = f"""
.layers {{ display: grid; gap: 14px; grid-auto-flow: column; grid-auto-columns: minmax(0, 1fr); align-items: start; }}
.layer > h3 {{ margin: 0 0 6px; font-size: .8rem; font-weight: 600; color: {colour("ink-soft")}; }}
details {{ background: {colour("canvas")}; margin: 0 0 6px; border: 1px solid {colour("line")}; border-radius: 8px; }}
summary {{ padding: 6px 9px; cursor: pointer; overflow-wrap: anywhere; font-size: .85rem; }}
summary:focus-visible {{ outline: 2px solid {colour("brand")}; border-radius: 8px; }}
details[open] {{ background: {colour("surface")}; }}
details > div {{ padding: 0 9px 9px; font-size: .85rem; }}
.failed {{ color: {colour("bad")}; font-weight: 600; }}
pre {{ overflow: auto; max-height: 18rem; font-size: .78rem; background: {colour("canvas")}; padding: 8px;
    border-radius: 6px; }}
@media (max-width: 800px) {{ .layers {{ grid-auto-flow: row; }} }}
"""


def picture(lineage: dict[str, Any]) -> str:
    """HTML of a lineage as the analytics service tells it: `nodes` and `edges`; layers without a part are left out."""
    reads: dict[str, list[str]] = {}
    for edge in lineage["edges"]:
        reads.setdefault(edge["to"], []).append(edge["from"])
    layers = "".join(
        f'<section class="layer"><h3>{title}</h3>{"".join(_part(node, reads.get(node["id"], [])) for node in parts)}'
        "</section>"
        for title, parts in _layers(lineage["nodes"])
    )
    return f'<div class="layers">{layers}</div>'


def _layers(nodes: list[dict[str, Any]]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    for kind, title in LAYERS.items():
        if parts := sorted((node for node in nodes if node["kind"] == kind), key=lambda node: str(node["name"])):
            yield title, parts


def _part(node: dict[str, Any], reads: list[str]) -> str:
    told = [f"<p>{escape(node['description'].replace('`', ''))}</p>"] if node["description"] else []
    if reads:
        told.append(f"<p>Reads {', '.join(escape(_short(name)) for name in reads)}</p>")
    if node["tests"]:
        failed = [test["name"] for test in node["tests"] if test["status"] in ("fail", "error")]
        told.append(f"<p>{len(node['tests'])} checks</p>")
        told += [f'<p class="failed">{escape(name)} fails</p>' for name in failed]
    if node["sql"]:
        told.append(f"<pre>{escape(node['sql'].strip())}</pre>")
    name = escape(_short(node["name"])).replace("_", "_<wbr>").replace(".", ".<wbr>")
    return f"<details><summary>{name}</summary><div>{''.join(told)}</div></details>"


def _short(name: str) -> str:
    """A name without what its layer says already."""
    for said in ("postgresql:", "raw.main.", "staging.stg_", "intermediate.int_"):
        name = name.removeprefix(said)
    return name
