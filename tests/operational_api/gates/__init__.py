"""Which routes each action is the gate of: written by hand, not read from the app. Who may do it is `matrix`.

A module for each context of actions; a route stands under its action's, wherever its page is.
"""

from tests.operational_api.gates import (
    automation,
    commerce,
    compliance,
    engagement,
    gateway,
    identity,
    integrations,
    platform,
    scheduling,
    staff,
    training,
)

ROUTES_OF: dict[str, tuple[str, ...]] = {
    **automation.ROUTES_OF,
    **commerce.ROUTES_OF,
    **compliance.ROUTES_OF,
    **engagement.ROUTES_OF,
    **gateway.ROUTES_OF,
    **identity.ROUTES_OF,
    **integrations.ROUTES_OF,
    **platform.ROUTES_OF,
    **scheduling.ROUTES_OF,
    **staff.ROUTES_OF,
    **training.ROUTES_OF,
}
"""Every route, under the action that it must name."""
