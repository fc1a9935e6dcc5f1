"""What assets ask for by name: the lake, the operational API, dbt. Settings are read when used, never at import.

Asset logic does not belong here.
"""

import fcntl
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

import dagster as dg
import duckdb
import httpx
import orjson
from dagster_dbt import DbtCliResource, DbtProject
from packaging.version import Version
from pydantic import SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from contracts import warehouse
from contracts.telemetry import new_traceparent
from contracts.warehouse import WarehouseSettings

PROJECT_DIR = Path(__file__).resolve().parents[1] / "dbt_project"


class DbtSettings(BaseSettings):
    """Where dbt keeps its manifest: DBT_TARGET_PATH, or the project's own folder."""

    model_config = SettingsConfigDict(env_prefix="DBT_", extra="ignore")
    target_path: Path = PROJECT_DIR / "target"


class ActivationSettings(BaseSettings):
    """How the platform signs in to the operational API as itself (PLYO_API_URL, PLYO_ACTIVATION_*)."""

    model_config = SettingsConfigDict(env_prefix="PLYO_", extra="ignore")
    api_url: str
    activation_client_id: str
    activation_client_secret: SecretStr


@dataclass(frozen=True)
class ConnectorOrders:
    """What an admin wants done about a connector: pull it or not (and why not), and since when from the beginning."""

    pull: bool
    resync_asked_at: str | None = None
    reason: str | None = None


class Lake(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Connections to both lakes."""

    @contextmanager
    def reading(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Read-only; closed at the end of the block."""
        with warehouse.reading(WarehouseSettings()) as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """For what is written beside dbt and by the same role; closed at the end of the block."""
        with warehouse.writing(WarehouseSettings()) as connection:
            yield connection


class OperationalApi(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The product's HTTP API, entered with the platform's own client credentials."""

    def post_churn_scores(self, *, model_id: str, scored_at: str, scores: list[dict[str, Any]]) -> None:
        """Tell operations about scores. Telling the same twice changes nothing there.

        Raises:
            httpx.HTTPStatusError: refused; 4xx will be refused again.
            httpx.TransportError: the API could not be reached.
        """
        body = {"model_id": model_id, "scored_at": scored_at, "scores": scores}
        with self._client() as client:
            self._post(client, "/api/automation/churn-scores", body)

    def post_settlement(self, provider: str, lines: list[dict[str, Any]]) -> None:
        """Hand on lines of a provider's settlement. The same again changes nothing there. Raises as
        `post_churn_scores`."""
        with self._client() as client:
            self._post(client, "/api/commerce/settlements", {"provider": provider, "lines": lines})

    @property
    def is_known(self) -> bool:
        """Whether the environment says where operations are. A data platform without them is its own master."""
        try:
            ActivationSettings()
        except ValidationError:
            return False
        return True

    def connector_orders(self, name: str) -> ConnectorOrders:
        """What an admin wants done about a connector now. Raises as `post_churn_scores`."""
        with self._client() as client:
            answer = client.get(f"/api/integrations/connectors/{name}/orders").raise_for_status()
        return ConnectorOrders(**answer.json())

    def post_connector_run(
        self,
        name: str,
        *,
        run_id: UUID,
        kind: str,
        started_at: datetime,
        finished_at: datetime,
        streams: list[dict[str, Any]],
    ) -> None:
        """Tell how a pull went. Telling the same twice changes nothing there. Raises as `post_churn_scores`."""
        body = {
            "id": str(run_id), "kind": kind, "started_at": started_at, "finished_at": finished_at, "streams": streams,
        }  # fmt: skip
        with self._client() as client:
            self._post(client, f"/api/integrations/connectors/{name}/runs", body)

    def wearable_links(self) -> Iterator[dict[str, Any]]:
        """Every wearable that is connected: `customer_id`, `external_user_id`, `provider`, `data_kinds` (what may be
        kept). Raises as `post_churn_scores`."""
        cursor: str | None = None
        with self._client() as client:
            while True:
                page = client.get("/api/integrations/wearable-links", params={"cursor": cursor} if cursor else {})
                found = page.raise_for_status().json()
                yield from found["items"]
                cursor = found["next_cursor"]
                if cursor is None:
                    return

    @contextmanager
    def _client(self) -> Iterator[httpx.Client]:
        settings = ActivationSettings()
        with httpx.Client(base_url=settings.api_url, timeout=30, headers={"traceparent": new_traceparent()}) as client:
            client.headers["authorization"] = f"Bearer {self._token(client, settings)}"
            yield client

    def _post(self, client: httpx.Client, path: str, body: dict[str, Any]) -> None:
        content = orjson.dumps(body)
        headers = {
            "content-type": "application/json",
            "idempotency-key": str(uuid5(NAMESPACE_URL, content.decode())),
        }
        client.post(path, content=content, headers=headers).raise_for_status()

    def _token(self, client: httpx.Client, settings: ActivationSettings) -> str:
        answer = client.post(
            "/oidc/token",
            data={"grant_type": "client_credentials"},
            auth=(settings.activation_client_id, settings.activation_client_secret.get_secret_value()),
        )
        answer.raise_for_status()
        return str(answer.json()["access_token"])


class Dbt(DbtCliResource):
    """dbt in a process of its own (`dbt_process.py`).

    Dagster's own starts another process to ask dbt for its version, and reads the project into this one to fetch row
    counts by, which are fetched otherwise here: seconds of one processor before dbt begins.
    """

    @cached_property
    def _cli_version(self) -> Version:
        return Version(version("dbt-core"))

    def _initialize_dbt_core_adapter(self, args: Sequence[str]) -> None:  # type: ignore[override]
        """None, as of dbt's successor."""


class DbtParseFailed(RuntimeError):
    """The dbt project cannot be parsed; the message is dbt's own."""


def dbt_project(target_path: Path) -> DbtProject:
    """The dbt project with a manifest that is as new as its files.

    A missing or older manifest is made by `dbt parse`, which reads no environment; processes that start at once take
    turns, so that one makes it and the others find it whole. A deployment brings its own, made when it was built, and
    is not kept waiting.

    Raises:
        DbtParseFailed: a model or its YAML is wrong.
    """
    project = DbtProject(project_dir=PROJECT_DIR, target_path=target_path, profiles_dir=PROJECT_DIR)
    if _is_current(project):
        return project
    target_path.mkdir(parents=True, exist_ok=True)
    with (target_path / "parsing.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _is_current(project):
            _parse(target_path)
    return project


def _is_current(project: DbtProject) -> bool:
    manifest = Path(project.manifest_path)
    files = [file for folder in ("models", "macros", "tests") for file in (PROJECT_DIR / folder).rglob("*.*")]
    newest = max(file.stat().st_mtime for file in [*files, PROJECT_DIR / "dbt_project.yml"])
    return manifest.exists() and manifest.stat().st_mtime >= newest


def _parse(target_path: Path) -> None:
    # Into a folder of its own: whoever looks meanwhile sees the old manifest or the new one, never a part of it.
    with TemporaryDirectory(dir=target_path) as fresh:
        done = subprocess.run(  # noqa: S603
            [
                sys.executable, "-m", "dbt.cli.main", "parse", "--project-dir", str(PROJECT_DIR),
                "--profiles-dir", str(PROJECT_DIR), "--target-path", fresh,
            ],
            cwd=PROJECT_DIR.parent, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            raise DbtParseFailed(done.stdout[-2000:] or done.stderr[-2000:])
        for name in ("partial_parse.msgpack", "manifest.json"):
            (Path(fresh) / name).replace(target_path / name)


DBT_PROJECT = dbt_project(DbtSettings().target_path)

RESOURCES = {
    "lake": Lake(),
    "api": OperationalApi(),
    "dbt": Dbt(
        project_dir=DBT_PROJECT,  # type: ignore[arg-type]  # which Dagster takes apart itself
        dbt_executable=sys.executable,
        # What dbt says is heard by Dagster; a file beside it costs a fifth of a second for the same lines.
        global_config_flags=["-m", "orchestration.dbt_process", "--no-use-colors", "--log-level-file", "none"],
    ),
}
