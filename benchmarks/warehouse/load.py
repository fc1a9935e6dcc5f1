"""Clients that ask over HTTP: one loop for them all, so that they wait for the service and never for each other.

Each keeps its connection and asks again as soon as it has all of its answer, with which it does nothing. Like browsers
and consoles it reads `deflate`. What the loop itself takes is measured against `floor`. What is asked does not belong
here.
"""

import selectors
import socket
import time
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

_PIECE = 1 << 18


@dataclass
class Took:
    """What asking came to: milliseconds of each request until its last byte, and the client's processor seconds."""

    times: list[float] = field(default_factory=list)
    cpu: float = 0.0


class Client:
    """One who asks over a connection that stays open."""

    def __init__(self, port: int, token: str = "", accept: str = "application/json") -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._told = (
            f"HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\nAccept: {accept}\r\n"
            "Accept-Encoding: gzip, deflate\r\n"
        )
        self._space = bytearray(_PIECE)
        self._view = memoryview(self._space)
        self._got, self._missing, self.status = 0, -1, 0

    def request(self, path: str, tag: str = "") -> bytes:
        """What is sent to ask for a path; with a tag, only if the answer is another one."""
        known = f"If-None-Match: {tag}\r\n" if tag else ""
        return f"GET {path} {self._told}{known}\r\n".encode()

    def ask(self, path: str, tag: str = "") -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body (`content-length` is that of what came over the line), waited for."""
        self.socket.sendall(self.request(path, tag))
        told = self.socket.recv(_PIECE)
        while b"\r\n\r\n" not in told:
            told += self._more()
        head, _, body = told.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        if "content-length" not in headers and lines[0].split(" ")[1] != "304":
            raise RuntimeError(f"{path} is answered in pieces, and nobody here puts them together")
        pieces, missing = [body], int(headers.get("content-length", 0)) - len(body)
        while missing > 0:
            pieces.append(self._more())
            missing -= len(pieces[-1])
        whole = b"".join(pieces)
        if headers.get("content-encoding") == "deflate":
            whole = zlib.decompress(whole)
        return int(lines[0].split(" ")[1]), headers, whole

    def begin(self, request: bytes) -> None:
        self._got, self._missing = 0, -1
        self.socket.sendall(request)

    def is_done(self) -> bool:
        """Take what has come; whether that was the last of the answer."""
        if self._missing < 0:
            self._got += self._taken(self._view[self._got :])
            end = self._space.find(b"\r\n\r\n", 0, self._got)
            if end < 0:
                return False
            self.status = int(self._space[9:12])
            length = self._space.find(b"content-length: ", 0, end)
            told = self._space[length + 16 : self._space.find(b"\r", length)] if length >= 0 else b"0"
            self._missing = int(told) - (self._got - end - 4)
        else:
            self._missing -= self._taken(self._view)
        return self._missing <= 0

    def _taken(self, place: memoryview) -> int:
        if not (count := self.socket.recv_into(place)):
            raise ConnectionError("the service hung up")
        return count

    def _more(self) -> bytes:
        if not (more := self.socket.recv(_PIECE)):
            raise ConnectionError("the service hung up")
        return more


def together(clients: Sequence[Client], asked: Sequence[Sequence[bytes]], *, status: Sequence[int]) -> Took:
    """Have each client ask all that is its to ask, all of them at once.

    Args:
        asked: For each client its requests, in order.
        status: For each client what it has to be answered.

    Raises:
        RuntimeError: one was answered otherwise.
    """
    took, before = Took(), time.process_time()
    with selectors.DefaultSelector() as ready:
        waiting: dict[Client, tuple[Iterator[bytes], int, float]] = {}
        for client, requests, expected in zip(clients, asked, status, strict=True):
            ready.register(client.socket, selectors.EVENT_READ, client)
            its = iter(requests)
            request = next(its)
            waiting[client] = (its, expected, time.perf_counter())
            client.begin(request)
        while waiting:
            for key, _ in ready.select():
                client = key.data
                if not client.is_done():
                    continue
                its, expected, began = waiting[client]
                now = time.perf_counter()
                took.times.append((now - began) * 1000)
                if client.status != expected:
                    raise RuntimeError(f"answered {client.status}, not {expected}")
                if request := next(its, b""):
                    waiting[client] = (its, expected, now)
                    client.begin(request)
                else:
                    del waiting[client]
                    ready.unregister(client.socket)
    took.cpu = time.process_time() - before
    return took
