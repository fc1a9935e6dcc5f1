"""The code location loads anywhere, and knows every table that is captured."""

import subprocess
import sys

import pytest

from orchestration.defs.postgres_cdc import CAPTURED
from orchestration.resources import dbt_project
from tests.dbt_project.lake import ROOT

_LOAD = """
import orchestration.definitions as found
from dagster import Definitions
Definitions.validate_loadable(found.defs)
print(len(found.defs.resolve_asset_graph().get_all_asset_keys()))
"""


class TestDefinitions:
    def test_load_with_an_empty_environment(self):
        done = subprocess.run(
            [sys.executable, "-c", _LOAD], cwd=ROOT, env={}, capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, done.stderr[-3000:]
        assert int(done.stdout.split()[-1]) > 140

    @pytest.mark.drill  # every fresh clone does it before its first test
    def test_a_missing_manifest_is_made(self, tmp_path):
        assert dbt_project(tmp_path / "target").manifest_path.exists()

    def test_every_published_table_has_a_source_and_a_change_log(self, fresh_database):
        import psycopg

        from ingestion.postgres_cdc import publication

        with psycopg.connect(fresh_database()) as connection:
            published = publication.create(connection)
        named = {f"{context}.{table}" for context, tables in CAPTURED.items() for table in tables}
        assert set(published) == named
