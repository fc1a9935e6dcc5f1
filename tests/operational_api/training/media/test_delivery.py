"""Ranges, playlists and the shelf, and signatures of folders: no store is asked."""

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operational_api.core.ranges import BadRange, Span, span_of
from operational_api.core.signed_urls import LONGEST_FOLDER, BadSignedUrl, UrlSigner
from operational_api.training.media import delivery, footage
from operational_api.training.media.footage import Probe, ladder, main_playlist, middle

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


class TestSpanOf:
    @pytest.mark.parametrize(
        ("asked", "found"),
        [
            (None, None), ("bytes=0-9", (0, 9)), ("bytes=90-", (90, 99)), ("bytes=90-500", (90, 99)),
            ("bytes=-10", (90, 99)), ("bytes=-500", (0, 99)), ("bytes=-", None), ("bytes=0-1,5-6", None),
            ("items=0-1", None), ("bytes=9-1", None), ("bytes=x-1", None),
        ],
    )  # fmt: skip
    def test_finds_the_bytes(self, asked: str | None, found: tuple[int, int] | None) -> None:
        assert span_of(asked, 100) == (Span(*found, 100) if found else None)

    @pytest.mark.parametrize("asked", ["bytes=100-", "bytes=500-600", "bytes=-0"])
    def test_refuses_what_is_behind_the_end(self, asked: str) -> None:
        with pytest.raises(BadRange):
            span_of(asked, 100)

    @given(st.text(max_size=30), st.integers(1, 1000))
    def test_never_leaves_the_file(self, asked: str, size: int) -> None:
        try:
            span = span_of(f"bytes={asked}", size)
        except BadRange:
            return
        assert span is None or 0 <= span.start <= span.end < size


class TestSignedFolder:
    SIGNER = UrlSigner({"a": b"k" * 32})

    def query(self, **given: Any) -> dict[str, str]:
        made = self.SIGNER.sign_folder(**{"folder": "/files/1/", "subject": "mia", "now": NOW} | given)
        return dict(parse_qsl(made))

    @pytest.mark.asvs("8.2.2")
    def test_opens_the_files_of_its_folder_alone(self) -> None:
        query = self.query()
        assert self.SIGNER.check_folder("/files/1/a.mp4", query, now=NOW + timedelta(minutes=59)) == "mia"
        for path in ("/files/2/a.mp4", "/files/1/deeper/a.mp4", "/files/1", "/files/a.mp4"):
            with pytest.raises(BadSignedUrl):
                self.SIGNER.check_folder(path, query, now=NOW)

    def test_is_over_after_its_hour_and_is_no_other_signature(self) -> None:
        query = self.query()
        with pytest.raises(BadSignedUrl):
            self.SIGNER.check_folder("/files/1/a.mp4", query, now=NOW + LONGEST_FOLDER)
        with pytest.raises(BadSignedUrl):
            self.SIGNER.check("GET", "/files/1/", query, now=NOW)
        one = dict(parse_qsl(self.SIGNER.sign("/files/1/", subject="mia", now=NOW).partition("?")[2]))
        with pytest.raises(BadSignedUrl):
            self.SIGNER.check_folder("/files/1/a.mp4", one, now=NOW)

    @pytest.mark.parametrize("change", [{"sub": "tom"}, {"exp": "9999999999"}, {"kid": "b"}, {"sig": "x" * 43}])
    def test_refuses_what_was_changed(self, change: dict[str, str]) -> None:
        with pytest.raises(BadSignedUrl):
            self.SIGNER.check_folder("/files/1/a.mp4", self.query() | change, now=NOW)


class TestPlaylists:
    def test_every_address_carries_the_signature(self) -> None:
        source = '#EXTM3U\n#EXT-X-MAP:URI="240p-init.mp4"\n#EXTINF:4.0,\n240p-0000.m4s\n\n#EXT-X-ENDLIST\n'
        assert delivery.signed_playlist(source, "exp=1&sig=a-b") == (
            '#EXTM3U\n#EXT-X-MAP:URI="240p-init.mp4?exp=1&sig=a-b"\n#EXTINF:4.0,\n240p-0000.m4s?exp=1&sig=a-b\n\n'
            "#EXT-X-ENDLIST\n"
        )

    @pytest.mark.parametrize(
        ("width", "height", "sizes"),
        [
            (1920, 1080, ["426x240", "854x480", "1280x720"]),
            (720, 1280, ["240x426", "480x854", "720x1280"]),
            (640, 360, ["426x240"]),
            (160, 121, ["158x120"]),
        ],
    )  # fmt: skip
    def test_no_step_of_the_ladder_is_larger_than_its_source(self, width: int, height: int, sizes: list[str]) -> None:
        steps = ladder(Probe(width, height, 10, has_sound=False))
        assert [f"{one.width}x{one.height}" for one in steps] == sizes
        first = main_playlist(steps).splitlines()[4]
        assert first == f"{middle(steps).name}.m3u8"


class Store:
    """Counts what is fetched."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def read(self, key: str) -> list[bytes]:
        self.asked.append(key)
        return [b"x" * 10]


def filmed(folder: Path, *source: str) -> Path:
    """A video as ffmpeg makes it of these sources."""
    usual = () if "-c:v" in source else ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")
    file = folder / ("video.webm" if "libvpx" in source else "video.mp4")
    subprocess.run([footage._ffmpeg(), "-v", "error", *source, *usual, str(file)], check=True)
    return file


def prepared(folder: Path, video: Path) -> footage.Probe:
    """What is served of a video, as ffmpeg sees it."""
    made = folder / "made"
    made.mkdir()
    footage.prepare(video, made, footage.probe(video), longest_seconds=60, progress=lambda _: None)
    return footage.probe(made / "video.mp4")


def mean_light(video: Path) -> float:
    """The mean of all samples of its first picture, 0-255, as a screen that knows no tags shows it."""
    asked = [footage._ffmpeg(), "-v", "error", "-i", str(video), "-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "gray"]
    samples = subprocess.run([*asked, "-"], check=True, capture_output=True).stdout
    return sum(samples) / len(samples)


class TestShapes:
    """What phones and editors make: each can be watched, and has a picture."""

    SMALL = ("-f", "lavfi", "-i", "testsrc2=size=320x240:rate=10:duration=1")

    @pytest.mark.parametrize(
        "source",
        [
            (*SMALL, "-frames:v", "1"),
            (*SMALL, "-f", "lavfi", "-i", "sine=duration=6"),  # the sound goes on when the picture has ended
            ("-f", "lavfi", "-i", "testsrc2=size=16x16:rate=10:duration=1"),
        ],
        ids=["one picture", "longer sound", "tiny"],
    )
    def test_have_a_picture(self, tmp_path: Path, source: tuple[str, ...]) -> None:
        video, made = filmed(tmp_path, *source), tmp_path / "made"
        made.mkdir()
        footage.prepare(video, made, footage.probe(video), longest_seconds=60, progress=lambda _: None)
        assert (made / "poster.jpg").read_bytes().startswith(b"\xff\xd8")
        assert (made / "video.mp4").stat().st_size > 0

    def test_that_a_browser_recorded_has_the_length_it_does_not_say(self, tmp_path: Path) -> None:
        video = filmed(tmp_path, *self.SMALL, "-c:v", "libvpx", "-f", "webm", "-live", "1")
        found = footage.probe(video)
        assert (found.width, found.height, found.duration_seconds) == (320, 240, pytest.approx(1, abs=0.1))
        assert prepared(tmp_path, video).duration_seconds == pytest.approx(1, abs=0.1)

    @pytest.mark.parametrize("turned", [90, 180, 270])
    def test_that_were_held_otherwise_stand_upright(self, tmp_path: Path, turned: int) -> None:
        lying = filmed(tmp_path, *self.SMALL)
        video = tmp_path / "turned.mp4"
        turn = [footage._ffmpeg(), "-v", "error", "-display_rotation", str(turned), "-i", str(lying), "-c", "copy"]
        subprocess.run([*turn, str(video)], check=True)
        shown = prepared(tmp_path, video)
        assert (shown.width, shown.height) == ((320, 240) if turned == 180 else (240, 320))

    def test_with_pixels_that_are_no_squares_are_not_squeezed(self, tmp_path: Path) -> None:
        shown = prepared(tmp_path, filmed(tmp_path, *self.SMALL, "-vf", "setsar=4/3"))
        assert (shown.width, shown.height) == (428, 240)

    @pytest.mark.parametrize("transfer", ["smpte2084", "arib-std-b67"])
    def test_of_a_high_dynamic_range_look_as_on_the_phone(self, tmp_path: Path, transfer: str) -> None:
        """A white wall: full light in either, and so it is shown, with the tags of a usual picture."""
        tags = f"log-level=error:colorprim=bt2020:transfer={transfer}:colormatrix=bt2020nc"
        video = filmed(
            tmp_path, "-f", "lavfi", "-i", "color=white:size=320x240:rate=10:duration=1", "-c:v", "libx265",
            "-pix_fmt", "yuv420p10le", "-tag:v", "hvc1", "-x265-params", tags,
        )  # fmt: skip
        assert footage.probe(video).is_bright
        shown = prepared(tmp_path, video)
        assert not shown.is_bright
        assert mean_light(tmp_path / "made" / "video.mp4") > 225

    def test_in_which_something_else_hides_are_made_anew_without_it(self, tmp_path: Path) -> None:
        video = filmed(tmp_path, *self.SMALL)
        page = b"<html><script>alert(1)</script>"
        video.write_bytes(
            video.read_bytes() + (len(page) + 8).to_bytes(4, "big") + b"free" + page + b"PK\x03\x04" + bytes(60)
        )
        prepared(tmp_path, video)
        served = b"".join(file.read_bytes() for file in (tmp_path / "made").iterdir())
        assert (b"<script>" in video.read_bytes(), b"<script>" in served, b"PK\x03\x04" in served) == (
            True,
            False,
            False,
        )

    @pytest.mark.parametrize(
        "source",
        [
            ("-f", "lavfi", "-i", "sine=duration=1", "-c:v", "copy"),
            ("-f", "lavfi", "-i", "testsrc2=size=320x240:duration=1", "-c:v", "gif", "-f", "gif"),
        ],
        ids=["sound alone", "GIF"],
    )
    def test_that_are_none_are_refused(self, tmp_path: Path, source: tuple[str, ...]) -> None:
        video = filmed(tmp_path, *source)
        with pytest.raises(footage.NotFootage, match="no video in this file"):
            footage.probe(video)


class TestShelf:
    def test_fetches_once_and_gives_up_what_was_not_used_longest(self) -> None:
        store = Store()
        shelf = delivery.Shelf(store, most_bytes=25)  # type: ignore[arg-type]
        assert [shelf.fetch(key)[1] for key in ("a", "a", "b", "a", "c", "a", "b")] == [
            False, True, False, True, False, True, False,
        ]  # fmt: skip
        assert store.asked == ["a", "b", "c", "b"]
