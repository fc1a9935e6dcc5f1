"""What dbt's own process says, and what it need not."""

from collections.abc import Iterator
from io import StringIO

import pytest
from dbt_common.events.base_types import EventLevel
from dbt_common.events.event_manager_client import ctx_set_event_manager, get_event_manager
from dbt_common.events.functions import fire_event
from dbt_common.events.logger import LoggerConfig
from dbt_common.events.types import Note

from orchestration.dbt_process import _say_only_what_is_heard


class TestSay:
    @pytest.fixture
    def worded(self) -> Iterator[list[str]]:
        """Lines that dbt has worded, by a manager of events that stands only here."""
        before, worded = get_event_manager(), []
        _say_only_what_is_heard()
        get_event_manager().add_callback(lambda message: worded.append(message.info.msg))
        yield worded
        ctx_set_event_manager(before)

    def test_words_what_a_logger_writes_and_no_line_of_debugging_that_none_does(self, worded):
        get_event_manager().add_logger(LoggerConfig("of_people", level=EventLevel.INFO, output_stream=StringIO()))
        fire_event(Note(msg="of a query"), level=EventLevel.DEBUG)
        fire_event(Note(msg="of a model"))
        assert worded == ["of a model"]

    def test_words_lines_of_debugging_where_a_logger_writes_them(self, worded):
        said = StringIO()
        get_event_manager().add_logger(LoggerConfig("of_developers", level=EventLevel.DEBUG, output_stream=said))
        fire_event(Note(msg="of a query"), level=EventLevel.DEBUG)
        assert worded == ["of a query"]
        assert "of a query" in said.getvalue()
