"""The servers, started once; each test has a calendar of its own, empty, on them."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.fakes.google_calendar.store import Store as GoogleStore
from tests.fakes.graph.app import Store as GraphStore
from tests.operational_api.scheduling.calendars import worlds
from tests.operational_api.scheduling.calendars.worlds import (
    CaldavWorld,
    FeedWorld,
    GoogleWorld,
    GraphWorld,
    PublishedWorld,
)


@pytest.fixture(scope="package")
def google_server() -> Iterator[GoogleWorld]:
    with worlds.local_google() as world:
        yield world


@pytest.fixture(scope="package")
def graph_server() -> Iterator[GraphWorld]:
    with worlds.local_graph() as world:
        yield world


@pytest.fixture(scope="package")
def radicale(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], CaldavWorld]]:
    with worlds.local_radicale(tmp_path_factory.mktemp("radicale")) as found:
        yield found


@pytest.fixture(scope="package")
def xandikos_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], CaldavWorld]]:
    with worlds.local_xandikos(tmp_path_factory.mktemp("xandikos")) as found:
        yield found


@pytest.fixture(scope="package")
def files() -> Iterator[tuple[str, dict[str, Any]]]:
    with worlds.local_files() as found:
        yield found


@pytest.fixture
def google(google_server: GoogleWorld) -> GoogleWorld:
    vars(google_server.store).update(vars(GoogleStore()))
    google_server.grants.forget()
    return google_server


@pytest.fixture
def graph(graph_server: GraphWorld) -> GraphWorld:
    vars(graph_server.store).update(vars(GraphStore()))
    return graph_server


@pytest.fixture
def caldav(radicale: Callable[[], CaldavWorld]) -> CaldavWorld:
    return radicale()


@pytest.fixture
def xandikos(xandikos_server: Callable[[], CaldavWorld]) -> CaldavWorld:
    return xandikos_server()


@pytest.fixture
def published() -> PublishedWorld:
    return PublishedWorld()


@pytest.fixture
def feed(files: tuple[str, dict[str, Any]]) -> FeedWorld:
    files[1].update(content=b"", headers={}, faults=[], asked=[])
    return FeedWorld(*files)
