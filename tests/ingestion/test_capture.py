"""The lake becomes the source, whatever happens there."""

import pytest

from ingestion.postgres_cdc import capture
from tests.ingestion.histories import TABLES, History, Witness, assert_equal, assert_exactly_once


class TestRunOnce:
    @pytest.mark.parametrize(("seed", "transactions", "batch_changes"), [(1, 4, 1), (2, 40, 250_000)])
    def test_random_histories_arrive_row_by_row(self, captured, seed, transactions, batch_changes):
        captured.source.execute(TABLES)
        history = History(captured.source, seed)
        for _ in range(20):
            history.transaction()
        capture.ensure_ready(captured.settings)
        witness = Witness(captured.source, f"witness_{captured.settings.cdc_slot}")
        settings = captured.settings.model_copy(update={"cdc_batch_changes": batch_changes})
        for _ in range(2):
            for _ in range(transactions):
                history.transaction()
            history.add_column()
            for _ in range(transactions):
                history.transaction()
            capture.run_once(settings)
            for table in ("kinds", "pairs", "loose"):
                assert_equal(captured.source, captured.settings, table)
        for table in ("kinds", "pairs", "loose"):
            assert_exactly_once(captured.settings, witness, table)
