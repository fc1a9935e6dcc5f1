"""Cursors come back as the key they were made of; anything else is refused, not crashed on."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operational_api.core.paging import InvalidCursor, after, cut

moments = st.datetimes(timezones=st.just(UTC))


class TestCut:
    @given(moments, st.uuids())
    def test_gives_a_cursor_that_reads_back(self, at: datetime, id_: UUID) -> None:
        page, cursor = cut([(at, id_), (at, id_)], 1, key=lambda row: row)
        assert page == [(at, id_)]
        assert cursor is not None
        assert after(cursor, datetime, UUID) == (at, id_)

    def test_ends_with_the_last_row(self) -> None:
        assert cut([(1,), (2,)], 2, key=lambda row: row) == ([(1,), (2,)], None)


class TestAfter:
    @given(st.text(max_size=60))
    def test_refuses_what_it_did_not_make(self, cursor: str) -> None:
        with pytest.raises(InvalidCursor):
            after(cursor, datetime, UUID)
