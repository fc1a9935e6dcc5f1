"""The business lake of the dbt tests, and Dagster runs on it in this process."""

from pathlib import Path

import pytest

from contracts.warehouse import WarehouseSettings
from tests.dbt_project.conftest import business_database, business_lake
from tests.dbt_project.lake import environment

__all__ = ["business_database", "business_lake"]


@pytest.fixture
def lake_environment(
    business_lake: WarehouseSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> WarehouseSettings:
    """The environment of a data process on the business lake; its settings are read when a run needs them."""
    for name, value in environment(business_lake, tmp_path / "target").items():
        monkeypatch.setenv(name, value)
    return business_lake
