"""What an admin sees first: how the business stands, how old the numbers are, and what needs a hand."""

from datetime import date, datetime, timedelta

from operational_api.core.policy import may_principal
from operational_api.core.principal import Principal
from operational_api.gateway.bff.composition import Asker, Part
from operational_api.gateway.bff.numbers import Numbers
from operational_api.gateway.bff.schemas import Figure
from operational_api.identity import public as identity
from operational_api.integrations import public as integrations
from operational_api.staff import public as staff

FIGURES = (
    "mrr", "active_members", "attrition", "arpm", "payments_captured", "sessions_delivered", "utilisation",
    "no_show_rate", "adherence", "payment_failure_rate", "lead_conversion", "net_member_movement",
)  # fmt: skip


def parts(numbers: Numbers, principal: Principal, *, months: int, now: datetime) -> dict[str, Part]:
    """Each figure is a part of its own: one that is missing leaves the others. All are asked for at once, so that the
    screen waits for the slowest and not for their sum; analytics decides who sees which."""
    since = _months_back(months, now)
    found: dict[str, Part] = {"person": lambda asker: identity.person(asker.session, asker.account_id)}
    found["requests_waiting"] = lambda asker: staff.requests_waiting(
        asker.session, role=principal.role, account_id=asker.account_id, now=asker.now
    )
    if may_principal(principal, "integrations.read_connectors"):
        found["connectors"] = lambda asker: integrations.connector_states(asker.session, asker.now)
    if may_principal(principal, "analytics.read_money"):
        recent = (now - timedelta(days=31)).date()
        days = numbers.soon("datasets/mrr_daily", **{"from": recent.isoformat()})
        found["currencies"] = lambda asker: _currencies(days(asker.seconds)["items"])
    if may_principal(principal, "analytics.read_everything"):
        found |= {name: _figure(numbers, name, since) for name in FIGURES}
    freshness = numbers.soon("freshness")
    found["freshness"] = lambda asker: str(freshness(asker.seconds).get("state", "unknown"))
    return found


def _figure(numbers: Numbers, name: str, since: date) -> Part:
    answer = numbers.soon(f"metrics/{name}", **{"grain": "month", "from": since.isoformat()})

    def ask(asker: Asker) -> Figure:
        return Figure.model_validate(answer(asker.seconds))

    return ask


def _currencies(days: list[dict[str, str | int]]) -> list[str]:
    newest = max((str(day["day"]) for day in days), default="")
    rows = [day for day in days if str(day["day"]) == newest]
    return [str(row["currency"]) for row in sorted(rows, key=lambda row: -int(row["active_members"] or 0))]


def _months_back(months: int, now: datetime) -> date:
    index = now.year * 12 + now.month - 1 - months
    return date(index // 12, index % 12 + 1, 1)
