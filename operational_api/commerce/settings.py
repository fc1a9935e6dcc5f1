"""Where Stripe and MoMo are and how they know us, and what one person may decide alone.

Read by the API and by the worker, which share the environment.
"""

from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class StripeSettings(BaseSettings):
    """Environment with the prefix `PLYO_STRIPE_`."""

    model_config = SettingsConfigDict(env_prefix="PLYO_STRIPE_", extra="ignore")

    api_base: str = "https://api.stripe.com"
    secret_key: SecretStr = SecretStr("")
    webhook_secrets: SecretStr = SecretStr("")
    """One or two signing secrets, comma separated: the old one stays valid while it is rotated out."""
    timeout_seconds: float = 10
    max_retries: int = 2
    """Of a call that got no answer, each with the first one's key."""

    @property
    def signing_secrets(self) -> list[str]:
        """The webhook secrets that are valid now."""
        return [secret.strip() for secret in self.webhook_secrets.get_secret_value().split(",") if secret.strip()]


class MomoSettings(BaseSettings):
    """Environment with the prefix `PLYO_MOMO_`. Without a partner code MoMo is not offered."""

    model_config = SettingsConfigDict(env_prefix="PLYO_MOMO_", extra="ignore")

    api_base: str = "https://payment.momo.vn"
    partner_code: str = ""
    access_key: SecretStr = SecretStr("")
    secret_key: SecretStr = SecretStr("")
    ipn_url: str = ""
    """Where MoMo posts results: the public address of `/webhooks/momo`."""
    request_type: Literal["captureWallet", "payWithMethod"] = "captureWallet"
    """The wallet alone, or MoMo's page with every method that the partner's contract has."""
    timeout_seconds: float = 30
    """MoMo asks for at least 30."""


class RefundSettings(BaseSettings):
    """Environment with the prefix `PLYO_REFUND_`."""

    model_config = SettingsConfigDict(env_prefix="PLYO_REFUND_", extra="ignore")

    alone_up_to: dict[str, int] = Field(
        default_factory=lambda: {"EUR": 10_000, "USD": 10_000, "GBP": 10_000, "CHF": 10_000, "VND": 2_500_000}
    )
    """Minor units by currency: up to here of one payment one person gives back alone; beyond, and in every currency
    that is not named, it takes two. JSON."""


class BillingSettings(BaseSettings):
    """Environment with the prefix `PLYO_BILLING_`."""

    model_config = SettingsConfigDict(env_prefix="PLYO_BILLING_", extra="ignore")

    largest_invoice: dict[str, int] = Field(
        default_factory=lambda: {
            "EUR": 500_000, "USD": 500_000, "GBP": 500_000, "CHF": 500_000, "JPY": 800_000, "VND": 125_000_000
        }
    )  # fmt: skip
    """Minor units by currency, tax included: an invoice of more is not made before an admin has seen it, nor one in a
    currency that is not named. JSON."""
    most_lines: int = 60
    """An invoice of more lines is not made either."""


class WalletSettings(BaseSettings):
    """Environment with the prefix `PLYO_WALLET_`. Minor units by currency, as JSON; in a currency that is not named
    there are no wallets."""

    model_config = SettingsConfigDict(env_prefix="PLYO_WALLET_", extra="ignore")

    largest_gift: dict[str, int] = Field(
        default_factory=lambda: {
            "EUR": 20_000, "USD": 20_000, "GBP": 20_000, "CHF": 20_000, "JPY": 30_000, "VND": 5_000_000
        }
    )  # fmt: skip
    """What one person may give at once."""
    largest_balance: dict[str, int] = Field(
        default_factory=lambda: {
            "EUR": 200_000, "USD": 200_000, "GBP": 200_000, "CHF": 200_000, "JPY": 300_000, "VND": 50_000_000
        }
    )  # fmt: skip
    """No top-up is sold and no gift is given by which a wallet would hold more."""


class SellerSettings(BaseSettings):
    """Who sells, as invoices say it. Environment with the prefix `PLYO_SELLER_`."""

    model_config = SettingsConfigDict(env_prefix="PLYO_SELLER_", extra="ignore")

    name: str = "Plyo"
    address: str = ""
    tax_id: str = ""
