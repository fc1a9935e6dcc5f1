"""What a file really is, and the files that are made of it: a ladder of renditions as HLS, an MP4, a picture.

ffmpeg reads what strangers send, so it may open nothing but that file: no other protocol, no format that names other
files (playlists, concatenations). What comes out carries none of the source's metadata: phones write where one lives.
"""

import math
import re
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from shutil import which
from tempfile import TemporaryFile
from threading import Timer

import filetype
import imageio_ffmpeg

TYPES = {
    "video/mp4": "MP4", "video/quicktime": "MOV", "video/x-m4v": "MP4", "video/webm": "WebM",
    "video/x-matroska": "Matroska",
}  # fmt: skip
SHORT_SIDES = (240, 480, 720)
RATES_KBIT = {240: 400, 480: 1200, 720: 2800}
"""Most that a rendition takes of a line; quiet pictures take less."""
SEGMENT_SECONDS = 4
LARGEST_SIDE = 8192
_ONLY_THIS_FILE = (
    "-protocol_whitelist", "file", "-format_whitelist", "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm",
)  # fmt: skip
_DURATION = re.compile(r"Duration: (\d+):(\d\d):(\d\d(?:\.\d+)?)")
_PICTURE = re.compile(r"Stream #0:\d+.*?: Video: (\w+).*?, (\d{1,5})x(\d{1,5})[ ,\n](?:\[?SAR (\d{1,4}):(\d{1,4}))?")
_UNTIL = re.compile(r"time=(\d+):(\d\d):(\d\d(?:\.\d+)?)")
_BRIGHT = re.compile(r"Stream #0:\d+.*?: Video: [^\n]*(?:smpte2084|arib-std-b67)")
_TURNED = re.compile(r"rotation of (-?\d+(?:\.\d+)?) degrees")


class NotFootage(ValueError):
    """The file cannot be read as a video; the text says why, for whoever sent it."""


class Interrupted(Exception):
    """Whoever watched the progress wanted no more of it, or it took too long."""


@dataclass(frozen=True, slots=True)
class Probe:
    """What ffmpeg sees: sides as they are shown, after turning and with square pixels. `is_bright`: of a higher dynamic
    range (PQ, HLG), as phones film by themselves."""

    width: int
    height: int
    duration_seconds: float
    has_sound: bool
    is_bright: bool = False


@dataclass(frozen=True, slots=True)
class Rendition:
    """One step of the ladder. `bits_per_second` is the most that its segments take."""

    name: str
    width: int
    height: int
    bits_per_second: int
    has_sound: bool

    def told(self) -> dict[str, object]:
        """For a row."""
        return asdict(self)


def media_type_of(file: Path) -> str | None:
    """What a file is by its first bytes, None for what is not taken. Its name counts nothing."""
    with file.open("rb") as content:
        found = filetype.guess_mime(content.read(8192))
    return found if found in TYPES else None


def probe(file: Path) -> Probe:
    """What the file holds.

    Raises:
        NotFootage: no video that can be read.
    """
    asked = [_ffmpeg(), "-nostdin", "-hide_banner", *_ONLY_THIS_FILE, "-i", str(file)]
    try:
        said = subprocess.run(asked, capture_output=True, timeout=30, check=False).stderr.decode(errors="replace")  # noqa: S603
    except subprocess.TimeoutExpired:
        raise NotFootage("This video cannot be read.") from None
    picture = _PICTURE.search(said)
    if picture is None or (duration := _DURATION.search(said) or _counted(file)) is None:
        raise NotFootage("There is no video in this file, or it is damaged.")
    hours, minutes, seconds = (float(part) for part in duration.groups())
    width, height = int(picture[2]), int(picture[3])
    if picture[4] and int(picture[4]) and int(picture[5]):
        width = round(width * int(picture[4]) / int(picture[5]))
    turned = _TURNED.search(said)
    if turned and round(abs(float(turned[1]))) % 180 == 90:
        width, height = height, width
    if not (0 < width <= LARGEST_SIDE and 0 < height <= LARGEST_SIDE):
        raise NotFootage("The picture of this video is too large.")
    return Probe(width, height, (hours * 60 + minutes) * 60 + seconds, ": Audio: " in said, bool(_BRIGHT.search(said)))


def _counted(file: Path) -> re.Match[str] | None:
    """How long a file is that does not say so, as browsers record them: by reading it through, without decoding."""
    asked = [_ffmpeg(), "-nostdin", "-hide_banner", *_ONLY_THIS_FILE, "-i", str(file), "-c", "copy", "-f", "null", "-"]
    try:
        said = subprocess.run(asked, capture_output=True, timeout=120, check=False).stderr.decode(errors="replace")  # noqa: S603
    except subprocess.TimeoutExpired:
        raise NotFootage("This video cannot be read.") from None
    return next(reversed(list(_UNTIL.finditer(said))), None)


def ladder(source: Probe) -> list[Rendition]:
    """The renditions to make, the smallest first: none larger than the source, but always one."""
    short = min(source.width, source.height)
    sides = [side for side in SHORT_SIDES if side <= short] or [max(2, short - short % 2)]
    return [_rendition(source, side) for side in sides]


def middle(renditions: Sequence[Rendition]) -> Rendition:
    """The one that is offered where nothing can choose: as an MP4."""
    return renditions[len(renditions) // 2]


def prepare(
    source: Path, folder: Path, found: Probe, *, longest_seconds: float, progress: Callable[[int], None]
) -> list[Rendition]:
    """Fill a folder with what is served of a video: `main.m3u8`, a playlist and segments of each rendition, `video.mp4`
    and `poster.jpg`.

    Args:
        longest_seconds: After so long it is given up.
        progress: Called with per cent, about twice a second; what it raises ends ffmpeg.

    Raises:
        NotFootage: it cannot be decoded.
        Interrupted: it took too long.
    """
    renditions = ladder(found)
    _encode(source, folder, found, renditions, longest_seconds, progress)
    _cut(folder, renditions)
    _picture(folder, renditions, found)
    (folder / "main.m3u8").write_text(main_playlist(renditions))
    for one in renditions:
        made = folder / f"{one.name}.mp4"
        if one is middle(renditions):
            made.rename(folder / "video.mp4")
        else:
            made.unlink()
    return renditions


def main_playlist(renditions: Sequence[Rendition]) -> str:
    """The list of lists, the middle one first: players begin with it."""
    first = middle(renditions)
    lines = ["#EXTM3U", "#EXT-X-VERSION:7", "#EXT-X-INDEPENDENT-SEGMENTS"]
    for one in sorted(renditions, key=lambda one: one is not first):
        codecs = "avc1.4d401f" + (",mp4a.40.2" if one.has_sound else "")
        lines.append(
            f'#EXT-X-STREAM-INF:BANDWIDTH={one.bits_per_second},RESOLUTION={one.width}x{one.height},CODECS="{codecs}"'
        )
        lines.append(f"{one.name}.m3u8")
    return "\n".join(lines) + "\n"


_TO_USUAL = (
    "setparams=color_primaries=bt2020:colorspace=bt2020nc,zscale=transfer=linear:npl=100,format=gbrpf32le,zscale=primaries=bt709,tonemap=hable:desat=0,"
    "zscale=transfer=bt709:matrix=bt709:range=tv,"
)
"""From PQ or HLG to what every screen shows; as it is, it would be grey there."""


def _encode(
    source: Path, folder: Path, found: Probe, renditions: Sequence[Rendition], longest_seconds: float,
    progress: Callable[[int], None],
) -> None:  # fmt: skip
    names = [f"[v{index}]" for index in range(len(renditions))]
    graph = f"[0:v:0]{_TO_USUAL if found.is_bright else ''}split={len(renditions)}" + "".join(
        f"[s{index}]" for index in range(len(renditions))
    )
    for index, one in enumerate(renditions):
        graph += f";[s{index}]scale={one.width}:{one.height},setsar=1,format=yuv420p{names[index]}"
    command = [
        _ffmpeg(), "-nostdin", "-hide_banner", "-loglevel", "error", "-progress", "pipe:1", "-stats_period", "0.5",
        *_ONLY_THIS_FILE, "-i", str(source), "-filter_complex", graph,
    ]  # fmt: skip
    for name, one in zip(names, renditions, strict=True):
        rate = RATES_KBIT.get(min(one.width, one.height), RATES_KBIT[240])
        command += [
            "-map", name, "-c:v", "libx264", "-preset", "veryfast", "-profile:v", "main", "-level", "3.1",
            "-crf", "23", "-maxrate", f"{rate}k", "-bufsize", f"{2 * rate}k", "-fpsmax", "30",
            "-force_key_frames", f"expr:gte(t,n_forced*{SEGMENT_SECONDS / 2})", "-sc_threshold", "0",
        ]  # fmt: skip
        if one.has_sound:
            command += ["-map", "0:a:0", "-c:a", "aac", "-b:a", "96k", "-ac", "2", "-ar", "48000"]
        command += [
            "-map_metadata", "-1", "-map_chapters", "-1", "-movflags", "+faststart", str(folder / f"{one.name}.mp4"),
        ]  # fmt: skip
    _watch(command, found.duration_seconds, longest_seconds, progress)


@cache
def _as_a_guest() -> list[str]:
    """What a command is begun with, where this machine has it: it lets others go first, and does not outlive us. Even
    by kill -9: ffmpeg minds no closed pipe, and would go on into a folder that is the next worker's by then."""
    bound, nice = which("setpriv"), which("nice")
    return [*([bound, "--pdeathsig", "KILL"] if bound else []), *([nice, "-n", "10"] if nice else [])]


def _watch(command: list[str], duration: float, longest_seconds: float, progress: Callable[[int], None]) -> None:
    with (
        TemporaryFile() as complaints,  # a damaged file makes more of them than a pipe holds
        subprocess.Popen([*_as_a_guest(), *command], stdout=subprocess.PIPE, stderr=complaints) as process,  # noqa: S603
    ):
        late = Timer(longest_seconds, process.kill)
        late.start()
        try:
            assert process.stdout is not None  # noqa: S101 - asked for above
            for line in process.stdout:
                name, _, value = line.decode().strip().partition("=")
                if name == "out_time_us" and value.isdigit() and duration > 0:
                    progress(min(99, int(100 * int(value) / 1e6 / duration)))
            process.wait()
        except BaseException:
            process.kill()
            raise
        finally:
            is_late = not late.is_alive()
            late.cancel()
        complaints.seek(0)
        said = complaints.read(20_000).decode(errors="replace").strip()
    if is_late:
        raise Interrupted
    if process.returncode:
        raise NotFootage(f"This video is damaged: {said.splitlines()[-1][:200] if said else 'it ends too early'}")


def _cut(folder: Path, renditions: Sequence[Rendition]) -> None:
    command = [_ffmpeg(), "-nostdin", "-hide_banner", "-loglevel", "error"]
    for one in renditions:
        command += ["-i", str(folder / f"{one.name}.mp4")]
    for index, one in enumerate(renditions):
        command += [
            "-map", str(index), "-c", "copy", "-f", "hls", "-hls_time", str(SEGMENT_SECONDS), "-hls_list_size", "0",
            "-hls_playlist_type", "vod", "-hls_segment_type", "fmp4", "-hls_flags", "independent_segments",
            "-hls_fmp4_init_filename", f"{one.name}-init.mp4",
            "-hls_segment_filename", str(folder / f"{one.name}-%04d.m4s"), str(folder / f"{one.name}.m3u8"),
        ]  # fmt: skip
    _run(command)


def _picture(folder: Path, renditions: Sequence[Rendition], found: Probe) -> None:
    """A second in, or half way; the first picture where there is none so late: sound may outlast what is seen."""
    poster = folder / "poster.jpg"
    command = [_ffmpeg(), "-nostdin", "-hide_banner", "-loglevel", "error"]
    of = ["-i", str(folder / f"{middle(renditions).name}.mp4"), "-frames:v", "1", "-update", "1", "-q:v", "4"]
    late = [*command, "-ss", f"{min(1.0, found.duration_seconds / 2):.2f}", *of, str(poster)]
    subprocess.run(late, check=False, capture_output=True, timeout=300)  # noqa: S603
    if not poster.exists():
        _run([*command, *of, str(poster)])


def _run(command: list[str]) -> None:
    """On files of our own: what goes wrong here is no fault of the video."""
    subprocess.run(command, check=True, capture_output=True, timeout=300)  # noqa: S603


def _rendition(source: Probe, side: int) -> Rendition:
    scale = side / min(source.width, source.height)
    width, height = _even(source.width * scale), _even(source.height * scale)
    rate = RATES_KBIT.get(side, RATES_KBIT[240]) * 1100 + (100_000 if source.has_sound else 0)
    return Rendition(f"{side}p", width, height, rate, source.has_sound)


def _even(length: float) -> int:
    return max(2, 2 * math.floor(length / 2 + 0.5))


@cache
def _ffmpeg() -> str:
    return str(imageio_ffmpeg.get_ffmpeg_exe())
