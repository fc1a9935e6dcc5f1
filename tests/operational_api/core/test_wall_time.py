"""A clock's time crosses HTTP without a zone, both ways."""

from datetime import UTC, time

import pytest
from pydantic import TypeAdapter, ValidationError

from operational_api.core.wall_time import WallTime

ADAPTER: TypeAdapter[time] = TypeAdapter(WallTime)


class TestWallTime:
    @pytest.mark.parametrize(("said", "meant"), [("09:30", time(9, 30)), ("23:59:59", time(23, 59, 59))])
    def test_is_read_and_written(self, said: str, meant: time) -> None:
        assert ADAPTER.validate_python(said) == meant == ADAPTER.validate_python(meant)
        assert ADAPTER.dump_json(meant).decode().strip('"').startswith(said)

    @pytest.mark.parametrize(
        "said", ["09:30Z", "09:30+01:00", "24:00", "9:30", "09:30:00.5", 34200, time(9, tzinfo=UTC)]
    )
    def test_is_nothing_else(self, said: object) -> None:
        with pytest.raises(ValidationError, match="without a zone"):
            ADAPTER.validate_python(said)

    def test_is_told_by_its_pattern(self) -> None:
        """The format `time` of OpenAPI has an offset."""
        assert "format" not in ADAPTER.json_schema()
