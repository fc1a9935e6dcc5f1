"""One design: the consoles read the app's tokens, and write numbers and days as people do."""

from datetime import UTC, date, datetime

import polars as pl
import pytest

from consoles import charts, theme


class TestTokens:
    def test_every_series_has_a_colour(self) -> None:
        assert all(theme.colour(token).startswith("#") for token in theme.SERIES)

    @pytest.mark.parametrize("name", ["ink", "surface", "brand", "good", "warn", "bad", "line", "rail", "spark"])
    def test_has_the_colours_that_pages_name(self, name: str) -> None:
        assert theme.colour(name).startswith("#")


class TestWords:
    @pytest.mark.parametrize(
        ("day", "words"),
        [
            (date(2026, 3, 2), "today"), (date(2026, 3, 1), "yesterday"), (date(2026, 3, 3), "tomorrow"),
            (date(2026, 2, 20), "10 days ago"), (date(2026, 3, 12), "in 10 days"), (None, "never"),
        ],
    )  # fmt: skip
    def test_ago(self, day: date | None, words: str) -> None:
        assert theme.ago(day, datetime(2026, 3, 2, 12, tzinfo=UTC)) == words

    def test_when_is_in_the_persons_zone(self) -> None:
        assert theme.when(datetime(2026, 3, 2, 23, tzinfo=UTC), "Europe/Berlin") == "Tue 3 Mar, 00:00"

    @pytest.mark.parametrize(("p", "band"), [(0.7, "high"), (0.1, "medium"), (0.04, "low"), (None, "unknown")])
    def test_risk_band(self, p: float | None, band: str) -> None:
        assert theme.risk_band(p)[0] == band


class TestCharts:
    def test_reasons_put_the_largest_on_top_and_colour_the_direction(self) -> None:
        figure = charts.reasons([{"label": "stays", "contribution": -0.2}, {"label": "leaves", "contribution": 0.9}])
        assert figure.data[0].y[-1] == "leaves"
        assert figure.data[0].marker.color[-1] == theme.colour("bad")

    def test_groups_draw_a_line_for_each_value(self) -> None:
        frame = pl.DataFrame({"day": [1, 2, 1, 2], "kg": [50, 52, 80, 85], "lift": ["row", "row", "squat", "squat"]})
        assert [line.name for line in charts.groups(frame, x="day", y="kg", by="lift").data] == ["row", "squat"]

    def test_a_history_of_one_day_is_a_point_in_a_week(self) -> None:
        frame = pl.DataFrame({"day": [date(2026, 3, 2)], "kg": [80]})
        figure = charts.lines(frame, x="day", series={"kg": "weight"})
        assert figure.data[0].mode == "lines+markers"
        assert figure.layout.xaxis.range == (date(2026, 2, 23), date(2026, 3, 3))

    def test_shares_are_told_as_shares_on_both_axes(self) -> None:
        bins = pl.DataFrame({"predicted": [0.03, 0.4], "observed": [0.02, 1.0], "count": [90, 1]})
        figure = charts.calibration(bins)
        assert (figure.layout.xaxis.tickformat, figure.layout.xaxis.tickformatstops) == (".0%", ())
        assert figure.layout.xaxis.range == (0, pytest.approx(0.42))  # as far as the model goes, and no further
