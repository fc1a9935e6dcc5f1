"""An app's payment providers, as its routes depend on them. Which there are is told by `Providers`."""

from typing import Annotated

from fastapi import Depends, Request

from operational_api.commerce.providers import Providers, assembled
from operational_api.commerce.providers.port import BillingProvider
from operational_api.commerce.providers.stripe import StripeProvider
from operational_api.commerce.settings import MomoSettings, StripeSettings


def stripe_settings(request: Request) -> StripeSettings:
    """Stripe's settings out of the API's."""
    settings = request.app.state.settings
    return StripeSettings(
        api_base=settings.stripe_api_base,
        secret_key=settings.stripe_secret_key,
        webhook_secrets=settings.stripe_webhook_secrets,
    )


def payment_provider(request: Request) -> BillingProvider:
    """The app's payment provider, made on first use and kept with its connections."""
    state = request.app.state
    if not hasattr(state, "payment_provider"):
        state.payment_provider = StripeProvider(stripe_settings(request))
    provider: BillingProvider = state.payment_provider
    return provider


def momo_settings(request: Request) -> MomoSettings:
    """MoMo's settings, from the environment; tests put their own on the app."""
    state = request.app.state
    if not hasattr(state, "momo_settings"):
        state.momo_settings = MomoSettings()
    found: MomoSettings = state.momo_settings
    return found


def payment_providers(request: Request) -> Providers:
    """Every provider of the app, made on first use and kept with their connections."""
    state = request.app.state
    stripe = payment_provider(request)
    if not hasattr(state, "payment_providers") or state.payment_providers.of(stripe.name) is not stripe:
        state.payment_providers = assembled(stripe, momo_settings(request))
    found: Providers = state.payment_providers
    return found


Provider = Annotated[BillingProvider, Depends(payment_provider)]
AllProviders = Annotated[Providers, Depends(payment_providers)]
