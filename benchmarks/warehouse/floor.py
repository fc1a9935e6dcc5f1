"""A service that answers so many bytes and does nothing: what asking over HTTP takes before anything is answered.

python -m benchmarks.warehouse.floor PORT
"""

import sys

import uvicorn
from starlette.types import Receive, Scope, Send

_BYTES = bytes(1 << 24)


async def app(scope: Scope, _: Receive, send: Send) -> None:
    """`/1000` is answered by a thousand bytes."""
    body = _BYTES[: int(scope["path"][1:])]
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def main() -> None:
    """Serve until told to stop."""
    uvicorn.run(
        app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", access_log=False, timeout_keep_alive=75,
        lifespan="off",
    )  # fmt: skip


if __name__ == "__main__":
    main()
