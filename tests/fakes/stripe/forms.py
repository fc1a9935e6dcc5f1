"""Stripe's form encoding: `a[b][0][c]=1` to nested values and back to typed ones."""

import re
from itertools import pairwise
from typing import Any
from urllib.parse import parse_qsl

from tests.fakes.stripe.errors import invalid

_PART = re.compile(r"\[([^\]]*)\]")
_TRUE_FALSE = {"true": True, "false": False, "1": True, "0": False}


def decode(encoded: str) -> dict[str, Any]:
    """Nested dictionaries and lists of strings from a query string or a form body.

    `a[]=x` appends; `a[0]=x` becomes a list when all keys of `a` are numbers; an empty string means "unset".
    """
    root: dict[str, Any] = {}
    for name, value in parse_qsl(encoded, keep_blank_values=True, strict_parsing=False):
        head, _, rest = name.partition("[")
        keys = [head, *_PART.findall("[" + rest if rest else "")]
        node = root
        for key, following in pairwise(keys):
            if not isinstance(node.setdefault(key, {}), dict):
                raise invalid(f"Invalid {head}: it is both a value and an object.", param=head)
            node = node[key]
            if following == "":
                keys[-1] = str(len(node))
        node[keys[-1]] = value
    return {key: _listed(value) for key, value in root.items()}


def _listed(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if value and all(key.isdigit() for key in value):
        return [_listed(value[key]) for key in sorted(value, key=int)]
    return {key: _listed(child) for key, child in value.items()}


def boolean(params: dict[str, Any], name: str, default: bool = False) -> bool:
    """A parameter as bool; anything but true and false is refused."""
    value = params.get(name, "")
    if value == "":
        return default
    if value not in _TRUE_FALSE:
        raise invalid(f"Invalid boolean: {value}", param=name)
    return _TRUE_FALSE[value]


def integer(
    params: dict[str, Any], name: str, default: int | None = None, *, at_least: int | None = None
) -> int | None:
    """A parameter as int, or `default` when it is absent."""
    value = params.get(name, "")
    if value == "":
        return default
    try:
        number = int(value)
    except (TypeError, ValueError):
        raise invalid(f"Invalid integer: {value}", param=name, code="parameter_invalid_integer") from None
    if at_least is not None and number < at_least:
        raise invalid(f"Invalid {name}: must be greater than or equal to {at_least}", param=name)
    return number


def metadata(old: dict[str, str], params: dict[str, Any]) -> dict[str, str]:
    """`old` with the request's `metadata` merged in; an empty value deletes its key, an empty string deletes all."""
    given = params.get("metadata")
    if given is None:
        return old
    if given == "":
        return {}
    if not isinstance(given, dict):
        raise invalid("Invalid object", param="metadata")
    return {key: value for key, value in (old | given).items() if value != ""}
