"""The servers, started once, an empty calendar on them for each test, a coach and their client, and the worker."""

from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.orm import Session

from contracts.sealing import Sealer
from operational_api.core.database import session_factory
from operational_api.core.viewer import SYSTEM
from operational_api.scheduling.calendars.models import CalendarConnection
from operational_api.scheduling.models import Coach
from operational_api.scheduling.service import connections
from operational_api.scheduling.service.calendar_sync import CalendarWorker
from operational_api.training.models import Client
from tests.factories import make_client, make_coach, make_pack
from tests.fakes.google_calendar.store import Store as GoogleStore
from tests.fakes.graph.app import Store as GraphStore
from tests.operational_api.scheduling.calendars import worlds
from tests.operational_api.scheduling.calendars.steps import HOUR, KEY, NOW, Connect, Link, settings_of
from tests.operational_api.scheduling.calendars.worlds import (
    CaldavWorld,
    FeedWorld,
    GoogleWorld,
    GraphWorld,
    PublishedWorld,
    World,
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


@pytest.fixture
def coach(session: Session) -> Coach:
    return make_coach(session, display_name="Ana")


@pytest.fixture
def mia(session: Session, coach: Coach) -> Client:
    client = make_client(session, coach=coach)
    make_pack(session, customer_id=client.id)
    return client


@pytest.fixture
def worker(session: Session, google: GoogleWorld, graph: GraphWorld) -> CalendarWorker:
    sessions = session_factory(session.connection(), viewer=lambda: SYSTEM, join_transaction_mode="create_savepoint")
    return CalendarWorker(sessions, settings_of(google, graph))


@pytest.fixture
def connect(session: Session, google: GoogleWorld) -> Connect:
    """Connects somebody's Google calendar, or what is given."""

    def make(account_id: UUID, provider: str = "google", **given: Any) -> CalendarConnection:
        told = google.grants.issue()
        secret = {"access_token": str(told["access_token"]), "refresh_token": str(told["refresh_token"])}
        values = {"calendar_id": google.calendar_id, "label": "Work", "secret": secret, "expires_at": NOW + HOUR}
        return connections.connect(
            session, account_id=account_id, provider=provider, sealer=Sealer([KEY]), now=NOW, **values | given
        )

    return make


@pytest.fixture
def link(connect: Connect) -> Link:
    """Connects a calendar of any kind that we write to."""

    def make(account_id: UUID, world: World) -> CalendarConnection:
        if isinstance(world, CaldavWorld):
            secret = {"url": world.url, "username": "ana", "password": "s3cret"}
            return connect(account_id, "caldav", calendar_id=world.calendar_id, secret=secret, expires_at=None)
        assert isinstance(world, GoogleWorld | GraphWorld)
        told = world.grants.issue()
        secret = {"access_token": str(told["access_token"]), "refresh_token": str(told["refresh_token"])}
        provider = "google" if isinstance(world, GoogleWorld) else "microsoft"
        return connect(account_id, provider, calendar_id=world.calendar_id, secret=secret)

    return make


@pytest.fixture
def world(request: pytest.FixtureRequest) -> World:
    """The calendar named by the test's parameter."""
    found: World = request.getfixturevalue(request.param)
    return found
