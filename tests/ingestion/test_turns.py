"""A turn is one process's, and free again in the moment its block has ended."""

from ingestion.turns import turn
from tests.ingestion.conftest import Captured


class TestTurn:
    def test_is_refused_to_a_second_and_others_names_are_free(self, captured: Captured) -> None:
        with turn(captured.settings, "one", application_name="first") as first:
            with turn(captured.settings, "one", application_name="second") as second:
                assert (first, second) == (True, False)
            with turn(captured.settings, "two", application_name="second") as other:
                assert other
            with turn(captured.settings, "one", application_name="second") as second:
                assert not second  # who was refused took nothing from who has it

    def test_is_free_at_once_after_one_that_ended_and_one_that_failed(self, captured: Captured) -> None:
        refused = 0
        for nth in range(150):
            try:
                with turn(captured.settings, "one", application_name=f"turn-{nth}") as is_ours:
                    refused += not is_ours
                    raise RuntimeError
            except RuntimeError:
                pass
        assert refused == 0
