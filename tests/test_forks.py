"""What a forked process has loaded before it begins."""

import os
import sys
from pathlib import Path

from tests.forks import Forks

COLOURS, WAVES = Forks("colorsys"), Forks("wave")


def note(place: Path) -> None:
    """In the process: which of the two it has, and of whom it is."""
    place.write_text(f"{os.getppid()} {sorted({'colorsys', 'wave'} & set(sys.modules))}")


def test_is_that_of_its_kind_and_nothing_of_another_in_the_order_of_whoever_asks(tmp_path: Path) -> None:
    said = []
    for number, forks in enumerate((COLOURS, WAVES, COLOURS)):
        process = forks.process(note, [tmp_path / str(number)])
        process.start()
        process.join(60)
        assert process.exitcode == 0
        said.append((tmp_path / str(number)).read_text().split(" ", 1))
    assert [loaded for _, loaded in said] == ["['colorsys']", "['wave']", "['colorsys']"]
    assert said[0][0] == said[2][0] != said[1][0]
