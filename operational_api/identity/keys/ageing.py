"""The worker's hourly look at the signing keys."""

from datetime import datetime, timedelta

from joserfc.jwk import RSAKey
from sqlalchemy.orm import Session

from contracts.sealing import Sealer
from operational_api.identity.keys import ring, service
from operational_api.identity.settings import KeySettings


def tend(session: Session, now: datetime) -> None:
    """Rotate by age, and forget what signs no more. Does nothing in a worker that was given no key."""
    settings = KeySettings()
    seal = settings.signing_seal_keys.get_secret_value() or settings.session_secret.get_secret_value()
    if settings.signing_key_file is None or not seal:
        return
    service.tend(
        session, seed=ring.with_kid(RSAKey.import_key(settings.signing_key_file.read_bytes())),
        sealer=Sealer.of(seal), oldest=timedelta(days=settings.signing_key_days), now=now,
    )  # fmt: skip
