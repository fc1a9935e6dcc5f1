"""The way in: every question with a token takes a turn, and who is told something again is told it here.

It stands before everything else, FastAPI's own layers too, so that an answer which is told again passes no route, and
leaves what every answer leaves: security headers, a trace id, a count, a line in the log.
"""

import asyncio
import time

from starlette.datastructures import State
from starlette.types import ASGIApp, Receive, Scope, Send

from contracts import telemetry
from operational_api.analytics import packed, tags
from operational_api.analytics.freshness import Freshness
from operational_api.analytics.retold import LARGE_BYTES, Question, Told
from operational_api.analytics.turns import Turns
from operational_api.core.http import log_request

QUARTER_SECONDS = 900
_now = time.time


class Together:
    """Stands before an app and asks the `turns` of its state."""

    def __init__(self, app: ASGIApp, state: State) -> None:
        self.app, self._state = app, state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        turns: Turns | None = self._state.turns if scope["type"] == "http" else None
        question = question_of(scope) if turns is not None and scope["method"] == "GET" else None
        if turns is None or question is None:
            await self.app(scope, receive, send)
            return
        began = time.perf_counter()
        with telemetry.trace(question.traceparent) as traceparent:
            question.traceparent = traceparent
            heard = await turns.heard(question)
            if heard is not None and heard.told is not None and heard.freshness is not None:
                verdict = heard.verdict.headers().items() if heard.verdict is not None else ()
                own = [(name.lower().encode(), value.encode()) for name, value in verdict]
                own.append((b"x-trace-id", traceparent[3:35].encode()))
                status = await _answer(send, question, heard.told, heard.freshness, own)
                log_request("GET", question.path, status, (time.perf_counter() - began) * 1000)
                if status == 200 and (name := self._state.retold.to_pack(question, heard.principal)) is not None:
                    await asyncio.to_thread(self._state.retold.pack, name)  # the answer is out
                return
        if heard is not None:
            scope.setdefault("state", {}).update(
                question=question, principal=heard.principal, snapshot_id=heard.snapshot_id,
                consents_mark=heard.consents_mark, verdict=heard.verdict,
            )  # fmt: skip
        await self.app(scope, receive, send)


async def _answer(
    send: Send, question: Question, told: Told, freshness: Freshness, own: list[tuple[bytes, bytes]]
) -> int:
    now = tags.bytes_of(freshness)
    own.append((b"x-plyo-freshness", now))
    if not told.is_written or tags.names(question.known_tags, told.tag):
        own.extend(one for one in told.headers if one[0] != b"content-type")
        await send({"type": "http.response.start", "status": 304, "headers": own})
        await send({"type": "http.response.body", "body": b""})
        return 304
    own.extend(told.headers)
    begun, rest = told.begun(freshness), b""
    if told.packed is not None and question.reads_packed:
        begun = told.packed.behind(begun)
        own.append((b"content-encoding", b"deflate"))
    else:
        rest = told.rest
    own.append((b"content-length", str(len(begun) + len(rest)).encode()))
    await send({"type": "http.response.start", "status": 200, "headers": own})
    if len(rest) > LARGE_BYTES:
        await send({"type": "http.response.body", "body": begun, "more_body": True})
        await send({"type": "http.response.body", "body": rest})
    else:
        await send({"type": "http.response.body", "body": begun + rest})
    return 200


def question_of(scope: Scope) -> Question | None:
    """What a request asks; None where it brings no token."""
    token = accept = known = encodings = b""
    traceparent = None
    for name, value in scope["headers"]:
        if name == b"authorization":
            token = value
        elif name == b"accept":
            accept = value
        elif name == b"accept-encoding":
            encodings = value
        elif name == b"if-none-match":
            known = value
        elif name == b"traceparent":
            traceparent = value.decode("latin-1")
    scheme, _, token = token.partition(b" ")
    if scheme.lower() != b"bearer" or not (token := token.strip()):
        return None
    client = scope.get("client")
    return Question(
        token=token.decode("latin-1"), path=scope["path"], query=scope["query_string"].decode("latin-1"),
        accept=accept.decode("latin-1"), known_tags=known.decode("latin-1"), address=client[0] if client else "",
        traceparent=traceparent, quarter=int(_now()) // QUARTER_SECONDS, reads_packed=packed.is_read(encodings),
    )  # fmt: skip
