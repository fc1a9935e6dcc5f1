"""How much one query may ask: measured on its text before anything runs.

Depth is how far fields are nested. Cost is one for each field, times how many rows its lists may have; a mutation has
a price of its own, for what it writes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    VariableNode,
)

from operational_api.gateway.errors import QueryTooCostly, QueryTooDeep

MOST_TOKENS = 1000
DEEPEST = 6
COSTLIEST = 1500
COMMAND_COST = 200
"""Of a mutation, so that one request has seven at most."""
LISTS = {"clients": 20, "plans": 10, "injuries": 3, "consents": 8, "points": 60, "comparison": 10}
"""Rows that a list is reckoned with where the query does not say `first`."""


@dataclass(frozen=True, slots=True)
class Size:
    """Of a query."""

    depth: int
    cost: int


def check(document: DocumentNode, variables: Mapping[str, Any]) -> Size:
    """The size of a valid document's operations together.

    Raises:
        QueryTooDeep, QueryTooCostly: with the measured and the allowed size.
    """
    fragments = {one.name.value: one for one in document.definitions if isinstance(one, FragmentDefinitionNode)}
    operations = [one for one in document.definitions if isinstance(one, OperationDefinitionNode)]
    sizes = [
        _size(one.selection_set, fragments, variables, each=COMMAND_COST if _acts(one) else 1) for one in operations
    ]
    size = Size(max(one.depth for one in sizes), sum(one.cost for one in sizes))
    if size.depth > DEEPEST:
        raise QueryTooDeep(depth=size.depth, allowed=DEEPEST)
    if size.cost > COSTLIEST:
        raise QueryTooCostly(cost=size.cost, allowed=COSTLIEST)
    return size


def _acts(operation: OperationDefinitionNode) -> bool:
    return operation.operation is OperationType.MUTATION


def _size(
    selections: SelectionSetNode | None,
    fragments: Mapping[str, FragmentDefinitionNode],
    variables: Mapping[str, Any],
    each: int = 1,
) -> Size:
    depth = cost = 0
    for node in selections.selections if selections else ():
        if isinstance(node, FieldNode):
            below = _size(node.selection_set, fragments, variables)
            found = Size(1 + below.depth, each + _rows(node, variables) * below.cost)
        elif isinstance(node, FragmentSpreadNode):
            found = _size(fragments[node.name.value].selection_set, fragments, variables, each)
        else:
            assert isinstance(node, InlineFragmentNode)  # noqa: S101 - GraphQL has these three
            found = _size(node.selection_set, fragments, variables, each)
        depth, cost = max(depth, found.depth), cost + found.cost
    return Size(depth, cost)


def _rows(field: FieldNode, variables: Mapping[str, Any]) -> int:
    for argument in field.arguments:
        if argument.name.value == "first":
            if isinstance(argument.value, IntValueNode):
                return max(1, int(argument.value.value))
            if isinstance(argument.value, VariableNode):
                told = variables.get(argument.value.name.value)
                if isinstance(told, int):
                    return max(1, told)
    return LISTS.get(field.name.value, 1)
