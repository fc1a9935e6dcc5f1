"""WebVTT read strictly and written plainly: what people upload is never passed on, only what we understood of it.

Taken are cues with times and text. Styles, regions, settings and markup are left out or refused: what is shown is
text. Source: W3C, WebVTT: The Web Video Text Tracks Format (Candidate Recommendation, 4 April 2019), section 4.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from html import unescape

LARGEST_CHARACTERS = 500_000
MOST_CUES = 5_000
LONGEST_TEXT = 500
_TIME = re.compile(r"(?:(\d{2,4}):)?([0-5]\d):([0-5]\d)\.(\d{3})$", re.ASCII)
_ARROW = re.compile(r"[ \t]*-->[ \t]*")
_TAG = re.compile(r"</?(?:[cibuv]|ruby|rt|lang)(?:[.\s][^<>]*)?>|<(?:\d+:)?\d\d:\d\d\.\d{3}>", re.ASCII)


class BadCaptions(ValueError):
    """What is wrong; `line` is where, counted from 1."""

    def __init__(self, line: int, what: str) -> None:
        super().__init__(f"Line {line}: {what}")
        self.line, self.what = line, what


@dataclass(frozen=True, slots=True)
class Cue:
    """One caption. Times in milliseconds from the start; the text is plain, with line ends as people set them."""

    starts_ms: int
    ends_ms: int
    text: str


def parse(source: str, *, longest_ms: int | None = None) -> list[Cue]:
    """The cues of a file, in order of their times.

    Args:
        longest_ms: Length of the video: no cue begins after it.

    Raises:
        BadCaptions: it is not WebVTT, or not all of it.
    """
    if len(source) > LARGEST_CHARACTERS:
        raise BadCaptions(1, f"longer than {LARGEST_CHARACTERS:,} characters.")
    lines = source.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if not re.match(r"WEBVTT(?:[ \t].*)?$", lines[0]):
        raise BadCaptions(1, "a file of captions begins with the word WEBVTT.")
    cues: list[Cue] = []
    for first, block in _blocks(lines):
        if (cue := _cue(first, block)) is None:
            continue
        if cues and cue.starts_ms < cues[-1].starts_ms:
            raise BadCaptions(first, "this caption begins before the one above it.")
        if longest_ms is not None and cue.starts_ms >= longest_ms:
            raise BadCaptions(first, "this caption begins after the end of the video.")
        if len(cues) == MOST_CUES:
            raise BadCaptions(first, f"more than {MOST_CUES:,} captions.")
        cues.append(cue)
    return cues


def write(cues: Iterable[Cue]) -> str:
    """The same cues as a file of our own."""
    blocks = [f"{_told(cue.starts_ms)} --> {_told(cue.ends_ms)}\n{_escaped(cue.text)}\n" for cue in cues]
    return "\n".join(["WEBVTT\n", *blocks])


def _blocks(lines: list[str]) -> Iterable[tuple[int, list[str]]]:
    """Blocks between empty lines, each with the number of its first line; what belongs to the head is none."""
    block: list[str] = []
    is_head = True
    for number, line in enumerate([*lines[1:], ""], start=2):
        if line.strip():
            if "\0" in line:
                raise BadCaptions(number, "a character that is no text.")
            block.append(line)
        elif block or is_head:
            if is_head and any("-->" in one for one in block):
                raise BadCaptions(2, "an empty line is missing between WEBVTT and the first caption.")
            if block and not is_head:
                yield number - len(block), block
            block, is_head = [], False


def _cue(first: int, block: list[str]) -> Cue | None:
    if block[0].startswith(("NOTE", "STYLE", "REGION")) and "-->" not in block[0]:
        return None
    at = next((index for index, line in enumerate(block[:2]) if "-->" in line), None)
    if at is None:
        raise BadCaptions(first, "times are missing, like 00:01.000 --> 00:04.000.")
    begins, _, rest = _ARROW.sub("\0", block[at].strip(), count=1).partition("\0")
    ends = rest.split()[0] if rest.split() else ""
    starts_ms, ends_ms = _time(begins, first + at), _time(ends, first + at)
    if ends_ms <= starts_ms:
        raise BadCaptions(first + at, "this caption ends before it begins.")
    text = _text("\n".join(line.strip() for line in block[at + 1 :]), first + at + 1)
    return Cue(starts_ms, ends_ms, text) if text else None


def _time(told: str, line: int) -> int:
    found = _TIME.match(told)
    if found is None:
        raise BadCaptions(line, f"{told[:30]!r} is no time, like 00:01.000 or 01:00:01.000.")
    hours, minutes, seconds, thousandths = (int(part or 0) for part in found.groups())
    return ((hours * 60 + minutes) * 60 + seconds) * 1000 + thousandths


def _text(source: str, line: int) -> str:
    if "-->" in source:
        raise BadCaptions(line, "an empty line is missing before the next caption.")
    plain = _TAG.sub("", source)
    if "<" in plain:
        raise BadCaptions(line, "markup that captions do not have; write &lt; for the sign <.")
    tame = "".join(_tame(sign) for sign in unescape(plain))
    plain = "\n".join(line.strip() for line in tame.split("\n") if line.strip())  # an empty line would end the caption
    if len(plain) > LONGEST_TEXT:
        raise BadCaptions(line, f"a caption is at most {LONGEST_TEXT} characters long.")
    return plain


def _tame(sign: str) -> str:
    """Signs that show nothing go: among them are those that turn the order of others around."""
    return sign if sign == "\n" or sign.isprintable() else " " if sign.isspace() else ""


def _told(ms: int) -> str:
    seconds, thousandths = divmod(ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}.{thousandths:03d}"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
