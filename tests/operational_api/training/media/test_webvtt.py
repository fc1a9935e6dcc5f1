"""Captions as people and programs write them, and as somebody writes them who means harm."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operational_api.training.media import webvtt
from operational_api.training.media.webvtt import BadCaptions, Cue

HEAD = "WEBVTT\n\n"
TEXT = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S")), min_size=1, max_size=40).map(
    lambda text: text.replace("-->", "")
)
CUES = st.lists(st.tuples(st.integers(0, 10**7), st.integers(1, 10**5), TEXT.filter(bool)), max_size=6).map(
    lambda found: [Cue(start, start + length, text) for start, length, text in sorted(found)]
)


PIECES = (
    "00:01.000 --> 00:04.000", "00:02.000-->00:03.000 align:start", "99:59:59.999 --> 100:00:00.000", "1", "NOTE x",
    "STYLE", "REGION", "<v Bob>hi", "<b>", "</b>", "&lt;", "&#x3c;script&#x3e;", "&#10;", "&#0;", "&#xD800;",
    "&amp;lt;", "<00:01.000>", ">>>", "\u202e", "\x85", "\u2028", "-->", "text",
)  # fmt: skip
"""Of files, right and wrong."""


class TestParse:
    def test_takes_what_editors_write(self) -> None:
        source = (
            "\ufeffWEBVTT - made by hand\r\nKind: captions\r\n\r\nNOTE of the editor\r\nof two lines\r\n\r\n"
            "STYLE\r\n::cue { color: red }\r\n\r\n1\r\n00:01.000 --> 00:03.500 align:start position:10%\r\n"
            "<v Cara>Feet <b>apart</b> &amp; flat</v>\r\nand breathe\r\n\r\n"
            "01:00:00.000 --> 01:00:01.000\r\n\r\n01:00:02.000 --> 01:00:04.000\r\nChậm thôi"
        )
        assert webvtt.parse(source) == [
            Cue(1000, 3500, "Feet apart & flat\nand breathe"),
            Cue(3_602_000, 3_604_000, "Chậm thôi"),
        ]

    @pytest.mark.parametrize(
        ("source", "line", "what"),
        [
            ("", 1, "begins with the word WEBVTT"),
            ("1\n00:00:01,000 --> 00:00:02,000\nSRT", 1, "begins with the word WEBVTT"),
            ("WEBVTTX\n", 1, "begins with"),
            ("WEBVTT\n00:01.000 --> 00:02.000\nx", 2, "empty line is missing"),
            (HEAD + "just words", 3, "times are missing"),
            (HEAD + "00:01.000 --> 00:02,000\nx", 3, "is no time"),
            (HEAD + "00:61.000 --> 01:02.000\nx", 3, "is no time"),
            (HEAD + "one\n00:02.000 --> 00:01.000\nx", 4, "ends before it begins"),
            (HEAD + "00:05.000 --> 00:06.000\nx\n\n00:01.000 --> 00:02.000\ny", 6, "before the one above"),
            (HEAD + "00:01.000 --> 00:02.000\n<script>alert(1)</script>", 4, "markup"),
            (HEAD + "00:01.000 --> 00:02.000\n<img src=x onerror=y>", 4, "markup"),
            (HEAD + "00:01.000 --> 00:02.000\nx\n00:02.000 --> 00:03.000\ny", 4, "empty line is missing"),
            (HEAD + "00:01.000 --> 00:02.000\na\0b", 4, "no text"),
            (HEAD + "00:01.000 --> 00:02.000\n" + "x" * 501, 4, "at most 500"),
            (HEAD + "00:20.000 --> 00:21.000\nx", 3, "after the end of the video"),
            (HEAD + "x" * 500_001, 1, "longer than"),
            (HEAD + "00:01.000 --> 00:02.000\nx\n\n" * 5001, 15003, "more than 5,000"),
        ],
    )  # fmt: skip
    def test_refuses_with_the_line(self, source: str, line: int, what: str) -> None:
        with pytest.raises(BadCaptions, match=what) as refusal:
            webvtt.parse(source, longest_ms=10_000)
        assert refusal.value.line == line

    def test_leaves_out_signs_that_hide_others(self) -> None:
        assert webvtt.parse(HEAD + "00:01.000 --> 00:02.000\nab&rlm;\u202ec&nbsp;d")[0].text == "abc d"

    @given(st.text(max_size=200))
    def test_reads_or_refuses_whatever_comes(self, text: str) -> None:
        for source in (text, HEAD + text, HEAD + "00:01.000 --> 00:02.000\n" + text):
            with suppress(BadCaptions):  # anything else is a crash
                assert all(cue.ends_ms > cue.starts_ms for cue in webvtt.parse(source))

    @pytest.mark.parametrize("text", ["a\n<b></b>\nc", "a&#10;&#10;c", " a <i>\n</i> c", "a\n&rlm;\nc"])
    def test_no_text_has_an_empty_line_that_would_end_it(self, text: str) -> None:
        cues = webvtt.parse(HEAD + f"00:01.000 --> 00:02.000\n{text}\n")
        assert [one.text for one in cues] == ["a\nc"]
        assert webvtt.parse(webvtt.write(cues)) == cues

    @given(st.lists(st.tuples(st.sampled_from(PIECES), st.sampled_from(["\n", "\n", "\n\n", "\r", "\r\n", " "]))))
    def test_what_is_taken_is_written_and_taken_again_as_it_is(self, pieces: list[tuple[str, str]]) -> None:
        with suppress(BadCaptions):
            cues = webvtt.parse(HEAD + "".join(piece + end for piece, end in pieces))
            assert webvtt.parse(webvtt.write(cues)) == cues

    @given(CUES)
    def test_reads_what_we_write(self, cues: list[Cue]) -> None:
        assert webvtt.parse(webvtt.write(cues)) == [
            Cue(one.starts_ms, one.ends_ms, one.text.strip()) for one in cues if one.text.strip()
        ]
