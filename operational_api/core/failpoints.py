"""Places where a test may kill the process as by `kill -9`, to prove what survives. Armed by PLYO_FAILPOINT only.

Production never arms one: a hit then costs a comparison. Names say the boundary: `relay.before_commit`.
"""

import os
import signal

_armed: str | None = None
_hits_left = 0


def arm(failpoint: str) -> None:
    """Choose where this process dies.

    Args:
        failpoint: A name, or `name@3` to survive two hits and die at the third. Empty disarms.
    """
    global _armed, _hits_left
    name, _, count = failpoint.partition("@")
    _armed, _hits_left = name or None, int(count or 1)


def hit(name: str) -> None:
    """Die here, without any clean-up, if this point is the armed one."""
    global _hits_left
    if _armed != name:
        return
    _hits_left -= 1
    if _hits_left <= 0:
        os.kill(os.getpid(), signal.SIGKILL)
