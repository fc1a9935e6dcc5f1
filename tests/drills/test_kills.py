"""The capture killed two hundred times at every step it makes, while people write and tables change their shape.

At least 100,000 changes come through: inserts, updates with long values left alone, moved keys, deletes and truncates.
"""

import random

import pytest

from contracts import warehouse
from ingestion.postgres_cdc import capture
from ingestion.settings import CdcSettings
from tests.ingestion import kills
from tests.ingestion.conftest import Captured, captured  # noqa: F401 a fixture
from tests.ingestion.histories import KEYS, TABLES, History, Witness, Writer
from tests.ingestion.test_kill import STEPS, assert_whole_history

pytestmark = pytest.mark.drill
KILLS, ROUNDS, CHANGES = 200, 8, 100_000
SNAPSHOT_STEPS = ("snapshot commit", "snapshot committed")


def test_two_hundred_kills(captured: Captured) -> None:  # noqa: F811
    captured.source.execute(TABLES)
    witness = Witness(captured.source, f"witness_{captured.settings.cdc_slot}")
    settings = captured.settings.model_copy(update={"cdc_batch_changes": 250})
    capture.ensure_ready(settings)
    pick = random.Random(3)
    history = History(captured.source, 3)
    for number in range(ROUNDS):
        with Writer(history, every_seconds=0.2, columns_every=100):
            for step in SNAPSHOT_STEPS:
                captured.source.execute(f"create table training.late_{number}_{step[-3:]} (id int primary key)")
                kills.kill(settings, step)
            for _ in range(KILLS // ROUNDS - len(SNAPSHOT_STEPS) - 1):
                kills.kill(settings, pick.choice(STEPS), times=pick.randint(1, 3))
            kills.kill_after(settings, pick.uniform(0.3, 2))
        for _ in range(20):  # a new column arrives with its table's next row
            history.transaction()
        capture.run_once(settings)
        while (came := changes(settings)) < CHANGES * (number + 1) / ROUNDS:
            for _ in range(100):
                history.transaction()
            kills.kill(settings, pick.choice(STEPS))
            capture.run_once(settings)
        print(f"round {number + 1}: {came:,} changes")  # noqa: T201
        assert_whole_history(captured, witness)


def changes(settings: CdcSettings) -> int:
    """Of these tables' rows, as many as the lake has."""
    every = " union all ".join(f"select 1 from raw.training__{table}" for table in KEYS)
    with warehouse.reading(settings) as lake:
        found = lake.execute(f"select count(*) from ({every})").fetchone()
    assert found is not None
    return int(found[0])
