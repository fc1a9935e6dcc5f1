"""What the figures of the lag mean, at their edges."""

from dataclasses import replace

import pytest

from ingestion.postgres_cdc.lag import Lag, judge

FINE = Lag(bytes=0, seconds=5.0, retained_bytes=1_000, safe_bytes=9_000, is_slot_lost=False, blocked={})


def problems(figures: Lag) -> dict[str, str]:
    return {found.name: found.level for found in judge(figures, objective_seconds=60) if found.problem}


class TestJudge:
    @pytest.mark.parametrize(
        ("figures", "told"),
        [
            ({}, {}),
            ({"seconds": 60.0}, {}),
            ({"seconds": 61.0}, {"lake_is_fresh": "warn"}),
            ({"seconds": 601.0}, {"lake_is_fresh": "error"}),
            ({"retained_bytes": 5_000, "safe_bytes": 5_000}, {}),
            ({"retained_bytes": 5_001, "safe_bytes": 4_999}, {"slot_is_safe": "warn"}),
            ({"retained_bytes": 5_001, "safe_bytes": None}, {}),
            ({"is_slot_lost": True}, {"slot_is_safe": "error"}),
            ({"is_slot_lost": True, "seconds": None}, {}),
            ({"blocked": {"training__steps": "NaN"}}, {"no_table_stands_still": "error"}),
        ],
    )
    def test_tells_what_is_wrong_and_how_urgent_it_is(self, figures, told):
        assert problems(replace(FINE, **figures)) == told
