"""Payment providers behind one port: `port.py` says what commerce needs, one module per provider says how."""

from functools import cache

from operational_api.commerce.providers.port import PaymentProvider
from operational_api.commerce.providers.stripe import StripeProvider
from operational_api.commerce.settings import StripeSettings


@cache
def configured() -> PaymentProvider:
    """The provider that this process's environment names; one for the life of the process."""
    return StripeProvider(StripeSettings())
