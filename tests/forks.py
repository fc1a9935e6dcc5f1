"""Processes that die like any other, forked from a server of their kind which has loaded what they need.

`multiprocessing` keeps one such server for all of a process: it loads what was named last, and in a whole run what a
process of another test file needs is then loaded anew by each. Here each set of modules has a server of its own, which
is started with the first process. What the processes do does not belong here.
"""

from collections.abc import Callable, Iterable
from multiprocessing import forkserver, popen_forkserver
from multiprocessing.context import ForkServerProcess
from multiprocessing.forkserver import ForkServer
from threading import Lock

_SERVERS: dict[tuple[str, ...], ForkServer] = {}
_TURN = Lock()


class Fork(ForkServerProcess):
    """A process of one of the servers."""

    modules: tuple[str, ...]

    @staticmethod
    def _Popen(process_obj: "Fork") -> popen_forkserver.Popen:  # type: ignore[override]
        with _TURN:
            usual = forkserver.connect_to_new_process
            forkserver.connect_to_new_process = _SERVERS[process_obj.modules].connect_to_new_process
            try:
                return popen_forkserver.Popen(process_obj)
            finally:
                forkserver.connect_to_new_process = usual


class Forks:
    """Makes processes.

    Args:
        modules: Names of those that the server imports, once for all of them.
    """

    def __init__(self, *modules: str) -> None:
        self._modules = modules
        if modules not in _SERVERS:
            _SERVERS[modules] = ForkServer()
            _SERVERS[modules].set_forkserver_preload(list(modules))

    def process(
        self, target: Callable[..., object], args: Iterable[object] = (), *, daemon: bool | None = None
    ) -> Fork:
        """One that is not started yet; `target` is found by its name."""
        made = Fork(target=target, args=tuple(args), daemon=daemon)
        made.modules = self._modules
        return made
