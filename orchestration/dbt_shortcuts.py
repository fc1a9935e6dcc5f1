"""What dbt works out again for each node of a build and need not: ways round it that say the same.

Each is one function of dbt's that is given another body or remembers what it said. dbt's version is pinned, and
`tests/orchestration/test_dbt_shortcuts.py` holds each against dbt's own. What a build looks at, and processes, do not
belong here.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from typing import Any


def take() -> None:
    """Take all of them in this process. Taken again, nothing changes."""
    _say_only_what_is_heard()
    _draw_no_summary()
    if _is_taken():
        return
    _word_events_when_read()
    _compile_each_text_once()
    _name_macros_quickly()
    _find_each_name_once()
    _make_types_of_columns_once()
    _pass_tests_of_no_rows()


def compile_texts(nodes: Iterable[Any]) -> None:
    """Compile what builds will render: the text of each node, and the arguments of each data test.

    Args:
        nodes: dbt's, of the project as it is read.
    """
    from dbt.clients.jinja import get_rendered
    from dbt_common.clients.jinja import get_template

    for node in nodes:
        get_template(node.raw_code, {})
        for word in _words(getattr(getattr(node, "test_metadata", None), "kwargs", {})):
            if "{" not in word and "}" not in word:  # dbt keeps what these come to itself
                get_rendered(word, {}, native=True)


def _words(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _words(part)


def _is_taken() -> bool:
    from dbt_common.events.base_types import BaseEvent

    return hasattr(BaseEvent, "given")


def _say_only_what_is_heard() -> None:
    """Leave out dbt's lines of debugging where no logger writes them: dbt would word thousands, and throw them away."""
    from dbt_common.events.base_types import EventLevel
    from dbt_common.events.event_manager import EventManager
    from dbt_common.events.event_manager_client import ctx_set_event_manager

    debugging = (EventLevel.DEBUG, EventLevel.TEST)

    class Heard(EventManager):
        def fire_event(self, e: Any, level: EventLevel | None = None, *given: Any, **named: Any) -> None:
            if (level or e.level_tag()) not in debugging or any(own.level in debugging for own in self.loggers):
                super().fire_event(e, level, *given, **named)

    ctx_set_event_manager(Heard())


def _draw_no_summary() -> None:
    """Leave out the picture of the graph that dbt draws of each run, twice, for those who look for faults in dbt."""
    from dbt.compilation import Linker

    Linker.get_graph_summary = lambda *_: {}  # type: ignore[method-assign]


def _word_events_when_read() -> None:
    """An event's message is put together when somebody reads it. Of those that nobody hears, nobody does."""
    from dbt_common.events.base_types import BaseEvent

    word = BaseEvent.__init__

    def keep(self: Any, *positional: Any, **named: Any) -> None:
        object.__setattr__(self, "given", (positional, named))

    def read(self: Any, key: str) -> Any:
        if "pb_msg" not in self.__dict__:
            positional, named = self.given
            word(self, *positional, **named)
        message = self.__dict__["pb_msg"]
        return message if key == "pb_msg" else getattr(message, key)

    def write(self: Any, key: str, value: Any) -> None:
        if key == "pb_msg":
            object.__setattr__(self, key, value)
        else:
            setattr(self.pb_msg, key, value)

    BaseEvent.given = None  # type: ignore[attr-defined]
    BaseEvent.__init__ = keep  # type: ignore[method-assign]
    BaseEvent.__getattr__ = read  # type: ignore[method-assign]
    BaseEvent.__setattr__ = write  # type: ignore[method-assign]


def _compile_each_text_once() -> None:
    """Jinja's code of a text is kept; what it is rendered with is another each time."""
    from dbt_common.clients.jinja import MacroFuzzEnvironment

    compiled: dict[tuple[type, str], Any] = {}
    own = MacroFuzzEnvironment.compile

    def known(self: Any, source: Any, *given: Any, **named: Any) -> Any:
        if given or named or not isinstance(source, str):
            return own(self, source, *given, **named)
        key = (type(self), source)
        if key not in compiled:
            compiled[key] = own(self, source)
        return compiled[key]

    MacroFuzzEnvironment.compile = known  # type: ignore[method-assign]


def _name_macros_quickly() -> None:
    """Each context of dbt's, two or three for a node, names all macros of all packages: the same names, sooner."""
    from dbt.clients.jinja import MacroGenerator
    from dbt.context.macros import MacroNamespace, MacroNamespaceBuilder
    from dbt.include.global_project import PROJECT_NAME

    def build(self: Any, macros_by_package: Mapping[str, Mapping[str, Any]], context: dict[str, Any]) -> MacroNamespace:
        node, stack, made = self.node, self.thread_ctx, {}
        for package, macros in macros_by_package.items():
            made[package] = {name: MacroGenerator(macro, context, node, stack) for name, macro in macros.items()}
        internal: dict[str, Any] = {}
        for package in reversed(self.internal_package_names_order):
            internal |= made.get(package, {})
        packages = {package: own for package, own in made.items() if package not in self.internal_package_names}
        of_node = packages.get(self.search_package, {})
        of_root = packages.get(self.root_package, {}) if self.root_package != self.search_package else {}
        return MacroNamespace(of_root, of_node, internal, packages)

    def find(self: Any, name: str) -> Any:
        if name in self.local_namespace:
            return self.local_namespace[name]
        if name in self.global_namespace:
            return self.global_namespace[name]
        if name in self.packages:
            return self.packages[name]
        return self.global_project_namespace if name == PROJECT_NAME else self.global_project_namespace[name]

    MacroNamespaceBuilder.build_namespace = build  # type: ignore[assignment, method-assign]
    MacroNamespace.__getitem__ = find  # type: ignore[method-assign]


def _find_each_name_once() -> None:
    """dbt works out the same selection three times, and compares each name in it with all nodes."""
    from dbt.graph.selector_methods import QualifiedNameSelectorMethod

    search: Callable[..., Iterable[str]] = QualifiedNameSelectorMethod.search
    found: dict[tuple[int, str], tuple[Any, frozenset[str], list[str]]] = {}

    def known(self: Any, included: Any, selector: str) -> list[str]:
        key = (id(self.manifest), selector)
        manifest, among, names = found.get(key, (None, frozenset(), []))
        if manifest is not self.manifest or among != frozenset(included):
            names = list(search(self, included, selector))
            found[key] = (self.manifest, frozenset(included), names)
        return names

    QualifiedNameSelectorMethod.search = known  # type: ignore[assignment, method-assign]


def _make_types_of_columns_once() -> None:
    """What tells the types of a result's columns is made for each result anew, with a parser of dates in words."""
    from dbt_common.clients import agate_helper

    own = agate_helper.build_type_tester
    known = cache(own)

    def made(text_columns: Iterable[str], string_null_values: Iterable[str] | None = ("null", "")) -> Any:
        return known(frozenset(text_columns), tuple(string_null_values or ()))

    agate_helper.build_type_tester = made


_OF_NO_ROWS = "where false) as no_rows"
"""How a data test reads that need not look at a row (`dbt_project/macros/lake_tests.sql`)."""


def _pass_tests_of_no_rows() -> None:
    """More than half of the data tests of a build after few changes look at no row. Nobody has to be asked what such a
    one finds, as long as it counts what it finds and any of it is a failure."""
    from dbt.task.test import TestResultData, TestRunner

    ask: Callable[[Any, Any, Any], TestResultData] = TestRunner.execute_data_test
    response = {"_message": "OK"}

    def answer(self: Any, data_test: Any, manifest: Any) -> TestResultData:
        told = data_test.config
        counts = (told.fail_calc, told.warn_if, told.error_if) == ("count(*)", "!= 0", "!= 0")
        if counts and not told.store_failures and _OF_NO_ROWS in (data_test.compiled_code or ""):
            return TestResultData(failures=0, should_warn=False, should_error=False, adapter_response=response)
        return ask(self, data_test, manifest)

    TestRunner.execute_data_test = answer  # type: ignore[method-assign]
