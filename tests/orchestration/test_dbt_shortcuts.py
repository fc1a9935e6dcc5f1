"""What dbt says by a way round it is what dbt says by itself, and what it need not say is not worked out."""

from collections.abc import Iterator
from io import StringIO
from types import SimpleNamespace
from typing import Any

import pytest
from dbt.clients.jinja import get_rendered
from dbt.context.macros import MacroNamespace, MacroNamespaceBuilder
from dbt.graph.selector_methods import QualifiedNameSelectorMethod
from dbt.task.test import TestResultData, TestRunner
from dbt_common.clients import agate_helper
from dbt_common.clients.jinja import MacroFuzzEnvironment, get_environment
from dbt_common.events.base_types import BaseEvent, EventLevel
from dbt_common.events.event_manager_client import ctx_set_event_manager, get_event_manager
from dbt_common.events.functions import fire_event
from dbt_common.events.logger import LoggerConfig
from dbt_common.events.types import Note

from orchestration import dbt_shortcuts

PACKAGES = {
    "dbt": ["now", "run", "of_dbt"],
    "dbt_duckdb": ["now", "run", "of_duckdb"],
    "plyo": ["now", "of_us", "of_both"],
    "elsewhere": ["of_both", "of_them"],
}


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What the shortcuts replace is dbt's own again after the test."""
    replaced: list[tuple[Any, list[str]]] = [
        (BaseEvent, ["__init__", "__getattr__", "__setattr__"]), (MacroFuzzEnvironment, ["compile"]),
        (MacroNamespace, ["__getitem__"]), (MacroNamespaceBuilder, ["build_namespace"]),
        (QualifiedNameSelectorMethod, ["search"]), (agate_helper, ["build_type_tester"]),
        (TestRunner, ["execute_data_test"]),
    ]  # fmt: skip
    for owner, names in replaced:
        for name in names:
            monkeypatch.setattr(owner, name, getattr(owner, name))
    yield
    if "given" in vars(BaseEvent):
        del BaseEvent.given


class TestSay:
    @pytest.fixture
    def worded(self) -> Iterator[list[str]]:
        """Lines that dbt has worded, by a manager of events that stands only here."""
        before, worded = get_event_manager(), []
        dbt_shortcuts._say_only_what_is_heard()
        get_event_manager().add_callback(lambda message: worded.append(message.info.msg))
        yield worded
        ctx_set_event_manager(before)

    def test_words_what_a_logger_writes_and_no_line_of_debugging_that_none_does(self, worded):
        get_event_manager().add_logger(LoggerConfig("of_people", level=EventLevel.INFO, output_stream=StringIO()))
        fire_event(Note(msg="of a query"), level=EventLevel.DEBUG)
        fire_event(Note(msg="of a model"))
        assert worded == ["of a model"]

    def test_words_lines_of_debugging_where_a_logger_writes_them(self, worded):
        said = StringIO()
        get_event_manager().add_logger(LoggerConfig("of_developers", level=EventLevel.DEBUG, output_stream=said))
        fire_event(Note(msg="of a query"), level=EventLevel.DEBUG)
        assert worded == ["of a query"]
        assert "of a query" in said.getvalue()

    def test_puts_a_message_together_only_for_who_reads_it(self, worded, kept):
        own = Note(msg="of a model").to_dict()
        dbt_shortcuts._word_events_when_read()
        unheard, heard = Note(msg="of a query"), Note(msg="of a model")
        fire_event(unheard, level=EventLevel.DEBUG)
        fire_event(heard)
        assert worded == ["of a model"]
        assert heard.to_dict() == own
        assert [vars(event).keys() & {"pb_msg"} for event in (unheard, heard)] == [set(), {"pb_msg"}]
        unheard.msg = "of another"
        assert (unheard.msg, unheard.message()) == ("of another", "of another")


@pytest.mark.usefixtures("kept")
class TestTexts:
    def test_are_compiled_once_and_rendered_with_what_each_is_given(self):
        text = "{% macro of_one(x) %}{{ x + 1 }}{% endmacro %}{{ given }}{{ of_one(given) }}"
        own = [get_rendered("{{ given }}", {"given": given}) for given in (1, 2)]
        dbt_shortcuts._compile_each_text_once()
        environments = [get_environment(), get_environment(), get_environment(native=True)]
        first, second, native = (environment.compile(text) for environment in environments)
        assert first is second
        assert native is not first
        assert [get_rendered("{{ given }}", {"given": given}) for given in (1, 2)] == own
        assert [get_rendered("{{ given }}", {"given": given}, native=True) for given in (1, "a")] == [1, "a"]

    def test_of_a_project_are_compiled_before_a_build_asks(self, monkeypatch):
        compiled: list[str] = []
        own = MacroFuzzEnvironment.compile
        monkeypatch.setattr(
            MacroFuzzEnvironment, "compile", lambda self, source: (compiled.append(source), own(self, source))[1]
        )
        dbt_shortcuts._compile_each_text_once()
        values = {"values": ["of_shortcuts_1", {"deep": "of_shortcuts_2"}], "model": "{{ its_rows(ref('a')) }}"}
        test = SimpleNamespace(raw_code="{{ test(1) }}", test_metadata=SimpleNamespace(kwargs=values))
        dbt_shortcuts.compile_texts([SimpleNamespace(raw_code="select 1"), test])
        assert compiled == ["select 1", "{{ test(1) }}", "of_shortcuts_1", "of_shortcuts_2"]
        for text, native in (("{{ test(1) }}", False), ("of_shortcuts_1", True), ("of_shortcuts_2", True)):
            get_rendered(text, {"test": str}, native=native)
        assert len(compiled) == 4


@pytest.mark.usefixtures("kept")
class TestMacros:
    def test_are_those_that_dbt_names_for_each_package(self):
        macros = {
            package: {name: SimpleNamespace(name=name, package_name=package) for name in names}
            for package, names in PACKAGES.items()
        }

        def named(searched: str) -> tuple[dict[str, Any], list[Any]]:
            builder = MacroNamespaceBuilder("plyo", searched, None, ["dbt_duckdb", "dbt"], None)
            found = builder.build_namespace(macros, {})
            told = {
                name: {inner: own.macro.package_name for inner, own in macro.items()}
                if isinstance(macro, dict) else macro.macro.package_name
                for name, macro in dict(found).items()
            }  # fmt: skip
            asked = [(None, "now"), ("dbt", "now"), ("plyo", "of_us"), ("elsewhere", "of_them"), (None, "nobody's")]
            return told, [macro and macro.macro for macro in (found.get_from_package(*one) for one in asked)]

        own = {package: named(package) for package in PACKAGES}
        dbt_shortcuts._name_macros_quickly()
        assert {package: named(package) for package in PACKAGES} == own
        assert own["plyo"][0]["now"] == "plyo"
        assert own["elsewhere"][0]["of_both"] == "elsewhere"


@pytest.mark.usefixtures("kept")
class TestNames:
    def test_are_looked_for_once_among_the_same_nodes_of_a_project(self, monkeypatch):
        asked: list[str] = []

        def search(self: Any, included: set[str], selector: str) -> Iterator[str]:
            asked.append(selector)
            yield from (f"{self.manifest}.{name}" for name in sorted(included) if name.startswith(selector))

        monkeypatch.setattr(QualifiedNameSelectorMethod, "search", search)
        dbt_shortcuts._find_each_name_once()
        one, other = (QualifiedNameSelectorMethod(manifest, None, []) for manifest in ("one", "other"))
        for _ in range(3):
            assert list(one.search({"a1", "b1"}, "a")) == ["one.a1"]
        assert asked == ["a"]
        assert list(one.search({"a1", "a2"}, "a")) == ["one.a1", "one.a2"]
        assert list(other.search({"a1", "a2"}, "a")) == ["other.a1", "other.a2"]
        assert list(one.search({"a1", "a2"}, "b")) == []


@pytest.mark.usefixtures("kept")
class TestColumns:
    def test_have_the_types_that_dbt_tells(self):
        rows = [{"day": "2026-03-01", "key": "005", "sum": 3}, {"day": "2026-03-02", "key": "null", "sum": None}]

        def told() -> list[tuple[str, str]]:
            table = agate_helper.table_from_data_flat(rows, ["day", "key", "sum"])
            return [*zip(table.column_names, (repr(value) for row in table.rows for value in row), strict=False)]

        own = told()
        dbt_shortcuts._make_types_of_columns_once()
        assert told() == told() == own
        assert agate_helper.build_type_tester({"a"}) is agate_helper.build_type_tester(["a"])
        assert agate_helper.build_type_tester({"a"}, ()) is not agate_helper.build_type_tester({"a"})


@pytest.mark.usefixtures("kept")
class TestDataTests:
    LOOKS_AT_NOTHING = "select id from (select cast(null as varchar) as id where false) as no_rows where id is null"

    @pytest.mark.parametrize(
        ("asked", "other"),
        [
            (False, {}), (True, {"fail_calc": "max(n)"}), (True, {"warn_if": ">= 0"}), (True, {"error_if": "= 0"}),
            (True, {"store_failures": True}), (True, {"compiled_code": "select id from a_mart where id is null"}),
        ],
    )  # fmt: skip
    def test_that_look_at_no_row_are_not_asked_what_they_find(self, monkeypatch, asked, other):
        found = TestResultData(failures=1, should_warn=True, should_error=True, adapter_response={})
        monkeypatch.setattr(TestRunner, "execute_data_test", lambda *_: found)
        dbt_shortcuts._pass_tests_of_no_rows()
        told = {"fail_calc": "count(*)", "warn_if": "!= 0", "error_if": "!= 0", "store_failures": None} | other
        code = told.pop("compiled_code", self.LOOKS_AT_NOTHING)
        test = SimpleNamespace(config=SimpleNamespace(**told), compiled_code=code)
        answer = TestRunner.execute_data_test(None, test, None)
        assert (answer is found) == asked
        assert asked or (answer.failures, answer.should_warn, answer.should_error) == (0, False, False)
