"""The refusals of commerce.

DomainError
|- AlreadySubscribed NotCancellable WrongCurrency CheckoutNotPaid PaymentNotRefundable InvalidTransition   409
|- RefundNeedsApproval RefundAskedAlready RefundRequestClosed                                              409
|- CheckoutUnknown PaymentDiffers FindingResolved PlanExists PlanIsHeld                                    409
|- OwnRefundRequest (Forbidden)                                                                            403
|- RefundTooLarge CurrencyNotTaken AmountNotTaken ReasonNeeded WayNotOffered NotSoldOnInvoice (Invalid)    422
|- PlanNotThatKind (Invalid)                                                                               422
|- PlanNotFound PlanNotSold NoSubscription CheckoutNotFound PaymentNotFound RefundRequestNotFound (NotFound) 404
|- FindingNotFound (NotFound)                                                                              404
|- MalformedWebhook                                                                                        400
|- ProviderRefused                                                                                         502
|- ProviderUnavailable (Unavailable)                                                                       503
"""

from operational_api.core.errors import DomainError, Forbidden, Invalid, NotFound, Unavailable


class PlanNotFound(NotFound):
    """We do not sell a plan of that name. See the plans page for what we offer."""


class PlanNotSold(NotFound):
    """That plan has no price in this currency."""


class PlanExists(DomainError):
    """There is a plan of that short name already."""


class PlanIsHeld(DomainError):
    """Somebody bought this plan, and what they bought stays as it was. Make another plan and sell this one no more."""


class PlanNotThatKind(Invalid):
    """A membership has an interval and may have a trial; what is paid once has sessions and days they are valid."""


class NotSoldOnInvoice(Invalid):
    """That is not sold on an invoice: memberships are taken out by the customer, and very small sums cannot be
    collected."""


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


class NothingBought(DomainError):
    """You pay for nothing yet. Your card is asked for when you choose a plan."""


class CheckoutNotPaid(DomainError):
    """This payment has not been completed. You have not been charged; start again from the plans page."""


class CheckoutUnknown(DomainError):
    """We do not know yet what came of your last payment. Please do not pay a second time: we ask until we know."""


class PaymentDiffers(DomainError):
    """This payment is not the one we asked for. We have been told, and write to you."""

    def __init__(self, *, asked_minor: int, paid_minor: int | None) -> None:
        super().__init__(asked_minor=asked_minor, paid_minor=paid_minor)
        self.paid_minor = paid_minor


class CurrencyNotTaken(Invalid):
    """MoMo takes single payments in Vietnamese dong only."""


class AmountNotTaken(Invalid):
    """MoMo takes between 1,000 and 50,000,000 dong at once."""


class WayNotOffered(Invalid):
    """That way to pay is not offered here. Choose another."""


class ReasonNeeded(Invalid):
    """Say what was done about it: whoever looks at the books later reads that."""


class FindingNotFound(NotFound):
    """There is no such finding."""


class FindingResolved(DomainError):
    """Somebody has resolved this already."""


class WalletNotFound(NotFound):
    """There is no such customer."""


class WalletFull(DomainError):
    """A wallet cannot hold that much. Spend some of it first."""


class TopUpNotAllowed(Invalid):
    """A top-up is for as much as a card can be charged and a wallet may hold, without tax: that is in what it pays."""


class GiftNotAllowed(Invalid):
    """That cannot be given: it is nothing, or more than one person may give at once."""


class PaymentNotFound(NotFound):
    """There is no such payment."""


class PaymentNotRefundable(DomainError):
    """Only a captured payment that is not disputed can be refunded."""


class RefundTooLarge(Invalid):
    """A refund cannot be more than what is left of the payment."""


class LineNotRefundable(DomainError):
    """This line cannot be given back: it charges nothing, was given back, or somebody asked for that."""


class RefundChanged(DomainError):
    """What can be given back of this line has changed since you looked. Look again."""


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
