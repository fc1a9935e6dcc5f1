"""The import rules refuse what they should: each rule is tried with a planted import in a copy of the tree."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("contracts", "operational_api", "ingestion", "orchestration", "ml", "consoles", "plyo")
PLANTED = [
    ("consoles/client.py", "import duckdb", "Consoles hold no database"),
    ("consoles/theme.py", "import operational_api.settings", "Worlds meet only in contracts"),
    ("ingestion/settings.py", "import dagster", "Only orchestration knows Dagster"),
    ("ml/registry.py", "import orchestration.resources", "Worlds meet only in contracts"),
    ("operational_api/training/service/clients.py", "import duckdb", "In the API only analytics reads the lake"),
    (
        "operational_api/scheduling/errors.py",
        "import operational_api.commerce.models",
        "Commerce is entered by its public door",
    ),
    ("operational_api/training/errors.py", "import operational_api.engagement.public", "Contexts form no cycle"),
    ("orchestration/resources.py", "import plyo.home", "Orchestration wires data"),
]


def lint(tree: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    return subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False, env={"PYTHONPATH": "."})


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


class TestImportRules:
    @pytest.mark.parametrize(("file", "planted", "rule"), PLANTED)
    def test_refuse_a_planted_import(self, tree: Path, file: str, planted: str, rule: str) -> None:
        target = tree / file
        assert target.exists(), f"{file} has moved: plant somewhere else"
        target.write_text(target.read_text() + f"\n{planted}  # planted\n")
        answer = lint(tree)
        assert answer.returncode == 1
        assert any(rule in line and "BROKEN" in line for line in answer.stdout.splitlines()), answer.stdout
