"""Asking a source outside whether it would let us in. Reads the least that proves it, changes nothing."""

from collections.abc import Callable

import fsspec
import httpx

from operational_api.integrations.errors import ProbeFailed
from operational_api.integrations.settings import IntegrationSettings

Probe = Callable[[IntegrationSettings], None]


def stripe(settings: IntegrationSettings) -> None:
    """Read our own balance."""
    _get(f"{settings.stripe_api_base}/v1/balance", {"Authorization": _bearer(settings.stripe_secret_key)})


def hubspot(settings: IntegrationSettings) -> None:
    """Read one contact."""
    url = f"{settings.hubspot_api_base}/crm/v3/objects/contacts"
    _get(url, {"Authorization": _bearer(settings.hubspot_access_token)}, {"limit": "1"})


def terra(settings: IntegrationSettings) -> None:
    """Read the list of connected users."""
    headers = {"dev-id": settings.terra_dev_id, "x-api-key": settings.terra_api_key.get_secret_value()}
    _get(f"{settings.terra_base_url}/subscriptions", headers)


def momo(settings: IntegrationSettings) -> None:
    """List the folder of settlement files."""
    try:
        files, path = fsspec.core.url_to_fs(settings.momo_settlements_url)
        files.ls(path)
    except (OSError, ValueError, ImportError) as error:
        raise ProbeFailed(f"The folder of settlement files cannot be listed: {error}") from error


def _bearer(secret: object) -> str:
    value = getattr(secret, "get_secret_value", lambda: secret)()
    return f"Bearer {value}"


def _get(url: str, headers: dict[str, str], params: dict[str, str] | None = None) -> None:
    try:
        answer = httpx.get(url, headers=headers, params=params, timeout=8)
    except httpx.TransportError as error:
        raise ProbeFailed(f"It cannot be reached: {error}") from error
    if answer.status_code in (401, 403):
        raise ProbeFailed(f"It refuses our credentials ({answer.status_code}).")
    if answer.is_error:
        raise ProbeFailed(f"It answered {answer.status_code}: {answer.text[:200]}")


PROBES: dict[str, Probe] = {"stripe": stripe, "momo": momo, "hubspot": hubspot, "terra": terra}
