"""The refusals of commerce.

DomainError
|- AlreadySubscribed NotCancellable WrongCurrency CheckoutNotPaid PaymentNotRefundable InvalidTransition   409
|- RefundNeedsApproval RefundAskedAlready RefundRequestClosed                                              409
|- OwnRefundRequest (Forbidden)                                                                            403
|- RefundTooLarge (Invalid)                                                                                422
|- PlanNotFound PlanNotSold NoSubscription CheckoutNotFound PaymentNotFound RefundRequestNotFound (NotFound) 404
|- MalformedWebhook                                                                                        400
|- ProviderRefused                                                                                         502
|- ProviderUnavailable (Unavailable)                                                                       503
"""

from operational_api.core.errors import DomainError, Forbidden, Invalid, NotFound, Unavailable


class PlanNotFound(NotFound):
    """We do not sell a plan of that name. See the plans page for what we offer."""


class PlanNotSold(NotFound):
    """That plan has no price in this currency."""


class AlreadySubscribed(DomainError):
    """You already have a membership. Change or cancel it on your membership page."""


class WrongCurrency(DomainError):
    """You have paid in another currency before, and an account keeps one currency."""


class NoSubscription(NotFound):
    """You have no membership at the moment."""


class NotCancellable(DomainError):
    """This membership cannot be changed that way now."""


class CheckoutNotFound(NotFound):
    """We do not know this payment. If you were charged, your membership page shows it within a minute."""


class CheckoutNotPaid(DomainError):
    """This payment has not been completed. You have not been charged; start again from the plans page."""


class PaymentNotFound(NotFound):
    """There is no such payment."""


class PaymentNotRefundable(DomainError):
    """Only a captured payment that is not disputed can be refunded."""


class RefundTooLarge(Invalid):
    """A refund cannot be more than what is left of the payment."""


class RefundNeedsApproval(DomainError):
    """A refund of this size takes two: ask for it, and somebody else approves it."""


class RefundAskedAlready(DomainError):
    """A refund of this payment is waiting to be decided."""


class RefundRequestNotFound(NotFound):
    """No such refund was asked for."""


class RefundRequestClosed(DomainError):
    """This was decided already."""


class OwnRefundRequest(Forbidden):
    """Somebody else has to decide: nobody approves a refund that they asked for."""


class InvalidTransition(DomainError):
    """A subscription cannot go from its state to that one."""


class MalformedWebhook(DomainError):
    """This is not a webhook of ours: the body must be a JSON event with an id and a type."""

    status = 400


class ProviderRefused(DomainError):
    """The payment provider refused the request. Nothing was charged; we have been told."""

    status = 502


class ProviderUnavailable(Unavailable):
    """The payment provider does not answer. Nothing was charged; try again in a minute."""
