"""What every version of every event looks like, kept as JSON schemas beside the classes: `schemas.json`.

`python -m contracts.events.schemas` writes down what is new. A version that is kept may gain optional fields and change
in no other way: what else changes is a new version, with an upcast in the registry. Tests hold the classes to the file.
"""

import json
import sys
from pathlib import Path
from typing import Any

from contracts.events.envelope import Event
from contracts.events.registry import EVENTS

KEPT = Path(__file__).with_name("schemas.json")
Schemas = dict[str, dict[str, dict[str, Any]]]
"""JSON schemas of the facts by type of event and version."""


class MeaningChanged(Exception):
    """A version that was told to others would mean something else: raise `version` and add an upcast."""


def schema_of(event: type[Event]) -> dict[str, Any]:
    """What the facts of today's version are, without the envelope."""
    whole = event.model_json_schema(mode="serialization")
    properties = {
        name: {key: value for key, value in said.items() if key != "title"}
        for name, said in whole["properties"].items()
        if name not in Event.model_fields
    }
    required = sorted(name for name, field in event.model_fields.items() if name in properties and field.is_required())
    return {"type": "object", "properties": dict(sorted(properties.items())), "required": required}


def kept() -> Schemas:
    """Every version there ever was."""
    found: Schemas = json.loads(KEPT.read_text())
    return found


def grown(known: Schemas) -> Schemas:
    """What is known, with the versions and optional fields that the classes have and it has not.

    Raises:
        MeaningChanged: a class says something else of a version that is known.
    """
    found = {type_: dict(versions) for type_, versions in known.items()}
    for type_, event in sorted(EVENTS.items()):
        version, today = str(event.version), schema_of(event)
        before = found.setdefault(type_, {}).get(version)
        if before is not None:
            properties, was = today["properties"], before["properties"]
            if today["required"] != before["required"] or any(properties.get(one) != was[one] for one in was):
                raise MeaningChanged(f"{type_} version {version}")
        found[type_][version] = today
    return dict(sorted(found.items()))


def main() -> int:
    """Write the file anew, a version a line."""
    found = grown(kept() if KEPT.exists() else {})
    types = [
        f"  {json.dumps(type_)}: {{\n"
        + ",\n".join(f'    "{version}": {json.dumps(said, sort_keys=True)}' for version, said in versions.items())
        + "\n  }"
        for type_, versions in found.items()
    ]
    KEPT.write_text("{\n" + ",\n".join(types) + "\n}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
