"""What the API and the worker are told by their environment. The analytics process has settings of its own."""

from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import PositiveInt, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class ApiSettings(BaseSettings):
    """Environment of the API process and the worker, prefix `PLYO_`."""

    model_config = SettingsConfigDict(env_prefix="PLYO_", extra="ignore")

    public_url: str = "http://127.0.0.1:8400"
    """The gateway's origin: issuer of tokens, base of every link in an e-mail. No trailing slash."""
    database_url: SecretStr
    """`postgresql+psycopg://…/plyo` as the role `plyo_api`, or as one context's role."""
    signing_key_file: Path
    """PEM of the RSA private key that signs tokens until the first rotation (`identity.keys`)."""
    signing_seal_keys: SecretStr = SecretStr("")
    """Keys that seal the signing keys made since (`contracts.sealing`), comma separated, the one that seals first.
    Without any the session secret seals: changing it then loses them, and everybody signs in anew."""
    session_secret: SecretStr
    """Signs cookies and CSRF tokens."""
    app_client_secret: SecretStr = SecretStr("")
    """Of `plyo-app`, the web shell as an OIDC client."""
    api_url: str = "http://127.0.0.1:8401"
    """Where this API is reached from the machine itself, for the web shell as an OIDC client."""
    api_processes: PositiveInt = 1
    """How many processes serve it (`serving`): a machine of its own gives one to each processor. Each further one takes
    70 MB and up to twenty connections to PostgreSQL."""
    analytics_url: str = "http://127.0.0.1:8402"
    """Where the analytics service is reached from this process, for first screens that show numbers."""
    smtp_host: str = "127.0.0.1"
    smtp_port: int = 1025
    mail_from: str = "Plyo <hello@plyo.test>"
    staff_mfa: Literal["required", "offered"] = "required"
    """Whether coaches and admins must have a second factor; whoever has one is always asked for it."""
    factor_keys: SecretStr = SecretStr("")
    """Keys that seal the seeds of authenticator apps (`contracts.sealing`), comma separated, the one that seals first.
    Without any the session secret seals, and cannot be changed without everybody setting up their app anew."""
    upstream_google_issuer: str = "https://accounts.google.com"
    """Where people sign in with Google; only this differs from a provider on the own machine."""
    upstream_google_client_id: str = ""
    """Of Plyo at Google. Empty: no button."""
    upstream_google_client_secret: SecretStr = SecretStr("")
    upstream_microsoft_issuer: str = "https://login.microsoftonline.com/common/v2.0"
    """`common` lets everybody in; a tenant's id in its place only its own people."""
    upstream_microsoft_client_id: str = ""
    upstream_microsoft_client_secret: SecretStr = SecretStr("")
    stripe_api_base: str = "https://api.stripe.com"
    stripe_secret_key: SecretStr = SecretStr("")
    stripe_webhook_secrets: SecretStr = SecretStr("")
    """One or two signing secrets, comma separated: the old one stays valid while it is rotated out."""

    momo_api_base: str = "https://payment.momo.vn"
    """MoMo's origin, whose page forms of ours lead to; the rest of MoMo's is `commerce.settings.MomoSettings`."""

    url_signing_keys: SecretStr = SecretStr("")
    """`id:secret,id:secret`: keys of signed addresses, the first signs; empty takes one made from `session_secret`."""
    redis_url: SecretStr = SecretStr("")
    """`redis://:password@host:port`: where all processes count requests; empty counts in each process alone."""
    warehouse_docs: Path = Path("dbt_project/target/static_index.html")
    """The page that dbt writes of its models, columns and lineage (job `document_marts`)."""
    warehouse_quality: Path = Path("dbt_project/target/quality")
    """The folder of what suites and the watch of distributions found (job `judge_raw`)."""
    rate_limit_factor: float = 1.0
    """Multiplies every rate limit; 0 switches them off. For load tests."""
    graphql_introspection: bool = False
    """Whether the GraphQL facade tells its schema: on where people develop, off in production."""
    graphql_ad_hoc: bool = False
    """Whether everybody may send queries of their own, not staff alone."""
    wearable_pages: str = "https://widget.tryterra.co"
    """Origin of the page on which customers pick their device; forms of ours may lead there."""
    calendar_pages: str = "https://accounts.google.com https://login.microsoftonline.com"
    """Origins of pages on which people let us into their calendars; forms of ours may lead there."""

    @property
    def upstream_pages(self) -> list[str]:
        """Origins of pages on which people sign in with Google or Microsoft; forms of ours lead there."""
        found = []
        for issuer, client_id in (
            (self.upstream_google_issuer, self.upstream_google_client_id),
            (self.upstream_microsoft_issuer, self.upstream_microsoft_client_id),
        ):
            if client_id:
                found.append("{0.scheme}://{0.netloc}".format(urlsplit(issuer)))
        return found

    @property
    def has_tls(self) -> bool:
        """Whether people reach Plyo by https; cookies are then marked Secure."""
        return self.public_url.startswith("https://")
