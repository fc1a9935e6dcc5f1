"""Health data that lies in a database: sealed by whoever stores it, opened by whoever may work with it.

Only the two processes that need it hold the keys; the database, its backups and the lake's change log hold what is
sealed. No column and no rule about who may see what belongs here.
"""

import base64
import hashlib
from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

_SHORTEST = 32


class SealBroken(ValueError):
    """These bytes were not sealed with any of the keys, or were changed since."""


class Sealer:
    """Authenticated encryption (Fernet) with keys that can be rotated.

    Args:
        keys: Secrets of at least 32 characters. The first seals; all of them open.

    Raises:
        ValueError: no key, or one that is too short.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        if not keys or min(map(len, keys)) < _SHORTEST:
            raise ValueError(f"PLYO_HEALTH_DATA_KEYS must hold keys of at least {_SHORTEST} characters")
        digests = [hashlib.sha256(key.encode()).digest() for key in keys]
        self._fernet = MultiFernet([Fernet(base64.urlsafe_b64encode(digest)) for digest in digests])

    @classmethod
    def of(cls, keys: str) -> "Sealer":
        """From a setting: keys separated by commas, the one that seals first."""
        return cls([key.strip() for key in keys.split(",") if key.strip()])

    def seal(self, data: bytes) -> bytes:
        """The data so that only a holder of the key can read it, and any change of it is seen."""
        return self._fernet.encrypt(data)

    def open(self, sealed: bytes) -> bytes:
        """What was sealed.

        Raises:
            SealBroken: by another key, or not whole.
        """
        try:
            return self._fernet.decrypt(sealed)
        except InvalidToken as error:
            raise SealBroken("sealed with another key, or changed since") from error
