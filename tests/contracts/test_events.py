"""Events as others know them: each version's shape is kept, and what was stored in an old one is read as today's."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from pydantic import create_model

from contracts.events import registry, schemas
from contracts.events.commerce import PlanUpdated
from contracts.events.envelope import Event
from contracts.ids import new_id

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
EXAMPLES: dict[str, Any] = {
    "uuid": "01890000-0000-7000-8000-000000000001", "date-time": "2026-03-02T12:00:00Z", "date": "2026-03-02",
    "string": "word", "integer": 7, "number": 0.5, "boolean": True, "array": [], "object": {},
}  # fmt: skip


def example(schema: dict[str, Any]) -> dict[str, Any]:
    """The least that a version may have been stored with."""
    return {name: EXAMPLES[_kind(schema["properties"][name])] for name in schema["required"]}


def _kind(said: dict[str, Any]) -> str:
    one = next((each for each in said.get("anyOf", ()) if each["type"] != "null"), said)
    return str(one.get("format") or one["type"])


def test_every_version_is_kept_as_the_classes_have_it() -> None:
    assert schemas.grown(schemas.kept()) == schemas.kept(), "run python -m contracts.events.schemas"


@pytest.mark.parametrize(
    ("type_", "version"), [(type_, version) for type_, known in schemas.kept().items() for version in known]
)
def test_every_version_there_ever_was_is_read_as_todays(type_: str, version: str) -> None:
    stored = example(schemas.kept()[type_][version])
    event = registry.parse(
        event_type=type_, version=int(version), event_id=new_id(), occurred_at=NOON, payload=dict(stored)
    )
    assert event.facts().keys() == registry.EVENTS[type_].model_fields.keys() - Event.model_fields.keys()
    assert {name: event.facts()[name] for name in stored} == stored


def test_a_price_of_before_there_was_a_moment_held_when_it_was_told() -> None:
    facts = {"plan_id": str(new_id()), "code": "core", "amount_minor": 4900, "currency": "EUR"}
    event = registry.parse(
        event_type=PlanUpdated.type, version=1, event_id=new_id(), occurred_at=NOON, payload=dict(facts)
    )
    assert isinstance(event, PlanUpdated)
    assert event.valid_from == NOON
    assert event.version == 2


def test_a_version_without_an_upcast_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(registry.UPCASTS, (PlanUpdated.type, 1))
    with pytest.raises(registry.UnknownEvent, match="version 1 has no upcast"):
        registry.parse(event_type=PlanUpdated.type, version=1, event_id=new_id(), occurred_at=NOON, payload={})


class TestKept:
    """One version of an event, changed in the class alone."""

    @pytest.fixture(autouse=True)
    def alone(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.events: dict[str, type[Event]] = {}
        monkeypatch.setattr(schemas, "EVENTS", self.events)

    def change(self, **fields: Any) -> type[Event]:
        event = create_model("Changed", __base__=Event, plan_id=(UUID, ...), **fields)
        event.type, event.aggregate = "test.changed", "plan_id"
        self.events["test.changed"] = event
        return event

    def test_may_gain_a_field_that_may_be_absent(self) -> None:
        self.change(amount=(int, ...))
        known = schemas.grown({})
        self.change(amount=(int, ...), note=(str | None, None))
        assert schemas.grown(known)["test.changed"]["1"]["properties"].keys() == {"plan_id", "amount", "note"}

    @pytest.mark.parametrize(
        "fields", [{}, {"amount": (str, ...)}, {"amount": (int, 0)}, {"amount": (int, ...), "more": (int, ...)}]
    )
    def test_loses_retypes_and_demands_nothing(self, fields: dict[str, Any]) -> None:
        self.change(amount=(int, ...))
        known = schemas.grown({})
        self.change(**fields)
        with pytest.raises(schemas.MeaningChanged, match=r"test\.changed version 1"):
            schemas.grown(known)

    def test_means_something_else_in_a_new_version_only(self) -> None:
        self.change(amount=(int, ...))
        known = schemas.grown({})
        self.change(amount=(str, ...)).version = 2
        assert schemas.grown(known)["test.changed"].keys() == {"1", "2"}
