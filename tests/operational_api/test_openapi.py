"""The API keeps what its description promises, whatever is sent: no crash, no undescribed answer, for every role.

Requests are generated from the description by Schemathesis; the database and the rules are real. `make fuzz` sends many
more than every run of the tests, and probes the borders of each parameter too.
"""

import os
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import schemathesis
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, Phase, settings
from joserfc.jwk import RSAKey
from pydantic import SecretStr
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from contracts.ids import new_id
from operational_api.app import create_app
from operational_api.identity.models import Account
from operational_api.settings import ApiSettings
from tests.factories import make_account, make_booking, make_client, make_coach, make_slot, make_workout
from tests.operational_api.conftest import ISSUER, access_token, service_token

EXAMPLES = int(os.environ.get("PLYO_FUZZ_EXAMPLES", "3"))
PHASES = [Phase.generate] if EXAMPLES < 20 else [Phase.explicit, Phase.generate, Phase.shrink]
PROMISES = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


def _description() -> dict[str, object]:
    """What the app says of itself; made without a database, because pytest collects a test for each operation."""
    with TemporaryDirectory() as folder:
        key = Path(folder) / "signing.pem"
        key.write_bytes(RSAKey.generate_key(2048).as_pem(private=True))
        app = create_app(
            ApiSettings(
                public_url=ISSUER,
                database_url=SecretStr("postgresql+psycopg://nobody@localhost/nowhere"),
                signing_key_file=key,
                session_secret=SecretStr("test-session-secret-of-32-characters!"),
            )
        )
    return app.openapi()


schema = schemathesis.openapi.from_dict(_description())


@pytest.fixture
def authorizations(session, app) -> dict[str, dict[str, str]]:
    """Headers of each role, of people who have something: a client with a coach, a booking and a workout."""
    coach = make_coach(session)
    client = make_client(session, coach=coach)
    slot = make_slot(session, coach=coach)
    make_booking(session, slot=slot, customer_id=client.id)
    make_workout(session, client=client)
    accounts = {
        "customer": session.get(Account, client.id),
        "coach": session.get(Account, coach.id),
        "admin": make_account(session, role="admin"),
    }
    tokens = {role: access_token(app, account) for role, account in accounts.items()}
    tokens["activation"] = service_token(app, "plyo-activation")
    return {"guest": {}} | {role: {"Authorization": f"Bearer {token}"} for role, token in tokens.items()}


@schema.parametrize()
@settings(
    max_examples=EXAMPLES, phases=PHASES, deadline=None, derandomize=True, database=None,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
def test_keeps_its_promises(
    case: schemathesis.Case, api: TestClient, authorizations: dict[str, dict[str, str]]
) -> None:
    for headers in authorizations.values():
        request = case.as_transport_kwargs(base_url=ISSUER)
        request.pop("cookies", None)
        request["headers"] = dict(request["headers"]) | headers | {"Idempotency-Key": str(new_id())}
        response = api.request(**request)
        case.validate_response(response, checks=PROMISES)
