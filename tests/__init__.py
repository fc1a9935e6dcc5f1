"""Tests mirror the packages; what several folders share is here, in `factories`, `browser` and `conftest`.

Two workers share two cores: one thread each, or threads of one wait for those of the other (a third more CPU time for
the lake, many times more for LightGBM).
"""

import os

for _name in ("PLYO_LAKE_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS"):
    os.environ.setdefault(_name, "1")
