"""A wire between a client and a server that can be cut: real sockets, at three places of a request's way.

`before`: the connection ends before the server heard anything. `after`: the server did its work, its answer is lost.
`half`: the answer breaks off in its middle.
"""

import contextlib
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


class Wire:
    """Forwards requests one by one. `cuts` are used up, one a request; None lets a request pass."""

    def __init__(self, target: str) -> None:
        address = urlsplit(target)
        self._target = (str(address.hostname), int(address.port or 80))
        self.cuts: list[str | None] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Take no more connections."""
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def _carry(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError), client:
            while True:
                request = _message(client)
                if not request:
                    return
                cut = self.cuts.pop(0) if self.cuts else None
                if cut == "before":
                    return
                with socket.create_connection(self._target) as server:
                    server.sendall(request)
                    answer = _message(server)
                if cut == "after":
                    return
                client.sendall(answer[: len(answer) // 2] if cut == "half" else answer)
                if cut == "half":
                    return


def _message(source: socket.socket) -> bytes:
    """One HTTP message with a Content-Length, whole; empty when the other side has closed."""
    held = b""
    while b"\r\n\r\n" not in held:
        piece = source.recv(65_536)
        if not piece:
            return b""
        held += piece
    head, _, body = held.partition(b"\r\n\r\n")
    found = _LENGTH.search(head)
    length = int(found.group(1)) if found else 0
    while len(body) < length:
        body += source.recv(65_536)
    return head + b"\r\n\r\n" + body


@contextmanager
def wire_to(target: str) -> Iterator[Wire]:
    """A wire to a server until the block ends."""
    wire = Wire(target)
    try:
        yield wire
    finally:
        wire.close()
