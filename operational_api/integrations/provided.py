"""What every route of integrations may ask the app for."""

from typing import Annotated

from fastapi import Depends, Request

from operational_api.integrations.settings import IntegrationSettings


def integration_settings(request: Request) -> IntegrationSettings:
    """This process's settings of providers; tests and other deployments put their own on the app."""
    state = request.app.state
    if not hasattr(state, "integration_settings"):
        known = state.settings
        state.integration_settings = IntegrationSettings(
            public_url=known.public_url, session_secret=known.session_secret, redis_url=known.redis_url
        )
    found: IntegrationSettings = state.integration_settings
    return found


Settings = Annotated[IntegrationSettings, Depends(integration_settings)]
