"""What the gateway refuses.

DomainError
|- Invalid
|  |- QueryInvalid      not GraphQL, or not of our schema
|  |- QueryTooDeep
|  |- QueryTooCostly
|  |- NumberRefused     the analytics service will not tell a number; `code` is its own
|- Forbidden
|  |- QueryNotListed    an ad-hoc query of somebody who may not send one
|  |- FieldForbidden    one field of an answer; the rest is shown
|- NotFound
|  |- QueryUnknown      no query of ours has this hash
"""

from operational_api.core.errors import Forbidden, Invalid, NotFound


class QueryInvalid(Invalid):
    """This query is not valid."""


class QueryTooDeep(Invalid):
    """This query goes too deep. Ask for less at once."""


class QueryTooCostly(Invalid):
    """This query asks for too much at once. Ask for fewer fields, or smaller pages."""


class NumberRefused(Invalid):
    """This number is not told."""


class QueryNotListed(Forbidden):
    """Only queries that Plyo knows are answered. Send the hash of one of them."""


class FieldForbidden(Forbidden):
    """You may not see this."""


class QueryUnknown(NotFound):
    """Plyo knows no query with this hash."""
