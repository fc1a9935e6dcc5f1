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
    told = _parsed(body)
    if _ESCAPE in body and not _can_be_kept(told):
        raise ValueError("a text with NUL or half of a character")
    return told


def read_batch(body: bytes) -> tuple[list[dict[str, Any]], int]:
    """The objects of a list that can be kept, and how many cannot: one of them holds up no other.

    Raises:
        ValueError: no JSON in UTF-8, nested deeper than can be read, or no list of objects.
    """
    told = _parsed(body)
    if not isinstance(told, list) or not all(isinstance(one, dict) for one in told):
        raise ValueError("no list of objects")
    kept = [one for one in told if _can_be_kept(one)] if _ESCAPE in body else told
    return kept, len(told) - len(kept)


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body.decode(), parse_constant=_no_number)
    except RecursionError as error:
        raise ValueError("nested too deep") from error


def _can_be_kept(told: Any) -> bool:
    try:
        return not _NUL.search(json.dumps(told, ensure_ascii=False).encode())
    except UnicodeEncodeError:
        return False
    except RecursionError as error:
        raise ValueError("nested too deep") from error


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")
