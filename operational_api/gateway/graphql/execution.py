"""One GraphQL request: is its text allowed, valid and small enough, then run it, then tell errors by their codes."""

import asyncio
from typing import Any

from graphql import DocumentNode, GraphQLError, OperationDefinitionNode, OperationType, parse, validate
from graphql.language import FieldNode
from graphql.language.visitor import Visitor, visit
from sqlalchemy.exc import DataError

from contracts.telemetry import current_traceparent, get_logger
from operational_api.core.errors import DomainError
from operational_api.core.policy import may_principal
from operational_api.core.principal import Principal
from operational_api.gateway.errors import QueryInvalid, QueryNotListed
from operational_api.gateway.graphql import limits, persisted
from operational_api.gateway.graphql.loaders import Context
from operational_api.gateway.graphql.schema import SCHEMA

log = get_logger(__name__)


def text_to_run(*, query: str | None, sha256: str | None, principal: Principal | None, is_ad_hoc_open: bool) -> str:
    """The text of the query that is asked for.

    Raises:
        QueryUnknown: no query of ours has this hash.
        QueryNotListed: an ad-hoc query of somebody who is not staff, where the setting does not open them to all.
        QueryInvalid: neither is given, or both and they differ.
    """
    if sha256 is not None:
        text = persisted.text_of(sha256)
        if query is not None and query != text:
            raise QueryInvalid("The query is not the one of its hash.")
        return text
    if query is None:
        raise QueryInvalid("Send `query`, or `sha256` of one that Plyo knows.")
    may_ask = is_ad_hoc_open or may_principal(principal, "gateway.ask_anything")
    if not may_ask and persisted.hash_of(query) not in persisted.listed():
        raise QueryNotListed
    return query


def checked(text: str, variables: dict[str, Any], *, may_introspect: bool) -> DocumentNode:
    """The parsed query, once it is known to be valid and small enough.

    Raises:
        QueryInvalid, QueryTooDeep, QueryTooCostly.
    """
    try:
        document = parse(text, max_tokens=limits.MOST_TOKENS)
    except GraphQLError as error:
        raise QueryInvalid(error.message) from error
    except RecursionError as error:
        raise QueryInvalid("This query is nested too deeply.") from error
    if problems := validate(SCHEMA._schema, document, max_errors=5):
        # A guess at what was meant tells the schema to whoever may not read it.
        told = [one.message if may_introspect else one.message.partition(" Did you mean")[0] for one in problems]
        raise QueryInvalid("; ".join(told))
    operations = [one for one in document.definitions if isinstance(one, OperationDefinitionNode)]
    if any(one.operation is OperationType.SUBSCRIPTION for one in operations):
        raise QueryInvalid("Only queries and mutations are answered here.")
    if not may_introspect:
        visit(document, _NoIntrospection())
    limits.check(document, variables)
    return document


class _NoIntrospection(Visitor):
    def enter_field(self, node: FieldNode, *_: Any) -> None:
        if node.name.value in ("__schema", "__type"):
            raise QueryInvalid("The schema is not told here.")


def run(text: str, *, variables: dict[str, Any], operation_name: str | None, context: Context) -> dict[str, Any]:
    """The answer: `data`, and `errors` where a field could not be told; a field's error leaves the others."""
    result = asyncio.run(
        SCHEMA.execute(text, variable_values=variables, operation_name=operation_name, context_value=context)
    )
    answer: dict[str, Any] = {"data": result.data}
    if result.errors:
        answer["errors"] = [_told(error) for error in result.errors]
    return answer


def _told(error: GraphQLError) -> dict[str, Any]:
    cause = error.original_error
    told: dict[str, Any] = {"path": error.path}
    if isinstance(cause, DomainError):
        told |= {"message": cause.detail, "extensions": {"code": cause.code(), "status": cause.status} | cause.extra}
    elif (
        cause is None
    ):  # a variable of the wrong kind, an operation that is not there: ours to tell, the asker's to mend
        told |= {"message": error.message, "extensions": {"code": QueryInvalid.code(), "status": QueryInvalid.status}}
    elif isinstance(cause, DataError):  # a NUL in a text: well-formed, and no value that PostgreSQL can compare
        told |= {
            "message": "One of the values cannot be compared.",
            "extensions": {"code": QueryInvalid.code(), "status": QueryInvalid.status},
        }
    else:
        log.error("graphql_field_crashed", path=error.path, exc_info=cause)
        traceparent = current_traceparent()
        told |= {
            "message": "Something broke on our side. It has been logged with this id.",
            "extensions": {
                "code": "core.unexpected", "status": 500, "trace_id": traceparent.split("-")[1] if traceparent else None
            },
        }  # fmt: skip
    return told
