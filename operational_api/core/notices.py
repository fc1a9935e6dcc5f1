"""JSON that others send us to keep: read so that whatever passes can be signed over, stored and written out again."""

import json
import re
from typing import Any, NoReturn

_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_ESCAPE = b"\\u"


def read(body: bytes) -> Any:
    """What a body says.

    Raises:
        ValueError: no JSON in UTF-8, nested deeper than can be read, or with what PostgreSQL's jsonb cannot hold: NUL,
            half of a character, a number that is none.
    """
    try:
        told = json.loads(body.decode(), parse_constant=_no_number)
        if _ESCAPE in body and _NUL.search(json.dumps(told, ensure_ascii=False).encode()):
            raise ValueError("a text with NUL")
    except RecursionError as error:
        raise ValueError("nested too deep") from error
    return told


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")
