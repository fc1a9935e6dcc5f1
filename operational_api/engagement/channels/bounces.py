"""What a mail server's no says of an address: that nobody is there, or only that this message, or this hour, is wrong.

An address ends by what is wrong with the address alone: RFC 3463's class 5.1 but for the sender's, or plain words where
a server gives no such code. Policies (5.7), full mailboxes (5.2.2) and everything that passes (4) end none.
"""

import re

_CODE = re.compile(r"\b([245])\.(\d{1,3})\.(\d{1,3})\b")
_OF_THE_SENDER = {("1", "7"), ("1", "8")}
_NOBODY = re.compile(
    r"no such (user|recipient|mailbox|address|person)|(user|recipient|mailbox|address|account)\b[^.;]{0,60}?"
    r"(unknown|not found|not exist|invalid|no longer)|(unknown|invalid) (user|recipient|mailbox|address|account)",
    re.IGNORECASE,
)


def is_nobody_there(said: str) -> bool:
    """Whether a permanent no is about the address: the reply as the server wrote it, with an enhanced code or not."""
    if codes := _CODE.findall(said):
        return any(
            (kind, subject) == ("5", "1") and (subject, detail) not in _OF_THE_SENDER for kind, subject, detail in codes
        )
    return _NOBODY.search(said) is not None


def will_pass(said: str) -> bool:
    """Whether a no that calls itself permanent is about a mailbox that is full, which passes."""
    return any((kind, subject, detail) == ("5", "2", "2") for kind, subject, detail in _CODE.findall(said))
