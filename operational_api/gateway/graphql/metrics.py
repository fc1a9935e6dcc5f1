"""A number of the analytics service in the graph: its definition, points and comparison as that service tells them.

It is asked as the person, with a token made for it: what they may see is decided there, and so is what is refused.
"""

import uuid
from datetime import date
from typing import Any
from urllib.parse import quote

import httpx
import strawberry
from strawberry import Info

from operational_api.core.errors import Invalid, Unauthenticated, Unavailable
from operational_api.gateway.bff.composition import SCREEN_SECONDS
from operational_api.gateway.bff.numbers import Numbers
from operational_api.gateway.graphql.loaders import Context

_OWN = ("at", "value", "currency", "compared", "change", "relative_change")


@strawberry.type(description="What a series is told apart by.")
class Dimension:
    name: str
    value: str | None


@strawberry.type(description="`at` is the first day of its period. Money is in minor units of its currency.")
class MetricPoint:
    at: date
    value: float | None
    currency: str | None
    dimensions: list[Dimension]


@strawberry.type(description="A whole period beside another one.")
class MetricChange:
    value: float | None
    compared: float | None
    change: float | None
    relative_change: float | None
    currency: str | None
    dimensions: list[Dimension]


@strawberry.type(description="A number with its meaning, how fresh it is, and SQL that gives the same.")
class Metric:
    name: str
    label: str
    definition: str
    unit: str
    grain: str
    snapshot_id: int
    state: str
    age_seconds: float | None
    sql: str
    points: list[MetricPoint]
    comparison: list[MetricChange]


def metric(
    info: Info[Context, None],
    name: str,
    grain: str | None = None,
    since: date | None = None,
    until: date | None = None,
    period: str | None = None,
    zone: str | None = None,
    compare: str | None = None,
    by: list[str] | None = None,
    currency: str | None = None,
    coach_id: uuid.UUID | None = None,
    customer_id: uuid.UUID | None = None,
    location_id: uuid.UUID | None = None,
    as_of: str | None = None,
) -> Metric | None:
    """Ask for one.

    Raises:
        Unauthenticated: a guest asks.
        NumberRefused: as the analytics service says.
        Unavailable: it does not answer, or not in time.
    """
    principal = info.context.principal
    if principal is None:
        raise Unauthenticated
    asked = {
        "grain": grain, "from": since, "to": until, "period": period, "zone": zone, "compare": compare,
        "by": ",".join(by) if by else None, "currency": currency, "coach_id": coach_id, "customer_id": customer_id,
        "location_id": location_id, "as_of": as_of,
    }  # fmt: skip
    told = {key: str(value) for key, value in asked.items() if value is not None}
    numbers = Numbers(info.context.request, principal)
    try:
        found = numbers.refusing(f"metrics/{quote(name, safe='')}", seconds=SCREEN_SECONDS, **told)
    except UnicodeEncodeError as error:
        raise Invalid("One of the values is no text.") from error
    except httpx.TimeoutException as error:
        raise Unavailable from error
    return Metric(
        **{key: found[key] for key in ("name", "label", "definition", "unit", "grain", "snapshot_id", "sql")},
        state=found["freshness"]["state"], age_seconds=found["freshness"]["age_seconds"],
        points=[
            MetricPoint(at=date.fromisoformat(one["at"]), value=one["value"], **_series(one)) for one in found["points"]
        ],
        comparison=[
            MetricChange(
                value=one["value"], compared=one["compared"], change=one["change"],
                relative_change=one["relative_change"], **_series(one),
            )
            for one in found.get("comparison", {"items": []})["items"]
        ],
    )  # fmt: skip


def _series(one: dict[str, Any]) -> dict[str, Any]:
    apart = [Dimension(name=name, value=value) for name, value in one.items() if name not in _OWN]
    return {"currency": one.get("currency"), "dimensions": apart}
