"""Refusals of engagement.

DomainError
|- NudgeRefused         409   the customer is not to be nudged now
|  |- NudgesOff               they switched nudges off
|  |- QuietHours              their quiet time
|  |- DisturbsNot             they want no messages for some days
|  |- TooManyNudges           they had enough of them lately
|- NoCoachYet           409   a customer without a coach writes to nobody
|- MessageRejected      422   empty or too long
|- HalfQuiet            422   a start of quiet hours without an end
|- InvalidEmail         422   an address that cannot be one
|- UnknownChoice        422   a channel, purpose or language that there is not
|- InvalidPhone         422   not a number with its country
|- UnknownDevice        422   a push subscription at a service we do not know
|- UnknownMergeField    422   a template speaks of a field that there is not
|  |- EmptyMergeField          this client has no value for it
|- TemplateRejected     422   a template without a name or words, or a second one of its name
|- TooSoon              422   a later message for the past, or for a time that the clocks jump over
|- MessageNotUndecided  409   it is known what became of it, or somebody was quicker
|- LeadHasAccount       409   what became of a lead with an account is the account's
|- LeadAskedAgain       409   they have asked again since, and wait under that
|- MailArrives          409   an address from which nothing came back
|- FileRejected         422   too large, or of a kind that is not taken
|- FileChecked          409   not looked through for viruses yet
|- FileHarmful          409   something harmful was in it
|- ForgedMessageEvent   401   a provider's event without a good signature
|- MalformedMessageEvent 400  signed, but no event of the provider's
|- BadUnsubscribeLink   404   changed, or never ours
|- LeadNotFound         404   no such lead, of another studio, or forgotten
|- ScheduledNotFound    404   no such later message, or it has left
|- TemplateNotFound     404
|- AttachmentNotFound   404
|- InboxMessageNotFound 404   no such message in the inbox, or not yours
|- DisturbEnd           422   do not disturb until when there is no such choice
|- ThreadNotFound       404   no such thread, or not yours
|- UnknownTemplate      422   an e-mail that does not exist, or that lacks a value
"""

from operational_api.core.errors import DomainError, Invalid, NotFound, Unauthenticated


class MessageNotUndecided(DomainError):
    """It is known by now what became of this message, or somebody else has just said so."""


class NudgeRefused(DomainError):
    """This customer is not to be nudged now."""


class NudgesOff(NudgeRefused):
    """This customer has switched check-ins off. A chat message in reply to theirs is still fine."""


class QuietHours(NudgeRefused):
    """It is quiet time where this customer lives. Nothing was sent."""


class DisturbsNot(NudgeRefused):
    """This customer wants no messages for some days. Nothing was sent."""


class TooManyNudges(NudgeRefused):
    """This customer has had enough check-ins for one week. Give them room."""


class NoCoachYet(DomainError):
    """You have no coach yet, so there is nobody to write to. Book a first session and you will meet one."""


class MessageRejected(Invalid):
    """A message needs 1 to 4000 characters."""


class UnknownTemplate(Invalid):
    """No e-mail has this name."""


class HalfQuiet(Invalid):
    """Quiet hours need a start and an end."""


class InvalidEmail(Invalid):
    """That does not look like an e-mail address."""


class ThreadNotFound(NotFound):
    """There is no such conversation, or it is not yours."""


class UnknownChoice(Invalid):
    """There is no such channel, purpose or language."""


class InvalidPhone(Invalid):
    """Write the number with its country, like +49 151 23456789 or +84 912 345 678."""


class UnknownDevice(Invalid):
    """This browser's push service is not one we know."""


class UnknownMergeField(Invalid):
    """A template speaks of a field that there is not."""


class EmptyMergeField(UnknownMergeField):
    """This client has no value for a field of the template."""


class TemplateRejected(Invalid):
    """A template needs a name of its own (60 characters at most) and 1 to 4000 characters of text."""


class TooSoon(Invalid):
    """Pick a time that lies ahead where this person lives."""


class MailArrives(DomainError):
    """No e-mail to this address came back, so there is nothing to lift."""


class FileRejected(Invalid):
    """Files are pictures (JPEG, PNG, WebP), PDF or MP4, of 10 MB at most."""


class FileChecked(DomainError):
    """This file is still being checked for viruses. Try again in a moment."""


class FileHarmful(DomainError):
    """Our virus scanner found something harmful in this file. It was deleted."""


class ForgedMessageEvent(Unauthenticated):
    """The signature of this event is missing, wrong or too old."""


class MalformedMessageEvent(DomainError):
    """This is nothing that a provider says of a message."""

    status = 400


class BadUnsubscribeLink(NotFound):
    """This link is not whole. Open the newest e-mail, or sign in and choose under Messages."""


class ScheduledNotFound(NotFound):
    """There is no such later message, or it has left already."""


class LeadHasAccount(DomainError):
    """They have an account: who they are, and what became of them, is said there."""


class LeadAskedAgain(DomainError):
    """They have asked again since, and wait under that."""


class LeadNotFound(NotFound):
    """There is no such lead."""


class AnnouncementNotFound(NotFound):
    """There is no such announcement."""


class TemplateNotFound(NotFound):
    """There is no such template, or it is not yours."""


class InboxMessageNotFound(NotFound):
    """There is no such message in your inbox."""


class DisturbEnd(Invalid):
    """Pick an end that lies ahead, a month away at most."""


class AttachmentNotFound(NotFound):
    """There is no such file, or it is not yours."""
