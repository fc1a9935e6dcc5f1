"""What training refuses.

DomainError
|- NotFound
|  |- ClientNotFound
|  |- WorkoutNotFound
|  |- ProgrammeNotFound
|  |- InjuryNotFound
|- Invalid
|  |- UnknownExercise
|  |- WorkoutInTheFuture
|  |- InvalidDates
|- WorkoutClosed       history stays as it was
|- WorkoutSkipped
"""

from operational_api.core.errors import DomainError, Invalid, NotFound


class ClientNotFound(NotFound):
    """There is no such client, or they train with somebody else."""


class WorkoutNotFound(NotFound):
    """There is no such workout, or it is not yours to see."""


class ProgrammeNotFound(NotFound):
    """There is no such programme, or it is not yours to see."""


class InjuryNotFound(NotFound):
    """There is no such injury, or it is not yours to see."""


class UnknownExercise(Invalid):
    """One of the exercises is not in the catalogue."""


class WorkoutInTheFuture(Invalid):
    """A workout can be logged once it has been done: today or earlier."""


class InvalidDates(Invalid):
    """Those dates do not fit together."""


class WorkoutClosed(DomainError):
    """A workout can be changed on the day it was logged. After that it is history."""


class WorkoutSkipped(DomainError):
    """This workout was skipped. Log a new one instead."""
