"""HTTP to the facade. A refusal of the whole query is problem+json; a field's is in the answer's `errors`."""

from datetime import UTC, datetime
from typing import Any

from fastapi import Request
from pydantic import BaseModel, Field

from operational_api.core.database import DbSession
from operational_api.core.policy import Allowed
from operational_api.core.principal import MaybePrincipal
from operational_api.core.routing import ContextRouter
from operational_api.gateway.graphql import execution, persisted
from operational_api.gateway.graphql.loaders import Context

router = ContextRouter(prefix="/api/graphql", tags=["graphql"])  # a mutation has its key among its arguments


class QueryAsked(BaseModel):
    """A query by its hash, or in full for who may ask anything."""

    query: str | None = Field(None, max_length=20_000)
    sha256: str | None = Field(None, pattern="^[0-9a-fA-F]{64}$")
    variables: dict[str, Any] = {}
    operation_name: str | None = Field(None, alias="operationName", max_length=100)


class FieldError(BaseModel):
    """What could not be told; `extensions.code` is the stable code that problem documents have too."""

    message: str
    path: list[str | int] | None
    extensions: dict[str, Any]


class Answer(BaseModel):
    """A GraphQL response."""

    data: dict[str, Any] | None
    errors: list[FieldError] | None = None


@router.post("", response_model_exclude_unset=True, dependencies=[Allowed("gateway.ask_graph")])
def ask(request: Request, body: QueryAsked, principal: MaybePrincipal, session: DbSession) -> Answer:
    """Ask one query or send mutations. Customers and guests send those of Plyo's screens; staff may send others."""
    settings = request.app.state.settings
    text = execution.text_to_run(
        query=body.query, sha256=body.sha256, principal=principal, is_ad_hoc_open=settings.graphql_ad_hoc
    )
    execution.checked(text, body.variables, may_introspect=settings.graphql_introspection)
    context = Context(request, session, principal, now=datetime.now(UTC))
    found = execution.run(text, variables=body.variables, operation_name=body.operation_name, context=context)
    return Answer.model_validate(found)


class ListedQuery(BaseModel):
    """A query that everybody may ask."""

    name: str
    sha256: str
    query: str


@router.get("/queries", dependencies=[Allowed("platform.read_public")])
def list_queries() -> list[ListedQuery]:
    """The queries of Plyo's own screens."""
    rows = sorted((name, sha256, text) for sha256, (name, text) in persisted.listed().items())
    return [ListedQuery(name=name, sha256=sha256, query=text) for name, sha256, text in rows]
