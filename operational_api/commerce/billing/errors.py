"""The refusals of our own billing.

DomainError
|- NotChangeable NotPausable NotResumable AlreadyOnPlan ChangePending BilledElsewhere NothingToPay           409
|- PaymentNotTold NotPaidBefore                                                                             409
|- NeedsLook NotWaiting ParkedInvoiceDecided ParkedInvoiceChanged CustomerNotParked                         409
|- CouponExists CouponUsed IntroUsed InvoiceNotCreditable PeriodClosed PayerLoop FeePaid PriceHolds         409
|- IntervalDiffers PauseTooLong CreditTooLarge CouponNotForThis PriceInThePast PayPeriodInvalid (Invalid)    422
|- NotSettledSo (Invalid)                                                                                   422
|- PayoutTakenBack PayChanged                                                                               409
|- PayoutTooLarge PayoutDayInvalid (Invalid)                                                                422
|- OwnMoney (Forbidden)                                                                                     403
|- CouponNotFound InvoiceNotFound CreditNoteNotFound PersonNotFound StatementNotFound (NotFound)             404
|- PriceNotFound PayoutNotFound (NotFound)                                                                 404
"""

from operational_api.core.errors import DomainError, Forbidden, Invalid, NotFound


class NotChangeable(DomainError):
    """This membership cannot be changed now: it is overdue, about to end, or has ended."""


class NotPausable(DomainError):
    """Only a running membership that is paid can be paused."""


class NotResumable(DomainError):
    """This membership is not paused."""


class AlreadyOnPlan(DomainError):
    """That is your plan already."""


class ChangePending(DomainError):
    """A change of plan waits for its payment. It is decided within minutes; nothing else can be changed until then."""


class BilledElsewhere(DomainError):
    """This membership is billed by the payment provider: end it there first, then start it anew here."""


class PaymentNotTold(DomainError):
    """We have not heard yet what you paid last for this membership. Try again in a few minutes."""


class NothingToPay(DomainError):
    """Nothing of this is waiting to be paid."""


class NeedsLook(DomainError):
    """Somebody of us has to look at this amount first. Nothing was changed or charged: please write to us."""


class NotWaiting(DomainError):
    """This does not wait for anybody any more: somebody was quicker, or it was invoiced or given back meanwhile."""


class ParkedInvoiceDecided(DomainError):
    """Somebody has decided about this invoice already."""


class ParkedInvoiceChanged(DomainError):
    """What this invoice is made of has changed since you looked at it. Look again."""


class CustomerNotParked(DomainError):
    """Billing of this customer goes on already."""


class OwnMoney(Forbidden):
    """This is about your own money: somebody else of us decides."""


class NotSettledSo(Invalid):
    """A charge can be waived; a credit can be paid by other means, or written off."""


class IntervalDiffers(Invalid):
    """Between a monthly and a yearly plan the change begins a new period, or waits until the paid one ends."""


class NotPaidBefore(DomainError):
    """Begin it under Plans, where the first payment is made, and the next one after a payment that failed."""


class PauseTooLong(Invalid):
    """A pause ends on a day after today, and within a year."""


class CouponNotFound(NotFound):
    """We do not know this code, or it is no longer valid."""


class PriceNotFound(NotFound):
    """There is no such price of this plan."""


class PriceHolds(DomainError):
    """This price holds already, or another one follows it: set a new one instead."""


class CouponExists(DomainError):
    """There is a coupon of that name already."""


class CouponUsed(DomainError):
    """This code was used already."""


class CouponNotForThis(Invalid):
    """This code is not for this plan or currency."""


class IntroUsed(DomainError):
    """The introduction is for people who have not trained with us before."""


class PersonNotFound(NotFound):
    """There is no account of that id."""


class StatementNotFound(NotFound):
    """There is no such pay statement."""


class InvoiceNotFound(NotFound):
    """There is no such invoice."""


class InvoiceNotCreditable(DomainError):
    """Only an open invoice can be credited; of one that is paid, give the money back."""


class FeePaid(DomainError):
    """This fee was paid already: ask for a refund of its line of the invoice instead."""


class CreditTooLarge(Invalid):
    """A credit note cannot be for more than what is left of the invoice."""


class CreditNoteNotFound(NotFound):
    """There is no such credit note."""


class PriceInThePast(Invalid):
    """A new price begins now or later: the past was charged already."""


class PayerLoop(DomainError):
    """Who pays for somebody else pays for themselves: nobody else can pay for them."""


class PayersRefused(DomainError):
    """One of them cannot be paid for so: nothing was changed for anybody."""


class PayPeriodInvalid(Invalid):
    """A pay period ends after it begins, and is over when it is closed."""


class PeriodClosed(DomainError):
    """This pay period is closed, or a closed one overlaps it."""


class PayoutNotFound(NotFound):
    """There is no such payment to a coach."""


class PayoutTakenBack(DomainError):
    """This payment was taken back already."""


class PayoutTooLarge(Invalid):
    """That is more than what is left to pay of this statement."""


class PayoutDayInvalid(Invalid):
    """The day it was paid is today or earlier, and not before the pay period began."""


class PayChanged(DomainError):
    """What is left to pay of this statement has changed since you looked at it. Look again."""
