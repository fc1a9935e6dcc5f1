"""What an admin sees first: how the business stands, how old the numbers are, and what needs a hand."""

from operational_api.gateway.bff.composition import Asker, Part
from operational_api.gateway.bff.numbers import Numbers
from operational_api.gateway.bff.schemas import Figure
from operational_api.integrations import public as integrations
from operational_api.staff import public as staff

FIGURES = ("mrr", "active_members", "net_member_movement", "payments_captured")


def parts(numbers: Numbers, *, role: str, sees_connectors: bool) -> dict[str, Part]:
    """Each figure is a part of its own: one that is missing leaves the others. Analytics decides who sees which."""

    def figure(name: str) -> Part:
        def ask(asker: Asker) -> Figure:
            return Figure.of(numbers.get(f"metrics/{name}", seconds=asker.seconds, grain="month"))

        return ask

    def freshness(asker: Asker) -> str:
        return str(numbers.get("freshness", seconds=asker.seconds).get("state", "unknown"))

    def requests_waiting(asker: Asker) -> int:
        return staff.requests_waiting(asker.session, role=role, account_id=asker.account_id, now=asker.now)

    found: dict[str, Part] = {name: figure(name) for name in FIGURES}
    found |= {"freshness": freshness, "requests_waiting": requests_waiting}
    if sees_connectors:
        found["connectors"] = lambda asker: integrations.connector_states(asker.session, asker.now)
    return found
