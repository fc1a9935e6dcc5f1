"""The queries of our own screens, by the SHA-256 of their text: the files in `queries/`, and nothing else.

A query is changed by adding a file; the old one stays as long as a screen that is out there sends its hash.
"""

import hashlib
from functools import cache
from importlib.resources import files

from operational_api.gateway.errors import QueryUnknown


def hash_of(text: str) -> str:
    """What a client sends instead of the text."""
    return hashlib.sha256(text.encode()).hexdigest()


@cache
def listed() -> dict[str, tuple[str, str]]:
    """Name and text of each query by its hash."""
    folder = files(__package__).joinpath("queries")
    texts = {
        file.name.removesuffix(".graphql"): file.read_text()
        for file in folder.iterdir()
        if file.name.endswith(".graphql")
    }
    return {hash_of(text): (name, text) for name, text in texts.items()}


def text_of(sha256: str) -> str:
    """The text behind a hash.

    Raises:
        QueryUnknown.
    """
    try:
        return listed()[sha256.lower()][1]
    except KeyError:
        raise QueryUnknown from None
