"""Payment providers behind one port: `port.py` says what commerce needs, one module per provider says how."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from operational_api.commerce.errors import ProviderRefused, WayNotOffered
from operational_api.commerce.providers.kept_books import KeptBooks
from operational_api.commerce.providers.kept_money import KEPT_MONEY
from operational_api.commerce.providers.momo import MomoProvider
from operational_api.commerce.providers.port import BillingProvider, Books, PaymentProvider
from operational_api.commerce.providers.stripe import StripeProvider
from operational_api.commerce.providers.stripe_books import StripeBooks
from operational_api.commerce.settings import MomoSettings, StripeSettings


@dataclass(frozen=True, slots=True)
class Providers:
    """The providers that this deployment has, by name; the first is the one that bills memberships."""

    by_name: Mapping[str, PaymentProvider]

    def of(self, name: str) -> PaymentProvider:
        """The provider that something was paid with.

        Raises:
            ProviderRefused: it is no longer set up here.
        """
        found = self.by_name.get(name) or KEPT_MONEY.get(name)
        if found is None:
            raise ProviderRefused(f"{name} is not set up here.")
        return found

    @property
    def that_give_back(self) -> Mapping[str, PaymentProvider]:
        """By name everything that a payment can be given back by: wallets too, which take none on a page."""
        return {**self.by_name, **KEPT_MONEY}

    def chosen(self, name: str) -> PaymentProvider:
        """The provider that a buyer asks for.

        Raises:
            WayNotOffered: it is not set up here.
        """
        if name not in self.by_name:
            raise WayNotOffered
        return self.by_name[name]

    def choices(self, currency: str, *, is_recurring: bool) -> list[str]:
        """Names of those that take a payment, the one that customers of this currency expect first."""
        fitting = [one for one in self.by_name.values() if one.billing or (currency == "VND" and not is_recurring)]
        return [one.name for one in sorted(fitting, key=lambda one: one.billing is not None)]


def assembled(stripe: PaymentProvider, momo: MomoSettings) -> Providers:
    """Stripe, and MoMo where it is set up."""
    found: dict[str, PaymentProvider] = {stripe.name: stripe}
    if momo.partner_code:
        found["momo"] = MomoProvider(momo)
    return Providers(found)


@cache
def configured() -> BillingProvider:
    """The provider that bills memberships, as this process's environment names it; one for the life of the process."""
    return StripeProvider(StripeSettings())


@cache
def books_configured() -> list[Books]:
    """The books that this process's environment gives access to."""
    settings = StripeSettings()
    found: list[Books] = [StripeBooks(settings)] if settings.secret_key.get_secret_value() else []
    return [*found, KeptBooks("momo")] if MomoSettings().partner_code else found


@cache
def all_configured() -> Providers:
    """Every provider that this process's environment names."""
    return assembled(configured(), MomoSettings())
