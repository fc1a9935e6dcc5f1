"""Refusals of compliance.

DomainError
|- NothingToConsent    422   a kind of data or a purpose that we never ask for
|- ConsentNeeded       422   a purpose that needs another one first
|- ExportAskedAlready  409
|- CopyAskedAlready    409
|- ExportClosed        409
|- ExportNotReady      409   not approved, or not made yet
|- ExportGone          410   its file was deleted
|- OwnExport           403
|- ExportNotFound      404
"""

from operational_api.core.errors import DomainError, Forbidden, Invalid, NotFound


class NothingToConsent(Invalid):
    """We do not ask for that kind of data, or not for that purpose."""


class ConsentNeeded(Invalid):
    """Data can only be used to predict when your coach may see it too."""


class ExportAskedAlready(DomainError):
    """You have asked for these data, and it is waiting to be decided."""


class CopyAskedAlready(DomainError):
    """A copy is being made, or was asked for within a day. Another one can be asked for tomorrow."""


class ExportClosed(DomainError):
    """This was decided already."""


class ExportNotReady(DomainError):
    """There is no file yet. It is made within a minute of its approval."""


class ExportGone(DomainError):
    """This file was deleted: its time was over. Ask for a new one."""

    status = 410


class OwnExport(Forbidden):
    """Somebody else has to decide: nobody approves an export that they asked for."""


class ExportNotFound(NotFound):
    """No such export was asked for, or not by you."""
