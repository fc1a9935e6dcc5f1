"""ETags of answers. An answer is known by all that it depends on, its snapshot first: what is asked again at the same
snapshot is answered with 304, and nothing is computed.

A tag is weak: the age in an answer goes on, its state does not change under a tag. `X-Plyo-Freshness` is told with
every answer, so who keeps a body knows how old it is now.
"""

import hashlib
import json
from collections.abc import Mapping
from functools import lru_cache

from fastapi import Request, Response

from operational_api.analytics.freshness import Freshness

FRESHNESS = "X-Plyo-Freshness"
KEPT = "private, no-cache"
"""Of numbers about nobody: the reader's own browser may keep them, and asks before it shows them."""


def of(*parts: object) -> str:
    """The tag of an answer that depends on these parts and on nothing else. Bytes are taken as they are."""
    told = hashlib.sha256()
    for part in parts:
        told.update(part if isinstance(part, bytes) else repr(part).encode())
        told.update(b"\0")
    return f'W/"{told.hexdigest()[:32]}"'


def is_known(request: Request, tag: str) -> bool:
    """Whether the reader has the answer already."""
    return names(request.headers.get("if-none-match", ""), tag)


def names(told: str, tag: str) -> bool:
    """Whether an `If-None-Match` names the tag."""
    if not told or told == tag:
        return bool(told)
    # A gateway that compresses may have made it strong or weak on the way.
    return any(one.strip().removeprefix("W/") == tag.removeprefix("W/") for one in told.split(","))


@lru_cache(maxsize=1024)
def text_of(freshness: Freshness) -> str:
    """The freshness as the header tells it."""
    return json.dumps(freshness.to_json())


@lru_cache(maxsize=1024)
def bytes_of(freshness: Freshness) -> bytes:
    """`text_of` as it goes over the wire."""
    return text_of(freshness).encode()


def headers(freshness: Freshness, tag: str | None, *, is_personal: bool) -> dict[str, str]:
    """What goes with an answer, and with the 304 that stands for it."""
    told = {FRESHNESS: text_of(freshness), "Vary": "Accept, Accept-Encoding, Authorization"}
    if tag is not None:
        told |= {"ETag": tag}
    return told if is_personal or tag is None else told | {"Cache-Control": KEPT}


def unchanged(told: Mapping[str, str]) -> Response:
    """The answer is the one that the reader has."""
    return Response(status_code=304, headers=dict(told))
