"""What training refuses.

DomainError
|- NotFound
|  |- ClientNotFound
|  |- WorkoutNotFound
|  |- ProgrammeNotFound
|  |- InjuryNotFound
|  |- ExerciseNotFound
|  |- TemplateNotFound
|  |- ScreeningNotFound
|  |- GoalNotFound
|  |- HabitNotFound
|  |- CheckInNotFound
|  |- MediaNotFound
|  |- CaptionsNotFound
|- Invalid
|  |- UnknownExercise
|  |- UnreadableCatalogue
|  |- InvalidPlan
|  |- InvalidAnswers
|  |- WorkoutInTheFuture
|  |- InvalidDates
|  |- MediaTooLarge
|  |- WrongPart           not the bytes that were told
|  |- Incomplete          not all parts have come
|  |- InvalidCaptions     `line` says where
|- MediaNotSetUp
|- TooManyUploads
|- MediaQuotaUsed
|- UploadClosed           it is complete, or was given up
|- MediaNotReady
|- WorkoutClosed       history stays as it was
|- WorkoutSkipped
|- WorkoutChanged      it says something else than what was seen
|- ProgrammeOver         what was archived is not changed
|- PlanChanged           somebody else changed it meanwhile
|- TrainingOnHold        a health answer waits for the coach
|- NotToClear            nothing is held by it
|- AnsweredAlready       the coach has answered
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


class ExerciseNotFound(NotFound):
    """There is no such movement in the catalogue."""


class TemplateNotFound(NotFound):
    """There is no such template, or it is somebody else's."""


class ScreeningNotFound(NotFound):
    """There is no such questionnaire, or it is not yours to see."""


class GoalNotFound(NotFound):
    """There is no such goal, or it is not yours to see."""


class HabitNotFound(NotFound):
    """There is no such habit, or it is not yours to see."""


class CheckInNotFound(NotFound):
    """There is no such check-in, or it is not yours to see."""


class MediaNotFound(NotFound):
    """There is no such video, or it is not yours to see."""


class CaptionsNotFound(NotFound):
    """This video has no captions in that language."""


class UnknownExercise(Invalid):
    """One of the exercises is not in the catalogue."""


class MeasuredOtherwise(Invalid):
    """One of the movements is not measured like this."""


class UnreadableCatalogue(Invalid):
    """This is not a catalogue of movements as we can read it."""


class InvalidPlan(Invalid):
    """The phases, days and movements of this plan do not fit together."""


class InvalidAnswers(Invalid):
    """Answer every question with yes or no."""


class WorkoutInTheFuture(Invalid):
    """A workout can be logged once it has been done: today or earlier."""


class InvalidDates(Invalid):
    """Those dates do not fit together."""


class WorkoutClosed(DomainError):
    """A workout can be changed on the day it was logged. After that it is history."""


class LoggedOtherwise(DomainError):
    """This workout is already logged with other sets, perhaps from another device. Open it to see and change them."""


class WorkoutChanged(DomainError):
    """This workout was changed meanwhile, on another device or by the coach. Look at both before you pick one."""


class WorkoutSkipped(DomainError):
    """This workout was skipped. Log a new one instead."""


class ProgrammeOver(DomainError):
    """This programme is over. Give the client a new one instead."""


class PlanTooLong(Invalid):
    """This plan has more than 50 lines, which is more than a page can carry: it is changed by the API."""


class PlanChanged(DomainError):
    """Somebody changed this programme meanwhile. Look at it again before you change it."""


class TrainingOnHold(DomainError):
    """A health answer has to be looked at by the coach before training goes on."""


class NotToClear(DomainError):
    """This questionnaire holds nothing, or a newer one has been answered since."""


class AnsweredAlready(DomainError):
    """This check-in has its answer. Write a message instead."""


class MediaTooLarge(Invalid):
    """This video is too large."""


class WrongPart(Invalid):
    """This part of the upload is not what was announced. Send it again."""


class Incomplete(Invalid):
    """Not all of this video has arrived. Send the missing parts."""


class InvalidCaptions(Invalid):
    """These captions cannot be read."""


class MediaNotSetUp(DomainError):
    """Videos cannot be uploaded here: this installation has no place for them yet."""


class TooManyUploads(DomainError):
    """Other uploads of yours are still under way. Finish or remove them first."""


class MediaQuotaUsed(DomainError):
    """There is no room left for more videos of yours. Remove one first."""


class UploadClosed(DomainError):
    """This upload is complete already, or was given up."""


class MediaNotReady(DomainError):
    """This video is not ready yet."""
