"""The dbt project's models as assets and its data tests as checks; one dbt process builds all that is selected.

A check that fails blocks what is downstream of it and nothing else. Inside the dbt process dbt sees to that. For what
comes after it (training, scoring, activation) `released` holds a model back until its own checks have passed.
"""

import shutil
from collections import defaultdict
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import ExitStack
from graphlib import TopologicalSorter
from itertools import chain
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DbtCliInvocation, DbtCliResource, DbtProject, dbt_assets
from dagster_dbt.asset_utils import get_manifest_and_translator_from_dbt_assets

from orchestration import build
from orchestration.failures import judged
from orchestration.resources import DBT_PROJECT, PROJECT_DIR, Lake

CONNECTORS = "connectors"
"""Tag of the models of sources outside."""
DOCS = "static_index.html"
"""dbt's page in its target folder; the API is told where that is (PLYO_WAREHOUSE_DOCS)."""
Event = dg.Output[Any] | dg.AssetMaterialization | dg.AssetObservation | dg.AssetCheckResult | dg.AssetCheckEvaluation


class Translator(DagsterDbtTranslator):
    """Names groups after layers and domains, and checks so that the step outlives a failed one."""

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str | None:
        """`staging`, `intermediate`, or the domain of a mart."""
        folders = dbt_resource_props.get("fqn", [])[1:]
        return folders[1] if folders[:1] == ["marts"] else next(iter(folders), None)

    def get_asset_check_spec(
        self,
        asset_spec: dg.AssetSpec,
        manifest: Mapping[str, Any],
        unique_id: str,
        project: DbtProject | None,
    ) -> dg.AssetCheckSpec | None:
        """The data test, not `blocking` in Dagster's sense: that fails the step, and with it what is not downstream."""
        spec = super().get_asset_check_spec(asset_spec, manifest, unique_id, project)
        return spec and spec._replace(blocking=False)


@dbt_assets(
    manifest=DBT_PROJECT.manifest_path,
    project=DBT_PROJECT,
    dagster_dbt_translator=Translator(),
    name="dbt_marts",
    exclude=f"tag:{CONNECTORS}",
)
def marts(context: dg.AssetExecutionContext, dbt: DbtCliResource, lake: Lake) -> Iterator[Event]:
    """Build every selected model and run its data tests; what nothing has reached since is left out."""
    yield from _built(context, dbt, lake, whole=True)


def staging_of(connector: str) -> dg.AssetsDefinition:
    """The staging models of a source outside, built with its raw tables and never with the marts.

    Where the connector was never pulled its tables are missing, and its models would break a build of everything.
    """

    @dbt_assets(
        manifest=DBT_PROJECT.manifest_path,
        project=DBT_PROJECT,
        dagster_dbt_translator=Translator(),
        name=f"{connector}_staging",
        select=f"tag:{connector}",
    )
    def staging(context: dg.AssetExecutionContext, dbt: DbtCliResource, lake: Lake) -> Iterator[Event]:
        """Build the connector's staging models and run their data tests."""
        yield from _built(context, dbt, lake)

    return staging


def _built(
    context: dg.AssetExecutionContext, dbt: DbtCliResource, lake: Lake, *, whole: bool = False
) -> Iterator[Event]:
    """Build what is selected. `whole`: the selection stands for the whole project, unless a run narrowed it."""
    manifest, _, _ = get_manifest_and_translator_from_dbt_assets([context.assets_def])
    broken: list[str] = []
    plans = whole and not context.is_subset
    with judged(), ExitStack() as stack:
        tell = stack.enter_context(build.awaited()) if plans else None
        options = [] if plans else build.BUILDABLE
        invocation = dbt.cli(["build", *build.OPTIONS, *options], context=context, raise_on_error=False)
        connection = stack.enter_context(lake.writing())
        planned = None
        if tell:
            planned = build.plan(connection, manifest, PROJECT_DIR)
            tell(planned)
        events = chain(_left_out(context, manifest, planned) if planned else (), _told(invocation, broken))
        counted = (_with_row_count(event, context, connection) for event in events)
        failed_checks = yield from released(counted, context)
        if broken or (not invocation.is_successful() and not failed_checks):
            raise dg.Failure(f"dbt could not build {', '.join(broken) or 'anything'}", allow_retries=False)
        if planned and not failed_checks:
            build.remember(connection, planned)


def _told(invocation: DbtCliInvocation, broken: list[str]) -> Iterator[Event]:
    """What dbt tells, as Dagster's events; names and reasons of what it could not build are added to `broken`."""
    for message in invocation.stream_raw_events():
        node = message.raw_event["data"].get("node_info", {})
        if message.raw_event["info"]["name"] == "RunResultError" and node.get("node_status") == "error":
            broken.append(f"{node['node_name']} ({message.raw_event['data']['msg']})")
        yield from message.to_default_asset_events(
            manifest=invocation.manifest,
            dagster_dbt_translator=invocation.dagster_dbt_translator,
            context=invocation.context,
            target_path=invocation.target_path,
            project=invocation.project,
        )


def _left_out(context: dg.AssetExecutionContext, manifest: Mapping[str, Any], planned: build.Plan) -> Iterator[Event]:
    """Models that dbt need not visit, as built: they say what a build would say. Then their checks, passed as before.

    Whatever a model that is left out reads is left out as well, so these come first in the order of the graph.
    """
    translator, nodes = Translator(), manifest["nodes"]
    keys = {translator.get_asset_key(nodes[unique_id]) for unique_id in planned.left_out} & context.selected_asset_keys
    upstream = context.assets_def.asset_deps
    for key in TopologicalSorter({key: upstream[key] & keys for key in keys}).static_order():
        yield dg.Output(None, output_name=key.to_python_identifier(), metadata={"unchanged": True})
    tests = {node["name"] for node in nodes.values() if planned.leaves_out(node)}
    for check in context.selected_asset_check_keys:
        if check.asset_key in keys and check.name in tests:
            yield dg.AssetCheckResult(
                passed=True, asset_key=check.asset_key, check_name=check.name, metadata={"unchanged": True}
            )


def released(events: Iterable[Event], context: dg.AssetExecutionContext) -> Generator[Event, None, list[str]]:
    """Pass dbt's events on, each model only after its own checks, and not at all when one of them failed.

    A model that is held back for good is still recorded as built, with the checks that hold it; steps that need it are
    skipped by Dagster because its output never comes. Models come in the order of the graph, as Dagster asks, so what
    lies downstream of a waiting model waits with it.

    Returns:
        Names of the checks that failed.
    """
    upstream = context.assets_def.asset_deps
    waiting: dict[dg.AssetKey, set[str]] = defaultdict(set)
    for check in context.selected_asset_check_keys:
        waiting[check.asset_key].add(check.name)
    held: dict[dg.AssetKey, dg.Output[Any]] = {}
    failed: dict[dg.AssetKey, list[str]] = {}

    def settled() -> Iterator[Event]:
        for key in list(held):
            if waiting[key] or upstream[key] & held.keys():
                continue
            output = held.pop(key)
            reasons = failed.get(key) or sorted({name for dep in upstream[key] for name in failed.get(dep, [])})
            if reasons:
                failed[key] = reasons
                metadata: dict[str, Any] = {**output.metadata, "blocked_by": ", ".join(reasons)}
                yield dg.AssetMaterialization(asset_key=key, metadata=metadata)
            else:
                yield output

    for event in events:
        if isinstance(event, dg.Output):
            held[context.asset_key_for_output(event.output_name)] = event
        else:
            yield event
        if isinstance(event, dg.AssetCheckResult) and event.asset_key is not None and event.check_name is not None:
            waiting[event.asset_key].discard(event.check_name)
            if not event.passed and event.severity == dg.AssetCheckSeverity.ERROR:
                failed.setdefault(event.asset_key, []).append(event.check_name)
        yield from settled()
    waiting.clear()  # what dbt skipped will not be told
    yield from settled()
    return sorted({name for names in failed.values() for name in names})


def _with_row_count(event: Event, context: dg.AssetExecutionContext, connection: Any) -> Event:
    if not isinstance(event, dg.Output):
        return event
    schema, table = _relation_of(context.asset_key_for_output(event.output_name))
    if schema == "staging":
        return event
    rows = connection.execute(f'select count(*) from marts."{schema}"."{table}"').fetchone()[0]  # noqa: S608
    return event.with_metadata({**event.metadata, "dagster/row_count": rows})


def _relation_of(key: dg.AssetKey) -> tuple[str, str]:
    return key.path[-2], key.path[-1]


@dg.op(description="dbt's own page of models, columns, tests and lineage, as one file beside its manifest.")
def write_docs(context: dg.OpExecutionContext, dbt: DbtCliResource) -> None:
    """Document what is built now: columns and types are read from the lake."""
    with judged():
        invocation = dbt.cli(["docs", "generate", "--static"]).wait()
    # dbt was given a folder of its own; whoever reads the page meanwhile sees the old one or the new one, whole.
    written, page = invocation.target_path / DOCS, Path(DBT_PROJECT.target_path) / DOCS
    shutil.copyfile(written, page.with_suffix(".part"))
    page.with_suffix(".part").replace(page)
    context.log.info("the page is at /warehouse/docs")
