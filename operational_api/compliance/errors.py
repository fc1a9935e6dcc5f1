"""Refusals of compliance.

DomainError
|- NothingToConsent  422   a kind of data or a purpose that we never ask for
|- ConsentNeeded     422   a purpose that needs another one first
"""

from operational_api.core.errors import Invalid


class NothingToConsent(Invalid):
    """We do not ask for that kind of data, or not for that purpose."""


class ConsentNeeded(Invalid):
    """Data can only be used to predict when your coach may see it too."""
