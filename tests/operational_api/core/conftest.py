"""Routers of a test's own, served as the API serves its own."""

from collections.abc import Iterator
from contextlib import contextmanager

from fastapi import APIRouter, FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from operational_api.core import http
from operational_api.core.admission import Admission
from operational_api.core.database import session_factory


@contextmanager
def served(engine: Engine, *routers: APIRouter) -> Iterator[TestClient]:
    """A guest's client of an app with these routers, on a database that commits; the engine ends with it."""
    app = FastAPI()
    http.install(app)
    for router in routers:
        app.include_router(router)
    app.state.sessions = session_factory(engine)
    app.state.admission = Admission(8)
    app.state.authenticators = []
    with TestClient(app) as client:
        yield client
    engine.dispose()
