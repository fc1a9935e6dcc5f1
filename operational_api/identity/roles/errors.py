"""What granting roles refuses.

DomainError
|- RoleAskedAlready     409
|- RoleGrantClosed      409
|- AccountChanged       409   the person's role is no longer what it was when this was asked for
|- OwnRoleGrant         403
|- RoleGrantNotFound    404
|- AccountNotFound      404
|- RoleUnchanged        422
"""

from operational_api.core.errors import DomainError, Forbidden, Invalid, NotFound


class RoleAskedAlready(DomainError):
    """A role for this person is waiting to be decided."""


class RoleGrantClosed(DomainError):
    """This was decided already."""


class AccountChanged(DomainError):
    """This person's role has changed since this was asked for. Ask again."""


class OwnRoleGrant(Forbidden):
    """Somebody else has to decide: nobody approves a role that they asked for, or their own."""


class RoleGrantNotFound(NotFound):
    """No such role was asked for."""


class AccountNotFound(NotFound):
    """There is no such account."""


class RoleUnchanged(Invalid):
    """This person has that role."""
