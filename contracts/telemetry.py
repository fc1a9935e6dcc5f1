"""Shape of a log line and of a trace, and their set-up for every process.

A trace crosses process borders as a W3C `traceparent`: in HTTP headers, in outbox rows and in message headers.
Does not belong here: what is logged (each module says that itself).
"""

import json
import logging
import random
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

import orjson
import structlog

_traceparent: ContextVar[str | None] = ContextVar("traceparent", default=None)
_TRACEPARENT = re.compile(r"^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$")
SECRET_FIELDS = frozenset(
    {"password", "token", "secret", "authorization", "cookie", "code", "code_verifier", "access_token", "id_token"}
)


def current_traceparent() -> str | None:
    """The W3C traceparent of the work under way, or None outside any trace."""
    return _traceparent.get()


def new_traceparent(parent: str | None = None) -> str:
    """A child of `parent` (same trace id, new span id), or a new trace where `parent` is absent or malformed."""
    trace_id = parent.split("-")[1] if parent and _TRACEPARENT.match(parent) else _random_hex(16)
    return f"00-{trace_id}-{_random_hex(8)}-01"


def _random_hex(octets: int) -> str:
    """Without asking the kernel: who does lets another thread have the interpreter, and these need not be secret."""
    return f"{random.getrandbits(8 * octets) or 1:0{2 * octets}x}"  # all zeros name nothing, by W3C


@contextmanager
def trace(parent: str | None = None) -> Iterator[str]:
    """Run a block inside a span: logs of the block carry its ids, and events it publishes carry it onwards."""
    value = new_traceparent(parent)
    token = _traceparent.set(value)
    try:
        yield value
    finally:
        _traceparent.reset(token)


def _completing(service: str) -> structlog.typing.Processor:
    """What every line says beside what happened: one step instead of five, as each request waits for its lines."""

    def complete(logger: Any, level: str, line: structlog.typing.EventDict) -> structlog.typing.EventDict:
        record = line.get("_record")
        line["service"], line["level"] = service, "error" if level == "exception" else level
        line["logger"] = logger.name if record is None else record.name
        line["at"] = f"{datetime.now(UTC).isoformat()[:-6]}Z"
        if value := _traceparent.get():
            _, line["trace_id"], line["span_id"], _ = value.split("-")
        if not SECRET_FIELDS.isdisjoint(line):
            line.update(dict.fromkeys(line.keys() & SECRET_FIELDS, "[hidden]"))
        return line

    return complete


def _written(line: structlog.typing.EventDict, **how: Any) -> bytes:
    try:
        return orjson.dumps(line, option=orjson.OPT_PASSTHROUGH_DATACLASS, **how)
    except TypeError:  # half of a character, or a number of more than 64 bits: to be told all the same
        return json.dumps(line, **how).encode()


def _as_text(line: structlog.typing.EventDict, **how: Any) -> str:
    return _written(line, **how).decode()


def configure(service: str, *, level: str = "INFO") -> None:
    """One JSON object a line on standard error, for our own logs and for libraries' alike.

    Our own are written as they are made: through the `logging` of libraries a line costs twice as much.

    Args:
        service: Name of the process, on every line as `service`.
        level: Lowest level that is written.
    """
    complete = _completing(service)
    structlog.configure(
        processors=[
            complete,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(serializer=_written),
        ],
        logger_factory=structlog.BytesLoggerFactory(sys.stderr.buffer),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[complete],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                structlog.processors.JSONRenderer(serializer=_as_text),
            ],
        )
    )
    logging.root.handlers[:] = [handler]
    logging.root.setLevel(level)


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """The logger of a module; call with an event name and keyword facts, never with a formatted sentence."""
    logger: structlog.stdlib.BoundLogger = structlog.get_logger(name)
    return logger
