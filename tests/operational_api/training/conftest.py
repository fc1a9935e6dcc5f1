"""What most tests of training have: a client, her phone, and her coach's. A file may have a `mia` of its own."""

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from operational_api.identity.models import Account
from operational_api.training.models import Client
from tests.factories import account_of, make_client, make_coach
from tests.operational_api.conftest import SignIn


@pytest.fixture
def mia(session: Session) -> Client:
    return make_client(session, coach=make_coach(session), time_zone="UTC")


@pytest.fixture
def coach(session: Session, mia: Client, sign_in: SignIn) -> TestClient:
    return sign_in(session.get_one(Account, mia.coach_id))


@pytest.fixture
def phone(session: Session, mia: Client, sign_in: SignIn) -> TestClient:
    return sign_in(account_of(session, mia))
