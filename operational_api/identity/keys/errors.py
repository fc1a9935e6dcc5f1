"""What changing signing keys refuses.

DomainError
|- KeyNotFound       404
|- RotationUnderWay  409
|- LastKey           409
"""

from operational_api.core.errors import DomainError, NotFound


class KeyNotFound(NotFound):
    """There is no such key, or it is withdrawn already."""


class RotationUnderWay(DomainError):
    """The next key is published and will sign within the hour. Ask for it at once if that is too late."""


class LastKey(DomainError):
    """This is the key that signs. Rotate at once, then withdraw it."""
