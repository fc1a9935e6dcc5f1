"""What a person reads when a screen came without some of its parts."""

from collections.abc import Mapping
from typing import Any


def note(screen: Mapping[str, Any], words: Mapping[str, str]) -> str | None:
    """One plain sentence about the parts that are missing, or None where nothing is.

    Args:
        screen: A first screen as the server told it.
        words: What people call a part; others are told by their own name.
    """
    missing = screen.get("missing") or {}
    if not missing:
        return None
    names = [words.get(name, name.replace("_", " ")) for name in missing]
    named = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
    return f"Some of this page is not available right now: {named}. Nothing is lost; it comes back by itself."
