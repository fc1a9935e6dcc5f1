"""From a phone to a player: a real S3 server, ffmpeg, clamd and Chromium. One file, so that one worker starts them."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event, Thread
from typing import Any
from uuid import UUID

import httpx
import pytest
import uvicorn
from fastapi.testclient import TestClient
from playwright.sync_api import Page, Route, sync_playwright
from sqlalchemy import create_engine, func, select, update
from sqlalchemy.orm import Session

from operational_api.core.models import OutboxEvent
from operational_api.core.objects import ObjectMissing, ObjectSettings, ObjectStore
from operational_api.identity.models import Account
from operational_api.training.media import footage
from operational_api.training.media.claims import Superseded
from operational_api.training.models import Media, MediaCue, MediaPosition
from operational_api.training.service import media
from plyo.demo import videos
from plyo.logins import LOGINS
from plyo.postgres import free_port
from tests.conftest import sqlalchemy_url
from tests.factories import account_of, make_account, make_client, make_coach, make_exercise
from tests.operational_api.conftest import access_token
from tests.operational_api.training.media.conftest import (
    SMALLEST_PART,
    Studio,
    begin,
    keys_below,
    parts_of,
    put,
    send,
)
from tests.stores import EICAR

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def people(studio: Studio) -> dict[str, Account]:
    """Mia of coach Cara, and Tom."""
    with studio.sessions.begin() as session:
        cara = make_coach(session)
        found = {"mia": make_client(session, coach=cara), "tom": make_client(session), "cara": cara}
        return {name: account_of(session, one) for name, one in found.items()}


@pytest.fixture(scope="module")
def phones(studio: Studio, people: dict[str, Account]) -> dict[str, TestClient]:
    return {name: studio.client_of(account) for name, account in people.items()}


@pytest.fixture(scope="module")
def watched(studio: Studio, phones: dict[str, TestClient], clip: bytes) -> str:
    """A form video of Mia's that can be watched."""
    media_id = send(phones["mia"], clip)
    studio.work()
    return media_id


class TestUpload:
    @pytest.mark.asvs("5.2.1")
    def test_goes_on_after_a_lost_network_with_what_is_missing(
        self, studio: Studio, phones: dict[str, TestClient], clip: bytes
    ) -> None:
        # A box of padding after the last one of a clip: a larger file that is still a video.
        size = SMALLEST_PART + 1000
        content = clip + size.to_bytes(4, "big") + b"free" + bytes(size - 8)
        phone, (first, second) = phones["mia"], parts_of(content)
        begun = begin(phone, content)
        assert (begun["part_count"], begun["arrived"]) == (2, [])
        assert put(phone, begun["id"], 2, second).status_code == 200
        answer = phone.post(f"/api/training/media/{begun['id']}/completion")
        assert (answer.status_code, answer.json()["code"], answer.json()["missing"]) == (
            422, "training.incomplete", [1],
        )  # fmt: skip
        again = begin(phone, content)
        assert (again["id"], again["arrived"]) == (begun["id"], [2])
        for number, part, headers in (
            (1, second, {}), (3, second, {}), (1, first, {"X-Content-SHA256": "0" * 64}), (1, first + b"x", {}),
        ):  # fmt: skip
            answer = put(phone, begun["id"], number, part, **headers)
            assert (answer.status_code, answer.json()["code"]) == (422, "training.wrong_part")
        for _ in range(2):
            assert put(phone, begun["id"], 1, first).status_code == 200
        for _ in range(2):
            answer = phone.post(f"/api/training/media/{begun['id']}/completion")
            assert (answer.status_code, answer.json()["status"]) == (200, "checking")
        assert studio.store.size(media.original_key(UUID(begun["id"]))) == len(content)
        assert put(phone, begun["id"], 1, first).json()["code"] == "training.upload_closed"
        with studio.sessions() as session:
            facts = session.scalars(select(OutboxEvent).where(OutboxEvent.aggregate_id == UUID(begun["id"]))).all()
        assert [one.type for one in facts] == ["training.media_uploaded"]
        phone.delete(f"/api/training/media/{begun['id']}")
        studio.work()

    def test_another_ones_is_not_there(self, phones: dict[str, TestClient], clip: bytes) -> None:
        begun = begin(phones["mia"], clip, "Mine")
        for name in ("tom", "cara"):
            answer = put(phones[name], begun["id"], 1, clip)
            assert (answer.status_code, answer.json()["code"]) == (404, "training.media_not_found")
        phones["mia"].delete(f"/api/training/media/{begun['id']}")

    def test_that_nobody_finishes_is_given_up(self, studio: Studio, phones: dict[str, TestClient], clip: bytes) -> None:
        begun = begin(phones["mia"], clip, "Forgotten")
        put(phones["mia"], begun["id"], 1, clip)
        key = studio.row(begun["id"]).upload_key
        assert key is not None
        studio.work()
        assert studio.row(begun["id"]).status == "uploading"
        studio.make_due(begun["id"])
        studio.work()
        row = studio.row(begun["id"])
        assert (row.status, row.refusal) == ("refused", "This upload was not finished in time. Send it again.")
        with pytest.raises(ObjectMissing):
            studio.store.put_part(media.original_key(row.id), key, 1, clip)

    def test_as_one_form_where_there_is_no_script(
        self, studio: Studio, phones: dict[str, TestClient], clip: bytes
    ) -> None:
        files = {"file": ("../../x.mp4", clip, "text/html")}
        answer = phones["mia"].post("/media/new", data={"title": "By form"}, files=files)
        assert answer.status_code == 303
        media_id = answer.headers["location"].removeprefix("/media/")
        assert studio.row(media_id).status == "checking"
        phones["mia"].delete(f"/api/training/media/{media_id}")
        studio.work()
        page = phones["mia"].post("/media/new", data={"title": "Kept"}, headers={"Accept": "text/html"})
        assert page.status_code == 422
        assert 'value="Kept"' in page.text
        assert "Choose a video." in page.text


class TestBucket:
    @pytest.mark.asvs("8.2.2")
    def test_is_private_versioned_and_clears_up(self, studio: Studio, watched: str) -> None:
        client = studio.store._client
        assert client.get_bucket_versioning(Bucket=studio.store.bucket)["Status"] == "Enabled"
        rules = client.get_bucket_lifecycle_configuration(Bucket=studio.store.bucket)["Rules"]
        assert {rule["ID"] for rule in rules} == {"unfinished-uploads", "former-versions"}
        url = f"{client.meta.endpoint_url}/{studio.store.bucket}/media/{watched}/1/main.m3u8"
        assert httpx.get(url).status_code == 403


class TestPrepare:
    def test_makes_a_ladder_a_file_and_a_picture_and_keeps_nothing_else(self, studio: Studio, watched: str) -> None:
        row = studio.row(watched)
        assert (row.status, row.progress_percent, row.scan, row.due_at) == ("ready", 100, "not_scanned", None)
        assert row.duration_seconds == pytest.approx(8, abs=0.2)
        assert [(one["width"], one["height"]) for one in row.renditions] == [(426, 240), (854, 480), (1280, 720)]
        names = {key.rpartition("/")[2] for key in keys_below(studio, f"media/{watched}/")}
        assert names >= {"main.m3u8", "video.mp4", "poster.jpg"}
        for step in ("240p", "480p", "720p"):
            assert {f"{step}.m3u8", f"{step}-init.mp4", f"{step}-0000.m4s", f"{step}-0001.m4s"} <= names
        assert keys_below(studio, f"originals/{watched}") == []
        assert list(studio.settings.work_folder.iterdir()) == []

    def test_leaves_out_where_it_was_filmed(self, studio: Studio, watched: str, clip: bytes) -> None:
        assert b"loci" in clip
        assert b"loci" not in b"".join(studio.store.read(f"media/{watched}/1/video.mp4"))

    @pytest.mark.asvs("5.2.2")
    @pytest.mark.parametrize(
        ("content", "told"),
        [
            (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", "no video that we can read"),
            (b"<svg xmlns='http://www.w3.org/2000/svg'/>" * 30, "no video that we can read"),
            (b"\0\0\0\x20ftypisom" + bytes(3000), "no video in this file, or it is damaged"),
        ],
    )  # fmt: skip
    def test_refuses_what_is_none_deletes_it_and_says_why(
        self, studio: Studio, phones: dict[str, TestClient], content: bytes, told: str
    ) -> None:
        media_id = send(phones["tom"], content)
        studio.work()
        row = phones["tom"].get(f"/api/training/media/{media_id}").json()
        assert row["status"] == "refused"
        assert told in row["refusal"]
        assert keys_below(studio, f"originals/{media_id}") + keys_below(studio, f"media/{media_id}") == []
        with studio.sessions() as session:
            facts = select(OutboxEvent.type).where(OutboxEvent.aggregate_id == UUID(media_id))
            assert session.scalars(facts.order_by(OutboxEvent.position)).all()[-1] == "training.media_refused"

    def test_tells_of_one_that_breaks_off_how_long_it_plays(
        self, studio: Studio, phones: dict[str, TestClient], clip: bytes, tmp_path: Path
    ) -> None:
        whole, first = tmp_path / "whole.mp4", tmp_path / "first.mp4"
        whole.write_bytes(clip)
        copy = [footage._ffmpeg(), "-v", "error", "-i", str(whole), "-c", "copy", "-movflags", "+faststart", str(first)]
        subprocess.run(copy, check=True)
        content = first.read_bytes()
        media_id = send(phones["tom"], content[: len(content) // 2])
        studio.work()
        row = studio.row(media_id)
        assert row.status == "ready"
        assert 2 < (row.duration_seconds or 0) < 6, "the file says eight seconds"

    def test_refuses_what_is_too_long(self, studio: Studio, phones: dict[str, TestClient], clip: bytes) -> None:
        media_id = send(phones["tom"], clip)
        studio.work(longest_form_seconds=3)
        assert studio.row(media_id).refusal == "A video may be up to 0 minutes long."

    @pytest.mark.asvs("5.4.3")
    def test_scans_and_serves_nothing_harmful(
        self, studio: Studio, phones: dict[str, TestClient], clip: bytes, clamd: str
    ) -> None:
        harmful, clean = send(phones["tom"], clip + EICAR), send(phones["tom"], clip)
        stop = Event()
        worker_ = studio.worker(stop, scanner=clamd)
        worker_.run_due()
        assert studio.row(harmful).status == "refused"
        assert "virus scanner" in (studio.row(harmful).refusal or "")
        assert keys_below(studio, f"originals/{harmful}") == []
        stop.set()  # far enough: what it says of the other is what matters
        worker_.run_due()
        row = studio.row(clean)
        assert (row.status, row.scan, row.attempts) == ("encoding", "clean", 0)
        phones["tom"].delete(f"/api/training/media/{clean}")

    def test_a_scanner_that_is_down_costs_no_try(
        self, studio: Studio, phones: dict[str, TestClient], clip: bytes
    ) -> None:
        media_id = send(phones["tom"], clip)
        with socket.socket() as nobody:
            nobody.bind(("127.0.0.1", 0))
            studio.work(scanner=f"tcp://127.0.0.1:{nobody.getsockname()[1]}")
        row = studio.row(media_id)
        assert (row.status, row.attempts) == ("checking", 0)
        assert row.due_at is not None
        assert row.due_at > datetime.now(UTC)
        phones["tom"].delete(f"/api/training/media/{media_id}")

    def test_a_worker_that_died_is_followed_by_another_and_writes_nothing_any_more(
        self, studio: Studio, phones: dict[str, TestClient], clip: bytes
    ) -> None:
        studio.work()
        media_id = send(phones["tom"], clip)
        dead = studio.worker()
        job = dead._claims.take(datetime.now(UTC))
        assert job is not None
        assert studio.worker()._claims.take(datetime.now(UTC)) is None  # while its lease lasts nobody else does
        assert studio.worker()._claims.take(datetime.now(UTC) + timedelta(minutes=2)) is not None
        with pytest.raises(Superseded):
            dead._claims.say(job, progress_percent=50)
        with pytest.raises(Superseded):
            dead._finish(job, footage.Probe(1, 1, 1, has_sound=False), [])
        assert studio.row(media_id).attempts == 2
        phones["tom"].delete(f"/api/training/media/{media_id}")

    def test_is_given_up_after_its_tries(self, studio: Studio, phones: dict[str, TestClient], clip: bytes) -> None:
        media_id = send(phones["tom"], clip)
        with studio.sessions.begin() as session:
            session.execute(update(Media).where(Media.id == UUID(media_id)).values(attempts=studio.settings.attempts))
        studio.work()
        assert (studio.row(media_id).refusal or "").startswith("We could not prepare this video")

    def test_removal_leaves_no_byte(self, studio: Studio, phones: dict[str, TestClient], clip: bytes) -> None:
        media_id = send(phones["tom"], clip)
        studio.store.put(f"media/{media_id}/1/main.m3u8", b"x", media_type="text/plain")
        assert phones["tom"].delete(f"/api/training/media/{media_id}").status_code == 204
        studio.work()
        assert keys_below(studio, f"originals/{media_id}") + keys_below(studio, f"media/{media_id}") == []
        with studio.sessions() as session:
            assert session.get(Media, UUID(media_id)) is None


class TestFiles:
    @pytest.fixture
    def links(self, phones: dict[str, TestClient], watched: str) -> dict[str, Any]:
        found: dict[str, Any] = phones["mia"].post(f"/api/training/media/{watched}/links").json()
        return found

    @pytest.fixture
    def guest(self, studio: Studio) -> TestClient:
        return TestClient(studio.app, base_url="http://testserver", raise_server_exceptions=False)

    def test_a_playlist_leads_to_segments_that_are_kept_after_their_first_hit(
        self, guest: TestClient, links: dict[str, Any]
    ) -> None:
        main = guest.get(links["playlist"])
        assert main.headers["content-type"] == "application/vnd.apple.mpegurl"
        folder = links["playlist"].partition("main.m3u8")[0]
        steps = [line for line in main.text.splitlines() if not line.startswith("#")]
        assert [line.partition(".")[0] for line in steps] == ["480p", "240p", "720p"]
        segments = [line for line in guest.get(folder + steps[1]).text.splitlines() if line.startswith("240p-0")]
        assert len(segments) == 2
        first, second = (guest.get(folder + segments[0]) for _ in range(2))
        assert (first.headers["x-cache"], second.headers["x-cache"]) == ("miss", "hit")
        assert first.content == second.content
        kept = first.headers["cache-control"]
        assert kept.startswith("private, max-age=")
        assert kept.endswith(", immutable")

    @pytest.mark.asvs("8.2.2")
    def test_refuses_unsigned_changed_old_and_other_peoples_addresses(
        self, studio: Studio, guest: TestClient, phones: dict[str, TestClient], links: dict[str, Any], watched: str
    ) -> None:
        video = links["video"]
        assert guest.get(video).status_code == 200
        assert phones["mia"].get(video).status_code == 200
        assert phones["tom"].get(video).status_code == 403
        assert guest.get(video.partition("?")[0]).status_code in (403, 422)
        assert guest.get(video[:-3] + "abc").status_code == 403
        folder = f"/api/training/media-files/{watched}/1/"
        old = studio.app.state.url_signer.sign_folder(folder, subject="mia", now=datetime.now(UTC) - timedelta(hours=2))
        assert guest.get(f"{folder}video.mp4?{old}").status_code == 403
        assert guest.get(video.replace("/1/video.mp4", "/2/video.mp4")).status_code == 403
        for name in ("..%2Fmain.m3u8", "original", "240p-0009.m4s"):
            assert guest.get(video.replace("video.mp4", name)).status_code in (403, 404)

    def test_answers_ranges(self, guest: TestClient, links: dict[str, Any]) -> None:
        whole = guest.get(links["video"])
        size = len(whole.content)
        assert (whole.headers["accept-ranges"], whole.headers["content-length"]) == ("bytes", str(size))
        part = guest.get(links["video"], headers={"Range": "bytes=100-199"})
        assert (part.status_code, part.headers["content-range"]) == (206, f"bytes 100-199/{size}")
        assert part.content == whole.content[100:200]
        assert guest.get(links["video"], headers={"Range": "bytes=-50"}).content == whole.content[-50:]
        beyond = guest.get(links["video"], headers={"Range": f"bytes={size}-"})
        assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{size}")
        tag = whole.headers["etag"]
        same = guest.get(links["video"], headers={"Range": "bytes=0-9", "If-Range": tag})
        other = guest.get(links["video"], headers={"Range": "bytes=0-9", "If-Range": '"old"'})
        many = guest.get(links["video"], headers={"Range": "bytes=0-1,5-6"})
        assert (many.status_code, len(many.content)) == (200, size), "of several the whole, as RFC 9110 lets us"
        assert (same.status_code, other.status_code, len(other.content)) == (206, 200, size)

    def test_a_video_that_was_removed_is_gone_whatever_the_signature_says(
        self, studio: Studio, guest: TestClient, phones: dict[str, TestClient], links: dict[str, Any], watched: str
    ) -> None:
        with studio.sessions.begin() as session:
            session.execute(
                update(Media).where(Media.id == UUID(watched)).values(status="removed", ready_at=None, due_at=None)
            )
        try:
            assert guest.get(links["video"]).status_code == 404
        finally:
            with studio.sessions.begin() as session:
                session.execute(
                    update(Media).where(Media.id == UUID(watched)).values(status="ready", ready_at=datetime.now(UTC))
                )


@pytest.fixture
def page(studio: Studio, people: dict[str, Any]) -> Iterator[Page]:
    """Mia's phone in front of the app behind a port; what breaks the content policy fails the test."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    port = free_port()
    config = uvicorn.Config(
        studio.app, host="localhost", port=port, log_level="warning", timeout_graceful_shutdown=2, lifespan="off"
    )  # fmt: skip
    server = uvicorn.Server(config)
    thread = Thread(target=server.run)
    thread.start()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-gpu", "--autoplay-policy=no-user-gesture-required", "--mute-audio"],
        )
        token = access_token(studio.app, people["mia"])
        page = browser.new_page(
            base_url=f"http://localhost:{port}", service_workers="block", viewport={"width": 390, "height": 844},
            extra_http_headers={"Authorization": f"Bearer {token}"},
        )  # fmt: skip
        complaints: list[str] = []
        page.on("console", lambda said: complaints.append(said.text) if "Content Security" in said.text else None)
        # A page that is left while it fades in says that its transition was aborted.
        page.on("pageerror", lambda error: None if "Transition was" in str(error) else complaints.append(str(error)))
        yield page
        browser.close()
    server.should_exit = True
    thread.join(timeout=10)
    assert complaints == []


def picture(page: Page, name: str) -> None:
    """For people who want to look; `PLYO_PICTURES` is the folder."""
    if folder := os.environ.get("PLYO_PICTURES"):
        page.wait_for_load_state("load")
        for width in (390, 1280):
            page.set_viewport_size({"width": width, "height": 844})
            page.screenshot(path=f"{folder}/{name}-{width}.png", full_page=True)
        page.set_viewport_size({"width": 390, "height": 844})


def until(page: Page, condition: str) -> None:
    """Playwright's own waiting evaluates a string, which the content policy forbids."""
    deadline = time.monotonic() + 60
    while not page.evaluate(condition):
        assert time.monotonic() < deadline, condition
        page.wait_for_timeout(50)


NOW = "document.getElementById('player').currentTime"


class TestPlayer:
    def test_plays_seeks_shows_captions_and_goes_on_where_one_stopped(
        self, studio: Studio, page: Page, phones: dict[str, TestClient], watched: str
    ) -> None:
        vtt = "WEBVTT\n\n00:00.500 --> 00:02.000\nFeet apart\n\n00:05.000 --> 00:07.000\nChest up\n"
        phones["mia"].put(f"/api/training/media/{watched}/captions", json={"content": vtt})
        page.goto("/media?q=chest")
        page.get_by_role("link", name="Chest up").click()
        until(page, f"{NOW} >= 5 && document.getElementById('player').readyState >= 2")
        player = page.locator("#player")
        assert player.evaluate("node => node.currentSrc").partition("?")[0].endswith("main.m3u8")
        assert player.evaluate("node => node.textTracks[0].activeCues[0].text") == "Chest up"
        picture(page, "watch")
        page.get_by_role("button", name="Captions").click()
        assert player.evaluate("node => node.textTracks[0].mode") == "disabled"
        page.get_by_role("link", name="Feet apart").click()
        until(page, f"{NOW} > 0.6 && {NOW} < 4 && !document.getElementById('player').paused")
        with page.expect_response(lambda answer: answer.url.endswith("/position")) as kept:
            player.evaluate("node => node.pause()")
        assert kept.value.status == 200
        stopped = player.evaluate("node => node.currentTime")
        with studio.sessions() as session:
            seconds = session.scalars(select(MediaPosition.seconds)).one()
        assert seconds == pytest.approx(stopped, abs=0.1)
        page.goto(f"/media/{watched}")
        until(page, f"Math.abs({NOW} - {stopped}) < 0.2")

    def test_where_one_stopped_without_a_network_is_told_later_and_takes_nobody_back(
        self, page: Page, phones: dict[str, TestClient], watched: str
    ) -> None:
        def stop_after(seconds: int) -> float:
            page.goto(f"/media/{watched}?t={seconds}")
            until(page, f"{NOW} >= {seconds} && document.getElementById('player').readyState >= 2")
            page.route("**/position", lambda route: route.abort())
            play = (
                "async (node) => { node.currentTime += 1.5; await node.play(); node.pause(); return node.currentTime; }"
            )
            with page.expect_event("requestfailed", lambda request: request.url.endswith("/position")):
                stopped: float = page.locator("#player").evaluate(play)
            until(page, waiting)
            page.unroute("**/position")
            return stopped

        waiting = "Object.keys(localStorage).some((key) => key.startsWith('position-'))"
        a_minute_ago = """() => {
            const key = Object.keys(localStorage).find((one) => one.startsWith('position-'));
            const told = JSON.parse(localStorage.getItem(key));
            told.watched_at = new Date(Date.parse(told.watched_at) - 60000).toISOString();
            localStorage.setItem(key, JSON.stringify(told));
        }"""
        stop_after(5)
        page.evaluate(a_minute_ago)  # that a request takes long counts as watched later, and a busy machine takes long
        phones["mia"].put(f"/api/training/media/{watched}/position", json={"seconds": 1.25})
        page.goto(f"/media/{watched}")
        until(page, f"!({waiting}) && Math.abs({NOW} - 1.25) < 0.3")
        stopped = stop_after(3)
        page.goto(f"/media/{watched}")
        until(page, f"!({waiting}) && Math.abs({NOW} - {stopped}) < 0.3")

    def test_a_browser_without_hls_gets_the_file(self, page: Page, watched: str) -> None:
        page.route("**/main.m3u8*", lambda route: route.abort())
        page.goto(f"/media/{watched}?t=3")
        until(page, "document.getElementById('player').currentSrc.includes('video.mp4')")
        until(page, f"{NOW} >= 3 && document.getElementById('player').readyState >= 2")

    def test_sends_a_file_in_parts_and_waits_for_it(
        self, studio: Studio, page: Page, clip: bytes, tmp_path: Path, phones: dict[str, TestClient]
    ) -> None:
        file = tmp_path / "clip.mp4"
        file.write_bytes(clip)
        page.goto("/media/new")
        picture(page, "new")
        page.get_by_label("Title").fill("Third set")
        page.get_by_label("Video", exact=True).set_input_files(file)
        lost: list[str] = []

        def lose_once(route: Route) -> None:
            if lost:
                route.continue_()
            else:
                lost.append(route.request.url)
                route.abort("internetdisconnected")

        page.route("**/parts/*", lose_once)
        page.get_by_role("button", name="Send").click()
        page.get_by_text("We check it").wait_for()
        assert len(lost) == 1
        picture(page, "checking")
        media_id = page.url.rpartition("/")[2]
        phones["mia"].delete(f"/api/training/media/{media_id}")
        studio.work()
        page.goto("/media")
        picture(page, "library")


class TestDemo:
    def test_sends_its_videos_once(self, fresh_database: Callable[[], str], object_settings: ObjectSettings) -> None:
        url = fresh_database()
        engine = create_engine(sqlalchemy_url(url))
        with Session(engine) as session, session.begin():
            for role in ("admin", "coach"):
                make_account(session, role=role, email=LOGINS[role])
            for slug in ("back-squat", "goblet-squat"):
                make_exercise(session, slug=slug)
        for _ in range(2):
            videos.ensure(url, object_settings)
        with Session(engine) as session:
            rows = session.scalars(select(Media).order_by(Media.id)).all()
            assert [(one.kind, one.status) for one in rows] == [("catalogue", "checking"), ("guide", "checking")]
            assert session.scalar(select(func.count()).select_from(MediaCue)) == 7
            for one in rows:
                assert ObjectStore(object_settings).size(media.original_key(one.id)) == one.size_bytes
        engine.dispose()
