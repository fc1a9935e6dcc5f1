"""Compiled loops from PostgreSQL's bytes to Arrow's buffers; they know byte layouts and nothing else.

A kernel takes one byte buffer and arrays of positions in it, so no value becomes a Python object. All release the GIL.
Compiled code is cached beside the source, or in NUMBA_CACHE_DIR; it is refreshed by a change of the kernel's own file
only, so after a change in `read.py` touch the others too.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
from numba import njit
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Positions = NDArray[np.int64]
Lengths = NDArray[np.int32]

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F) -> F:
    """Compile a function with numba on its first call."""
    return cast(F, njit(cache=True, nogil=True)(function))
