"""What a user agent says of browser, system and kind of device, at three grains. It may lie: evidence, no proof."""

import re
from dataclasses import dataclass

_SYSTEMS = (
    ("iPhone", "iPhone", "phone", r"OS (\d+)"), ("iPad", "iPad", "tablet", r"OS (\d+)"),
    ("Android", "Android", "phone", r"Android (\d+)"), ("CrOS", "Chromebook", "computer", r"CrOS \S+ (\d+)"),
    ("Mac OS X", "Mac", "computer", r"Mac OS X (\d+)"), ("Windows", "Windows", "computer", r"Windows NT (\d+)"),
    ("Linux", "Linux", "computer", None),
)  # fmt: skip
_PROGRAMS = (
    ("Edg/", "Edge"), ("EdgA/", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("FxiOS/", "Firefox"),
    ("SamsungBrowser/", "Samsung Internet"), ("CriOS/", "Chrome"), ("Chrome/", "Chrome"), ("Version/", "Safari"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Agent:
    """`agent` "Chrome 126 on Android 14", `program` "Chrome on Android", `kind` phone, tablet, computer or other."""

    agent: str
    program: str
    kind: str


def read_agent(user_agent: str) -> Agent:
    """The three grains of a user agent."""
    mark, program = next((one for one in _PROGRAMS if one[0] in user_agent), ("", "Another program"))
    version = re.search(re.escape(mark) + r"(\d+)", user_agent) if mark else None
    found = next((one for one in _SYSTEMS if one[0] in user_agent), None)
    told = f"{program} {version[1]}" if version else program
    if found is None:
        return Agent(told[:80], program, "other")
    _, system, kind, pattern = found
    if system == "Android" and "Mobile" not in user_agent:
        kind = "tablet"
    release = re.search(pattern, user_agent) if pattern else None
    return Agent(f"{told} on {system} {release[1] if release else ''}".strip()[:80], f"{program} on {system}", kind)
