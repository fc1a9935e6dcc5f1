"""The page of quality: Great Expectations' own data docs of every table that was judged, and a summary of all of them.

Its site builder renders a page for each table; here they become files that stand alone (no script, style or picture of
other people's servers) and on which no value of any row is seen: samples of bad rows would be addresses and sleep.
The operational API shows them; it reads the summary, which names the folder of the pages that belong to it.
"""

import copy
import json
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")  # read when it is imported

from ingestion.quality.drift import Distance
from ingestion.quality.judged import Judged

SUMMARY = "summary.json"
HOME = "/warehouse/quality"
"""Where the API shows the summary."""

_SITE = "quality"
# What is counted; the rest of a result is values of rows.
_COUNTS = (
    "element_count", "missing_count", "missing_percent", "unexpected_count", "unexpected_percent",
    "unexpected_percent_total", "unexpected_percent_nonmissing",
)  # fmt: skip
_FOREIGN = re.compile(
    r"<script\b.*?</script>|<footer\b.*?</footer>|<link\b[^>]*>|<img\b[^>]*>", re.DOTALL | re.IGNORECASE
)
_ACTIONS = re.compile(
    r'<div class="card mb-3">\s*<div class="card-header p-2">\s*<strong>Actions</strong>'
    r'.*?(?=<div class="card d-md-block)',
    re.DOTALL,
)
"""Buttons of the page's own script, which is not there."""
_STYLESHEET = Path(__file__).parent / "page.css"


def write(
    folder: Path,
    judged: Mapping[str, Judged],
    aside: Mapping[str, Mapping[str, int]],
    distances: Sequence[Distance],
    *,
    now: datetime | None = None,
) -> Path:
    """Write the pages of tables and then the summary; whoever reads meanwhile sees the old ones or the new, whole.

    Args:
        folder: Of all pages; made where it is missing. The pages of one time before stay for who is reading them.
        judged: By raw table.
        aside: By raw table, rows that stand aside for each reason.
        distances: The newest of each watched column.

    Returns:
        The summary.
    """
    at = now or datetime.now(UTC)
    stamp = at.strftime("%Y%m%dT%H%M%S%f")
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder) as made:
        pages = Path(made) / "pages"
        pages.mkdir()
        written = _render(judged, Path(made) / "site", pages, at)
        pages.replace(folder / stamp)
    summary = {
        "judged_at": at.isoformat(),
        "pages": stamp,
        "tables": [
            {
                "table": table, "rows": one.rows, "newest": one.newest, "reasons": dict(one.reasons),
                "aside": dict(aside.get(table, {})), "has_page": table in written,
            }
            for table, one in sorted(judged.items())
        ],
        "distances": [asdict(one) | {"day": one.day.isoformat(), "is_drift": one.is_drift} for one in distances],
    }  # fmt: skip
    part = folder / f"{SUMMARY}.part"
    part.write_text(json.dumps(summary))
    part.replace(folder / SUMMARY)
    for old in sorted(one for one in folder.iterdir() if one.is_dir() and one.name[:1].isdigit())[:-2]:
        shutil.rmtree(old)
    return folder / SUMMARY


def _render(judged: Mapping[str, Judged], site: Path, pages: Path, at: datetime) -> set[str]:
    import great_expectations as gx
    from great_expectations.core.run_identifier import RunIdentifier
    from great_expectations.data_context.types.resource_identifiers import (
        ExpectationSuiteIdentifier,
        ValidationResultIdentifier,
    )

    context = gx.get_context(mode="ephemeral")
    for name in list(context.get_site_names()):
        context.delete_data_docs_site(name)
    # Its types name fewer settings than the builder takes.
    settings: Any = {
        "class_name": "SiteBuilder",
        "show_how_to_buttons": False,
        "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(site)},
        "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
        "site_section_builders": {"expectations": "none", "profiling": "none"},
    }
    context.add_data_docs_site(_SITE, settings)
    told = {table: one.document for table, one in judged.items() if one.document is not None}
    for table, document in told.items():
        key = ValidationResultIdentifier(
            ExpectationSuiteIdentifier(table), RunIdentifier(run_name="newest", run_time=at), batch_identifier=table
        )
        context.validation_results_store.set(key, _without_values(document, table))
    context.build_data_docs(site_names=[_SITE])
    written = set()
    for file in site.glob("validations/**/*.html"):
        (pages / file.name).write_text(_standing_alone(file.read_text(), file.stem))
        written.add(file.stem)
    return written & set(told)


def _without_values(document: Any, table: str) -> Any:
    """The result with what was counted and no value of any row."""
    bare = copy.copy(document)
    bare.suite_name = table
    bare.meta = (document.meta or {}) | {"batch_spec": {"data_asset_name": table}}  # the page names what was judged
    bare.results = []
    for one in document.results:
        result = copy.copy(one)
        result.result = {name: one.result[name] for name in _COUNTS if name in one.result}
        bare.results.append(result)
    return bare


def _standing_alone(html: str, table: str) -> str:
    html = _ACTIONS.sub("", _FOREIGN.sub("", html))
    html = re.sub(r"url\([^)]*\)", "none", html)
    html = re.sub(r'<a href="[./]*index\.html">\s*Home\s*</a>', f'<a href="{HOME}">Data quality</a>', html)
    html = re.sub(r'<a href="[./]*(?:index|expectations/[^"]*)\.html"[^>]*>(.*?)</a>', r"\1", html, flags=re.DOTALL)
    html = html.replace(f"Validations / {table} / __none__", table).replace("/ __none__", "")
    html = re.sub(r"<title>.*?</title>", "", html, flags=re.DOTALL)
    return html.replace("</head>", f"<title>{table}</title><style>{_STYLESHEET.read_text()}</style></head>", 1)
