"""The design tokens: one a line, readable by the consoles, and enough contrast to be read by people (WCAG 2.2 AA)."""

import re

import pytest

from operational_api.web.rendering import STATIC

COLOUR = re.compile(r"--([a-z0-9-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\);")
WORDS = [
    ("ink", "canvas"), ("ink", "surface"), ("ink", "sunken"), ("ink-soft", "canvas"), ("ink-soft", "surface"),
    ("ink-soft", "sunken"), ("brand", "canvas"), ("brand", "surface"), ("on-brand", "brand"), ("on-spark", "spark"),
    ("on-rail", "rail"), ("on-rail-soft", "rail"), ("brand-strong", "brand-soft"), ("ink", "brand-soft"),
    *[(tone, f"{tone}-soft") for tone in ("good", "warn", "bad", "info")],
    *[("ink", f"{tone}-soft") for tone in ("good", "warn", "bad", "info")],
    ("bad", "surface"), ("canvas", "warn"),
]  # fmt: skip


def tokens() -> dict[str, tuple[str, str]]:
    found = COLOUR.findall((STATIC / "tokens.css").read_text())
    return {name.removeprefix("color-"): (light, dark) for name, light, dark in found}


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, two: str) -> float:
    low, high = sorted((luminance(one), luminance(two)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
class TestContrast:
    @pytest.mark.parametrize(("words", "ground"), WORDS)
    def test_words_can_be_read(self, words: str, ground: str, scheme: int) -> None:
        known = tokens()
        assert contrast(known[words][scheme], known[ground][scheme]) >= 4.5

    @pytest.mark.parametrize("edge", ["line-strong", "brand", "chart-1", "chart-2", "chart-3", "chart-4", "chart-5"])
    def test_edges_and_lines_can_be_seen(self, edge: str, scheme: int) -> None:
        known = tokens()
        assert contrast(known[edge][scheme], known["surface"][scheme]) >= 3


def test_no_colour_is_written_outside_the_tokens() -> None:
    for name in ("app.css", "components.css"):
        assert re.findall(r"#[0-9a-fA-F]{3,8}\b", (STATIC / name).read_text()) == [], name
