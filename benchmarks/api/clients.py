"""So many clients that each ask, wait for the answer, and ask again over one connection. Answers are only counted."""

import asyncio
import statistics
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Load:
    """What came of it. `milliseconds`: of each answer, sorted."""

    seconds: float
    milliseconds: list[float]
    statuses: Counter[int]

    @property
    def per_second(self) -> float:
        """Answers a second."""
        return len(self.milliseconds) / self.seconds

    def percentile(self, percent: int) -> float:
        """Milliseconds within which so many of a hundred were answered."""
        return statistics.quantiles(self.milliseconds, n=100, method="inclusive")[percent - 1]


def post(path: str, body: bytes, token: str = "") -> bytes:
    """A request as bytes."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    )
    return (head + (f"Authorization: Bearer {token}\r\n" if token else "") + "\r\n").encode() + body


def get(path: str, token: str) -> bytes:
    """A request that sends nothing, as bytes."""
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n\r\n".encode()


def run(port: int, requests: Sequence[bytes], *, concurrency: int) -> Load:
    """Ask all of it.

    Raises:
        ConnectionError: the server ended a connection.
    """
    return asyncio.run(_run(port, deque(requests), concurrency))


async def _run(port: int, waiting: deque[bytes], concurrency: int) -> Load:
    took: list[float] = []
    statuses: Counter[int] = Counter()

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while waiting:
            request = waiting.popleft()
            began = time.perf_counter()
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = head.lower().split(b"content-length:")[1].split(b"\r\n")[0]
            await reader.readexactly(int(length))
            took.append((time.perf_counter() - began) * 1000)
            statuses[int(head[9:12])] += 1
        writer.close()

    began = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(concurrency)))
    return Load(time.perf_counter() - began, sorted(took), statuses)
