"""Why a question about numbers is refused.

NotFound     UnknownMetric, UnknownDataset, UnknownRelation, UnknownRow   404, with what there is
Invalid      NotAllowed, AcrossCurrencies, NotThatLongAgo   422, with what is allowed
|- OverBudget   TooManyRows, TooSlow, TooMuchMemory   422, with the budget and how to narrow
Forbidden    WholeBusiness, HealthData, NotForServices           403
Unavailable  NotBuilt, LakeDown, Busy, AuditDown                 503
|- NotBuilt   OtherColumns                                   503
Abandoned    nobody waits for the answer any more       408
"""

from operational_api.core.errors import DomainError, Forbidden, Invalid, NotFound, Unavailable


class UnknownMetric(NotFound):
    """There is no metric of that name."""


class UnknownDataset(NotFound):
    """There is no dataset of that name."""


class UnknownRelation(NotFound):
    """There is no metric, dataset or mart of that name."""


class UnknownRow(NotFound):
    """There is no such row, or none that you may see."""


class NotAllowed(Invalid):
    """That parameter or value is not allowed here."""


class AcrossCurrencies(Invalid):
    """Money is never summed across currencies. Leave `currency` out for one series each, or name one."""


class NotThatLongAgo(Invalid):
    """The lake does not remember that moment."""


class OverBudget(Invalid):
    """This question costs more than one question may."""

    unit = "units"

    def __init__(self, limit: float | str) -> None:
        """Refuse, and say what the budget is.

        Args:
            limit: Of `unit`.
        """
        super().__init__(budget={"unit": self.unit, "limit": limit}, narrow=list(NARROW))


NARROW = (
    "a shorter time: `from` and `to`, or `period`",
    "fewer rows: name a `coach_id`, `customer_id` or `currency`",
    "fewer series: leave dimensions out of `by`, or take a coarser `grain`",
    "pages: `limit` and `cursor`; or a file: `format=parquet`",
)
"""Ways to make a question smaller, told with every refusal over a budget."""


class TooManyRows(OverBudget):
    """That is more rows than one answer may hold. Narrow it, or take it in pages or as a file."""

    unit = "rows"


class TooSlow(OverBudget):
    """This question took too long and was stopped. Narrow it."""

    unit = "seconds"


class TooMuchMemory(OverBudget):
    """This question needs more memory than it may have. Narrow it."""

    unit = "memory"


class WholeBusiness(Forbidden):
    """This is about the whole business, so only admins may see it."""


class HealthData(Forbidden):
    """Health data is for the client and their coach, row by row for nobody else."""


class NotForServices(Forbidden):
    """Numbers are for people: ask with a person's token."""


class NotBuilt(Unavailable):
    """This is not built yet: the first pipeline has not run, or is still running. Try again in a minute."""


class OtherColumns(NotBuilt):
    """The marts of that moment do not have all of these columns: they came later, or come with the next build."""


class LakeDown(Unavailable):
    """The lake does not answer. Nothing was lost; try again in a minute."""


class Busy(Unavailable):
    """Too many questions at once. Try again in a moment."""


class AuditDown(Unavailable):
    """Who reads about a person is written down, and that is not possible right now. Try again in a minute."""


class Abandoned(DomainError):
    """Nobody waits for this answer any more."""

    status = 408
