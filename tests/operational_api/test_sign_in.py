"""The helpers themselves: a guest is refused, a signed-in person is known, rows of the test are seen by the app."""

from fastapi import Depends, FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from operational_api.core.database import DbSession
from operational_api.core.policy import Allowed
from operational_api.core.principal import CurrentAccount, principal
from operational_api.identity.models import Account
from tests.factories import make_account
from tests.operational_api.conftest import SignIn


class TestSignIn:
    def test_knows_who_asks(self, app: FastAPI, api: TestClient, session: Session, sign_in: SignIn) -> None:
        coach = make_account(session, role="coach")

        @app.get("/api/test/me", dependencies=[Depends(principal), Allowed("gateway.open_coach_console")])
        def me(coach_id: CurrentAccount, session: DbSession) -> dict[str, str]:
            return {"name": session.scalars(select(Account.display_name).where(Account.id == coach_id)).one()}

        assert api.get("/api/test/me").status_code == 401
        assert sign_in(coach).get("/api/test/me").json() == {"name": "Coach"}
        assert sign_in(make_account(session)).get("/api/test/me").status_code == 403
