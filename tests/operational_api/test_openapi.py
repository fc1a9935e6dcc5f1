"""The API keeps what its description promises, whatever is sent: no crash, no undescribed answer, for every role.

Requests are generated from the description by Schemathesis; the database and the rules are real. `make fuzz` sends many
more than every run of the tests, and probes the borders of each parameter too.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import schemathesis
from joserfc.jwk import RSAKey
from pydantic import SecretStr
from schemathesis.checks import not_a_server_error
from schemathesis.core.transport import Response
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from contracts.ids import new_id
from operational_api.settings import ApiSettings
from tests.operational_api.conftest import ISSUER, app_with
from tests.operational_api.fuzzing import FEW_OR_MANY, Everybody, asked, everybody

__all__ = ["asked", "everybody"]
PROMISES = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


def _description() -> dict[str, object]:
    """What the app says of itself; made without a database, because pytest collects a test for each operation."""
    with TemporaryDirectory() as folder:
        key = Path(folder) / "signing.pem"
        key.write_bytes(RSAKey.generate_key(2048).as_pem(private=True))
        app = app_with(
            ApiSettings(
                public_url=ISSUER,
                database_url=SecretStr("postgresql+psycopg://nobody@localhost/nowhere"),
                signing_key_file=key,
                session_secret=SecretStr("test-session-secret-of-32-characters!"),
            )
        )
    return app.openapi()


schema = schemathesis.openapi.from_dict(_description())


@schema.parametrize()
@FEW_OR_MANY
def test_keeps_its_promises(case: schemathesis.Case, asked: Everybody) -> None:
    request = case.as_transport_kwargs(base_url=ISSUER)
    request.pop("cookies", None)
    for role in asked.headers:
        headers = dict(request["headers"]) | {"Idempotency-Key": str(new_id())}
        response = asked.ask(role, **request | {"headers": headers})
        case.validate_response(Response.from_httpx(response, verify=True), checks=PROMISES)
