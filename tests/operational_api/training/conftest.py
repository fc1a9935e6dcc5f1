"""What most tests of training have: the phone of the client whom a file calls `mia`."""

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from operational_api.training.models import Client
from tests.factories import account_of
from tests.operational_api.conftest import SignIn


@pytest.fixture
def phone(session: Session, mia: Client, sign_in: SignIn) -> TestClient:
    return sign_in(account_of(session, mia))
