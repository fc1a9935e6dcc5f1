"""What the garbage collector of a process that serves looks at."""

import gc

YOUNG = 10_000
"""New objects that may be there before the collector looks for circles among them; Python's own is 700."""


def settle() -> None:
    """Once all is loaded: leave what is here alone for good, and look less often at what comes.

    A process of ours holds a million objects that live as long as it does. Looking at them and at the few hundred that
    each request makes and drops was a seventh of what a request cost.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, 10, 10)
