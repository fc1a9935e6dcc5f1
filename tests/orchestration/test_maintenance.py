"""Maintenance runs on a lake as it is, twice, and tells its figures."""

import dagster as dg

from orchestration.defs import maintenance


class TestLakeFiles:
    def test_tells_what_it_did_to_both_lakes(self, captured_environment):
        for _ in range(2):
            result = dg.materialize([maintenance.lake_files])
            told = result.asset_materializations_for_node("lake__files")[0].metadata
            assert told["raw/left_out"].value == told["marts/left_out"].value == ""
            assert told["raw/expired_snapshots"].value == 0
            assert told["marts/files_before"].value == told["marts/files_after"].value == 0
