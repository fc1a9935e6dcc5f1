"""Who sees which video, captions and what is found in them, positions, limits of uploads: no bytes are moved."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import func, insert, select, text
from sqlalchemy.orm import Session

from contracts.events.identity import AccountClosed
from contracts.ids import new_id
from operational_api.core.models import AuditEntry, OutboxEvent
from operational_api.core.principal import Principal
from operational_api.core.viewer import SYSTEM, show_as
from operational_api.training.errors import MediaNotSetUp, MediaQuotaUsed, MediaTooLarge, TooManyUploads
from operational_api.training.handlers import HANDLERS
from operational_api.training.media.settings import MediaSettings
from operational_api.training.models import Client, Media, MediaCaptions, MediaCue, MediaPosition
from operational_api.training.service import captions, media, media_library
from tests.factories import account_of, make_account, make_client, make_coach, make_video
from tests.operational_api.conftest import SignIn
from tests.operational_api.statements import heard

NOW = datetime.now(UTC)
SETTINGS = MediaSettings(scanner="none")


@pytest.fixture
def world(session: Session, sign_in: SignIn) -> dict[str, Any]:
    """Mia of coach Cara and Tom of coach Dan, each with a form video; a guide of Cara's, one of the catalogue."""
    cara, dan = make_coach(session), make_coach(session)
    mia, tom = make_client(session, coach=cara), make_client(session, coach=dan)
    people = {"mia": mia, "tom": tom, "cara": cara, "dan": dan}
    clients = {name: sign_in(account_of(session, one)) for name, one in people.items()}
    clients["admin"] = sign_in(make_account(session, role="admin"))
    videos = {
        "mias": make_video(session, client=mia), "toms": make_video(session, client=tom),
        "guide": make_video(session, coach=cara), "squat": make_video(session),
        "unready": make_video(session, coach=cara, status="encoding"),
    }  # fmt: skip
    return {"as": clients, "videos": videos, "people": people}


class TestWho:
    SEES = {
        "mia": {"mias", "guide", "squat"},
        "tom": {"toms", "squat"},
        "cara": {"mias", "guide", "squat", "unready"},
        "dan": {"toms", "squat"},
        "admin": {"guide", "squat", "unready"},
    }
    KEEPS = {
        "mia": {"mias"}, "tom": {"toms"}, "cara": {"guide", "unready"}, "dan": set(),
        "admin": {"guide", "squat", "unready"},
    }  # fmt: skip

    @pytest.mark.asvs("8.2.2")
    def test_list_page_and_search_show_the_same(self, world: dict[str, Any]) -> None:
        ids = {str(row.id): name for name, row in world["videos"].items()}
        for who, sees in self.SEES.items():
            client: TestClient = world["as"][who]
            listed = {ids[one["id"]] for one in client.get("/api/training/media").json()["items"]}
            opened = {name for id_, name in ids.items() if client.get(f"/api/training/media/{id_}").status_code == 200}
            found = {ids[one["media_id"]] for one in client.get("/api/training/media-search?q=chest").json()}
            assert (listed, opened, found) == (sees, sees, sees - {"unready"}), who

    @pytest.mark.asvs("8.2.2")
    def test_only_who_keeps_it_changes_it(self, world: dict[str, Any]) -> None:
        for who, keeps in self.KEEPS.items():
            client: TestClient = world["as"][who]
            renamed = {
                name
                for name, row in world["videos"].items()
                if client.patch(f"/api/training/media/{row.id}", json={"title": "New"}).status_code == 200
            }
            assert renamed == keeps, who

    def test_what_a_client_withholds_their_coach_does_not_see(self, session: Session, world: dict[str, Any]) -> None:
        mia, video = world["people"]["mia"], world["videos"]["mias"]
        answer = world["as"]["mia"].put(
            "/api/compliance/consents",
            json={"decisions": [{"data_kind": "training", "purpose": "coaching", "is_given": False}]},
        )
        assert answer.status_code == 200, answer.text
        cara: TestClient = world["as"]["cara"]
        assert cara.get(f"/api/training/media/{video.id}").status_code == 404
        assert str(video.id) not in cara.get("/api/training/media").text
        assert world["as"]["mia"].get(f"/api/training/media/{video.id}").status_code == 200
        assert mia.id == video.customer_id

    def test_watching_a_clients_video_is_in_the_audit_log(self, session: Session, world: dict[str, Any]) -> None:
        video = world["videos"]["mias"]
        world["as"]["cara"].get(f"/api/training/media/{video.id}")
        entry = session.scalars(select(AuditEntry).where(AuditEntry.action == "training.watch_media")).one()
        assert (entry.subject_id, entry.details["media_id"]) == (video.customer_id, str(video.id))

    def test_the_database_hides_a_clients_video_too(
        self, session: Session, world: dict[str, Any], plain_role: str
    ) -> None:
        people = world["people"]
        viewers = {
            "nobody": (None, 3), "mia": (Principal("customer", "t", people["mia"].id), 4),
            "cara": (Principal("coach", "t", people["cara"].id), 4), "admin": (Principal("admin", "t", new_id()), 3),
            "system": (SYSTEM, 5),
        }  # fmt: skip
        session.execute(text(f"set local role {plain_role}"))
        for name, (viewer, seen) in viewers.items():
            show_as(viewer, session)
            assert session.scalar(text("select count(*) from training.media")) == seen, name
        session.execute(text("reset role"))

    def test_a_list_takes_one_query_however_long(self, session: Session, world: dict[str, Any]) -> None:
        with heard(session.connection().engine) as said:
            media_library.shelf(session, visible=Media.status == "ready", watcher_id=world["people"]["mia"].id)
        assert len(said) == 1


class TestCaptions:
    VTT = "WEBVTT\n\n00:00:01.000 --> 00:00:03.000\nBreathe <b>out</b>\n\n00:00:04.500 --> 00:00:06.000\nThở ra\n"

    def test_are_found_by_the_beginnings_of_their_words_to_the_second(self, world: dict[str, Any]) -> None:
        cara, video = world["as"]["cara"], world["videos"]["guide"]
        answer = cara.put(f"/api/training/media/{video.id}/captions", json={"content": self.VTT})
        assert answer.json()["content"].startswith("WEBVTT\n\n00:00:01.000 --> 00:00:03.000\nBreathe out\n")
        for asked, at in (("breath", [1.0]), ("Thở", [4.5]), ("breathe in", []), ("' & | !:*", []), ("chest", [])):
            hits = cara.get("/api/training/media-search", params={"q": asked}).json()
            assert [one["at_seconds"] for one in hits if one["media_id"] == str(video.id)] == at, asked

    def test_wrong_ones_are_refused_with_the_line_and_what_was_there_stays(
        self, session: Session, world: dict[str, Any]
    ) -> None:
        cara, video = world["as"]["cara"], world["videos"]["guide"]
        for _ in range(2):
            cara.put(f"/api/training/media/{video.id}/captions", json={"content": self.VTT})
        answer = cara.put(
            f"/api/training/media/{video.id}/captions",
            json={"content": "WEBVTT\n\n00:01.000 --> 00:02.000\n<script>x</script>"},
        )
        assert (answer.status_code, answer.json()["code"], answer.json()["line"]) == (
            422, "training.invalid_captions", 4,
        )  # fmt: skip
        assert "Breathe" in cara.get(f"/api/training/media/{video.id}/captions").json()["content"]
        told = session.scalars(select(OutboxEvent.payload).where(OutboxEvent.type == "training.captions_edited")).all()
        assert told == [{"media_id": str(video.id), "language": "en", "cue_count": 2}]

    def test_search_reads_its_index(self, session: Session) -> None:
        video = make_video(session)
        session.execute(
            insert(MediaCue),
            [
                {"media_id": video.id, "language": "vi", "position": n, "starts_ms": n, "ends_ms": n + 1,
                 "words": f"word{n} chest{n % 7}"}
                for n in range(1, 4000)
            ],
        )  # fmt: skip
        session.execute(text("analyze training.media_cues"))
        query = captions.spoken(["word77"], visible=Media.kind == "catalogue")
        compiled = query.compile(session.connection(), compile_kwargs={"literal_binds": True})
        plan = "\n".join(session.scalars(text("explain " + str(compiled).replace(":", "\\:").replace("%%", "%"))))
        assert "ix_media_cues_words" in plan, plan


class TestPosition:
    def test_is_kept_for_each_person_and_begins_anew_at_the_end(self, session: Session, world: dict[str, Any]) -> None:
        video = world["videos"]["squat"]
        for who, seconds in (("mia", 4.25), ("tom", 99)):
            world["as"][who].put(f"/api/training/media/{video.id}/position", json={"seconds": seconds})
        people = world["people"]
        assert media_library.position_of(session, video, people["mia"].id) == 4.25
        assert media_library.position_of(session, video, people["tom"].id) == 0
        kept = session.scalars(select(MediaPosition.seconds).where(MediaPosition.account_id == people["tom"].id)).one()
        assert kept == 10

    def test_what_was_said_later_counts_whatever_comes_last(self, session: Session, world: dict[str, Any]) -> None:
        video, mia = world["videos"]["squat"], world["people"]["mia"].id
        for seconds, age in ((5.0, 0), (3.0, 60)):
            media_library.keep_position(
                session, row=video, account_id=mia, seconds=seconds, now=NOW - timedelta(seconds=age)
            )
        assert media_library.position_of(session, video, mia) == 5

    @pytest.mark.parametrize("wrong_by", [timedelta(0), timedelta(days=-3), timedelta(days=400)])
    def test_of_two_devices_the_one_that_watched_last_counts_however_late_the_other_tells(
        self, session: Session, world: dict[str, Any], wrong_by: timedelta
    ) -> None:
        """Whatever the clock of the phone says that was offline."""
        video, mia = world["videos"]["squat"], world["people"]["mia"]
        video.created_at, path = datetime.now(UTC) - timedelta(days=9), f"/api/training/media/{video.id}/position"

        def told(seconds: float, hours_ago: float) -> float:
            sent = datetime.now(UTC) + wrong_by
            at = {"watched_at": sent - timedelta(hours=hours_ago), "sent_at": sent}
            body = {"seconds": seconds} | {name: one.isoformat() for name, one in at.items()}
            kept: float = world["as"]["mia"].put(path, json=body).json()["seconds"]
            assert media_library.position_of(session, video, mia.id) == kept
            return kept

        assert told(3, hours_ago=30) == 3, "the phone, yesterday"
        assert told(7, hours_ago=2) == 7, "the tablet, this morning"
        assert told(5, hours_ago=20) == 7, "the phone tells of last night only now"
        assert told(6, hours_ago=-800) == 6, "nothing was watched after now"
        assert world["as"]["mia"].put(path, json={"seconds": 2}).json() == {"seconds": 2}
        assert told(9, hours_ago=99_999) == 2, "nor before there was the video"


def begin(session: Session, client: Client, **given: Any) -> Media:
    values: dict[str, Any] = {
        "kind": "form", "uploader_id": client.id, "title": "Squat", "size_bytes": 1000, "sha256": "a" * 64, "now": NOW,
        "settings": SETTINGS,
    }  # fmt: skip
    return media.begin_upload(session, **values | given)


class TestBeginUpload:
    def test_the_same_file_again_is_the_same_upload(self, session: Session) -> None:
        mia = make_client(session)
        first = begin(session, mia)
        assert begin(session, mia, title="Squat again").id == first.id
        assert begin(session, mia, sha256="b" * 64).id != first.id

    @pytest.mark.asvs("5.2.1")
    def test_has_limits(self, session: Session) -> None:
        mia = make_client(session)
        with pytest.raises(MediaTooLarge):
            begin(session, mia, size_bytes=SETTINGS.largest_form_bytes + 1)
        with pytest.raises(MediaNotSetUp):
            begin(session, mia, settings=SETTINGS.model_copy(update={"scanner": ""}))
        for digit in "abc":
            begin(session, mia, sha256=digit * 64)
        with pytest.raises(TooManyUploads):
            begin(session, mia, sha256="d" * 64)
        tom = make_client(session)
        make_video(session, client=tom, size_bytes=SETTINGS.quota_form_bytes - 999)
        with pytest.raises(MediaQuotaUsed):
            begin(session, tom)
        begin(session, tom, size_bytes=999)


class TestForget:
    def test_an_account_that_is_closed_takes_its_videos_along(self, session: Session, world: dict[str, Any]) -> None:
        mia, videos = world["people"]["mia"], world["videos"]
        world["as"]["mia"].put(f"/api/training/media/{videos['squat'].id}/position", json={"seconds": 4})
        for handle in HANDLERS[AccountClosed.type] * 2:  # told twice
            handle(session, AccountClosed(occurred_at=NOW, account_id=mia.id))
        gone = session.get_one(Media, videos["mias"].id)
        assert (gone.status, gone.title, gone.due_at) == ("removed", "", NOW)
        about = videos["mias"].id
        for table in (MediaCaptions, MediaCue):
            assert session.scalar(select(func.count()).select_from(table).where(table.media_id == about)) == 0
        assert session.scalar(select(func.count()).select_from(MediaPosition)) == 0
        assert world["as"]["mia"].get(f"/api/training/media/{about}").status_code == 404
        told = select(func.count()).select_from(OutboxEvent).where(OutboxEvent.type == "training.media_removed")
        assert session.scalar(told) == 1
        assert session.get_one(Media, videos["toms"].id).status == "ready"


class TestPages:
    def test_the_editor_keeps_what_was_written_and_names_the_line(self, world: dict[str, Any]) -> None:
        cara, video = world["as"]["cara"], world["videos"]["guide"]
        wrong = "WEBVTT\n\n00:01.000 -> 00:02.000\nHello"
        page = cara.post(
            f"/media/{video.id}/captions", data={"language": "en", "content": wrong}, headers={"Accept": "text/html"}
        )
        assert page.status_code == 422
        assert "Line 3: times are missing" in page.text
        assert "00:01.000 -&gt; 00:02.000\nHello" in page.text

    def test_the_library_finds_titles_and_what_is_said(self, world: dict[str, Any]) -> None:
        mia = world["as"]["mia"]
        page = mia.get("/media?q=chest", headers={"Accept": "text/html"}).text
        assert f"/media/{world['videos']['guide'].id}?t=2.0&amp;language=en" in page
        assert str(world["videos"]["toms"].id) not in page
        assert "No title and no caption" in mia.get("/media?q=zzz", headers={"Accept": "text/html"}).text

    def test_a_refused_one_says_why_and_gives_the_form_back(self, session: Session, world: dict[str, Any]) -> None:
        row = make_video(
            session, client=world["people"]["mia"], status="refused", refusal="This is no video.", title="Squat & go"
        )
        page = world["as"]["mia"].get(f"/media/{row.id}", headers={"Accept": "text/html"}).text
        assert "This is no video." in page
        assert "/media/new?title=Squat%20%26%20go" in page


class TestWithoutStore:
    def test_says_that_there_is_no_place_for_videos(self, app: FastAPI, world: dict[str, Any]) -> None:
        app.state.objects = None
        body = {"title": "Squat", "size_bytes": 1, "sha256": "a" * 64}
        answer = world["as"]["mia"].post("/api/training/media", json=body)
        assert (answer.status_code, answer.json()["code"]) == (409, "training.media_not_set_up")
