"""Why a question about numbers is refused.

NotFound     UnknownMetric, UnknownDataset, UnknownRelation     404, with what there is
Invalid      NotAllowed, AcrossCurrencies, TooManyRows, NotThatLongAgo   422, with what is allowed
Forbidden    WholeBusiness, NotForServices                       403
Unavailable  NotBuilt, LakeDown, Busy, TooSlow, AuditDown        503
"""

from operational_api.core.errors import Forbidden, Invalid, NotFound, Unavailable


class UnknownMetric(NotFound):
    """There is no metric of that name."""


class UnknownDataset(NotFound):
    """There is no dataset of that name."""


class UnknownRelation(NotFound):
    """There is no metric, dataset or mart of that name."""


class NotAllowed(Invalid):
    """That parameter or value is not allowed here."""


class AcrossCurrencies(Invalid):
    """Money is never summed across currencies. Leave `currency` out for one series each, or name one."""


class TooManyRows(Invalid):
    """That is more than one answer may hold. Narrow it, for example with `from` and `to`."""


class NotThatLongAgo(Invalid):
    """The lake does not remember that moment."""


class WholeBusiness(Forbidden):
    """This is about the whole business, so only admins may see it."""


class NotForServices(Forbidden):
    """Numbers are for people: ask with a person's token."""


class NotBuilt(Unavailable):
    """This is not built yet: the first pipeline has not run, or is still running. Try again in a minute."""


class LakeDown(Unavailable):
    """The lake does not answer. Nothing was lost; try again in a minute."""


class Busy(Unavailable):
    """Too many questions at once. Try again in a moment."""


class TooSlow(Unavailable):
    """This question took too long and was stopped. Narrow it, for example with `from` and `to`."""


class AuditDown(Unavailable):
    """Who reads about a person is written down, and that is not possible right now. Try again in a minute."""
