"""The catalogue: importing it, and finding a movement in it however it is spelt."""

import json
import os
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, insert, select, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session
from typer.testing import CliRunner

from operational_api.training.errors import UnreadableCatalogue
from operational_api.training.models import Exercise
from operational_api.training.service import catalogue, exercises
from operational_api.training.service.exercises import Filters
from plyo.cli import app
from tests.factories import make_account, make_exercise
from tests.operational_api.conftest import SignIn

_TOLD = os.environ.get("PLYO_SHARED_DATA")
FILE = (Path(_TOLD) if _TOLD else Path(__file__).resolve().parents[4] / "shared/data") / "exercises/exercises.json"


def entry(id_: str, **given: Any) -> dict[str, Any]:
    """A movement as the file has it."""
    return {
        "id": id_, "name": id_.replace("_", " "), "force": "push", "level": "beginner", "mechanic": "compound",
        "equipment": "barbell", "primaryMuscles": ["chest"], "secondaryMuscles": ["triceps"], "category": "strength",
        "instructions": ["Lie down.", " ", "Push."], "images": [],
    } | given  # fmt: skip


GYM = (
    entry("Barbell_Bench_Press"),
    entry("Dumbbell_Bench_Press", equipment="dumbbell"),
    entry("Barbell_Squat", primaryMuscles=["quadriceps"], secondaryMuscles=["glutes"], level="intermediate"),
    entry("Push-Ups", equipment="body only"),
    entry("Hamstring_Stretch", primaryMuscles=["hamstrings"], secondaryMuscles=[], category="stretching", force=None,
          equipment=None, mechanic=None),
)  # fmt: skip


def imported(session: Session, entries: Sequence[dict[str, Any]] = GYM, **given: str) -> catalogue.Imported:
    return catalogue.import_catalogue(session, catalogue.read(json.dumps(entries)), **given)


def names(rows: Sequence[Exercise]) -> list[str]:
    return [row.name for row in rows]


class TestImportCatalogue:
    def test_keeps_what_the_file_says_and_where_it_is_from(self, session: Session) -> None:
        assert imported(session) == catalogue.Imported(added=5, updated=0, unchanged=0)
        stretch = exercises.get_exercise(session, "hamstring-stretch")
        assert (stretch.pattern, stretch.equipment, stretch.is_loaded) == ("mobility", "none", False)
        bench = exercises.get_exercise(session, "barbell-bench-press")
        assert (bench.pattern, bench.level, bench.secondary_muscles) == ("push", "beginner", ["triceps"])
        assert bench.instructions == ["Lie down.", "Push."]
        assert (bench.source, bench.licence) == ("free-exercise-db", "Unlicense (public domain)")

    def test_a_second_run_changes_nothing_and_a_changed_row_keeps_its_id(self, session: Session) -> None:
        imported(session)
        before = {row.slug: row.id for row in session.scalars(select(Exercise))}
        assert imported(session) == catalogue.Imported(0, 0, 5)
        changed = [entry("Barbell_Bench_Press", level="expert"), *GYM[1:], entry("Dip")]
        assert imported(session, changed) == catalogue.Imported(1, 1, 4)
        bench = exercises.get_exercise(session, "barbell-bench-press")
        assert (bench.level, bench.id) == ("expert", before[bench.slug])

    def test_leaves_the_studios_own_movements_alone(self, session: Session) -> None:
        own = make_exercise(session, slug="push-ups", name="Our push-up")
        imported(session)
        session.refresh(own)
        assert own.name == "Our push-up"
        assert exercises.get_exercise(session, "push-ups-2").name == "Push-Ups"

    @pytest.mark.parametrize(
        ("content", "told"),
        [
            ("[{]", "Invalid JSON"),
            ("{}", "valid array"),
            (json.dumps([entry("A"), entry("B", level="godlike")]), "1 level"),
            (json.dumps([entry("A", primaryMuscles=[])]), "0 primaryMuscles"),
            (json.dumps([entry("A b")]), "0 id"),
            (json.dumps([entry("A"), entry("a")]), "a is there twice"),
        ],
    )
    def test_says_what_it_cannot_read(self, content: str, told: str) -> None:
        with pytest.raises(UnreadableCatalogue, match=told):
            catalogue.read(content)

    def test_the_public_catalogue_is_imported_whole(self, session: Session) -> None:
        if not FILE.is_file():
            pytest.skip("the public catalogue is not beside this checkout; PLYO_SHARED_DATA says where it is")
        entries = catalogue.read(FILE.read_bytes())
        assert catalogue.import_catalogue(session, entries) == catalogue.Imported(len(entries), 0, 0)
        assert catalogue.import_catalogue(session, entries) == catalogue.Imported(0, 0, len(entries))
        assert session.scalar(select(func.count()).where(Exercise.source == catalogue.SOURCE)) == 873
        assert names(
            exercises.search_exercises(session, text="dumbell benchpress", limit=5).rows
        )  # nobody spells it so
        assert "Squat" in exercises.search_exercises(session, text="barbel sqaut", limit=1).rows[0].name


class TestSearch:
    @pytest.fixture(autouse=True)
    def gym(self, session: Session) -> None:
        imported(session)

    @pytest.mark.parametrize(
        ("typed", "found"),
        [
            ("bench", ["Barbell Bench Press", "Dumbbell Bench Press"]),
            ("dumbbell press", ["Dumbbell Bench Press"]),
            ("press dumb", ["Dumbbell Bench Press"]),  # any order, the beginning of a word
            ("glutes", ["Barbell Squat"]),  # by a muscle that helps
            ("hamstirng", ["Hamstring Stretch"]),
            ("barbel sqaut", ["Barbell Squat"]),
            ("dumbel bench", ["Dumbbell Bench Press"]),
            ("% _ ' & | ! :* ()", None),  # signs mean nothing: everything
            ("xyzzy", []),
        ],
    )
    def test_finds_by_words_and_forgives_spelling(self, session: Session, typed: str, found: list[str] | None) -> None:
        rows = names(exercises.search_exercises(session, text=typed).rows)
        if found is None:
            assert len(rows) == 5
        elif found:
            assert rows[: len(found)] == found
        else:
            assert rows == []

    @pytest.mark.parametrize(
        ("typed", "found"),
        [
            ("đẩy ngực", {"Barbell Bench Press", "Dumbbell Bench Press", "Push-Ups"}),
            ("day nguc", {"Barbell Bench Press", "Dumbbell Bench Press", "Push-Ups"}),
            ("day nguc ta don", {"Barbell Bench Press", "Dumbbell Bench Press"}),
            ("ĐẨY NGỰC tạ đơn", {"Dumbbell Bench Press"}),
            (unicodedata.normalize("NFD", "đẩy ngực tạ đòn"), {"Barbell Bench Press"}),  # as some keyboards write it
            ("ta don nguc", {"Barbell Bench Press", "Dumbbell Bench Press"}),  # without accents đơn and đòn are one
            ("bench press tạ đòn", {"Barbell Bench Press"}),  # both languages
            ("hít đất", {"Push-Ups"}),
            ("chong day", {"Push-Ups"}),
            ("mông", {"Barbell Squat"}),
            ("giãn cơ đùi sau", {"Hamstring Stretch"}),
            ("ngooi xom", {"Barbell Squat"}),  # misspelt
        ],
    )
    def test_finds_in_vietnamese_with_and_without_accents(self, session: Session, typed: str, found: set[str]) -> None:
        rows = names(exercises.search_exercises(session, text=typed).rows)
        assert set(rows) == found
        assert rows[-1] == "Push-Ups" or "Push-Ups" not in rows, "what is called so before what has the words about it"

    def test_filters_by_muscle_kit_and_level(self, session: Session) -> None:
        def found(**filters: str) -> list[str]:
            return names(exercises.search_exercises(session, filters=Filters(**filters)).rows)

        assert found(muscle="triceps") == ["Barbell Bench Press", "Dumbbell Bench Press", "Push-Ups"]
        assert found(equipment="bodyweight") == ["Push-Ups"]
        assert found(level="intermediate", muscle="glutes") == ["Barbell Squat"]
        assert found(level="expert") == []

    def test_pages_do_not_overlap(self, session: Session) -> None:
        first = exercises.search_exercises(session, text="bench", limit=1).rows
        second = exercises.search_exercises(session, text="bench", limit=1, offset=1).rows
        assert names([*first, *second]) == ["Barbell Bench Press", "Dumbbell Bench Press"]
        assert exercises.search_exercises(session, text="bench", limit=1, offset=2).rows == []


class TestPlans:
    def test_both_searches_read_their_index_once_the_table_is_larger_than_a_screen(self, session: Session) -> None:
        rows = [
            {"id": 500_000 + n, "slug": f"x-{n}", "name": f"Movement {n * 7919 % 4001} kind {n}", "pattern": "push",
             "primary_muscle": "chest", "equipment": "barbell"}
            for n in range(4000)
        ]  # fmt: skip
        session.execute(insert(Exercise), rows)
        catalogue.say_otherwise(session)
        session.execute(text("analyze training.exercises, training.exercise_names"))
        session.execute(exercises.let_similar())
        for query, indexes in (
            (exercises.exactly(["4000"]), ("ix_exercises_words", "ix_exercise_names_words")),
            (exercises.similarly(["moverment", "3999"]), ("ix_exercises_trigrams",)),
        ):
            sql = query.compile(dialect=postgresql.dialect(), compile_kwargs={"literal_binds": True})  # type: ignore[no-untyped-call]
            told = "\n".join(session.scalars(text("explain " + str(sql).replace(":", "\\:").replace("%%", "%"))))
            assert all(index in told for index in indexes), told


class TestPages:
    @pytest.fixture
    def browser(self, session: Session, sign_in: SignIn) -> TestClient:
        imported(session)
        return sign_in(make_account(session))

    def test_find_and_show_a_movement(self, browser: TestClient) -> None:
        page = browser.get("/exercises", params={"q": "benhc pres", "equipment": "dumbbell"}).text
        assert "These are most like it" in page
        assert "/exercises/dumbbell-bench-press" in page
        assert "/exercises/barbell-bench-press" not in page
        shown = browser.get("/exercises/dumbbell-bench-press").text
        assert "<li>Lie down.</li><li>Push.</li>" in shown
        assert "Description from free-exercise-db, Unlicense (public domain)." in shown

    def test_say_it_in_vietnamese(self, browser: TestClient) -> None:
        spoken = {"accept-language": "vi"}
        page = browser.get("/exercises", params={"q": "day nguc ta don"}, headers=spoken).text
        assert (">Đẩy ngực tạ đơn<" in page, "Dumbbell Bench Press · ngực · tạ đơn" in page) == (True, True)
        shown = browser.get("/exercises/barbell-squat", headers=spoken).text
        assert ("Gánh tạ (Barbell Squat)" in shown, ">Mông<" in shown) == (True, True)
        assert "Đùi trước · tạ đòn" in shown
        assert "Gánh tạ" not in browser.get("/exercises/barbell-squat", headers={"accept-language": "en"}).text

    def test_say_when_nothing_fits(self, browser: TestClient) -> None:
        assert "Nothing found" in browser.get("/exercises?q=bench&level=expert").text
        assert browser.get("/exercises/no-such-thing").status_code == 404

    def test_coaches_look_too_and_are_not_asked_to_log(self, session: Session, sign_in: SignIn) -> None:
        imported(session)
        page = sign_in(make_account(session, role="coach")).get("/exercises/barbell-squat").text
        assert "Quadriceps" in page
        assert "/training/log" not in page

    def test_the_api_says_the_same(self, browser: TestClient) -> None:
        found = browser.get("/api/training/exercises", params={"q": "sqaut", "muscle": "glutes"}).json()["items"]
        assert [one["slug"] for one in found] == ["barbell-squat"]
        assert browser.get("/api/training/exercises/barbell-squat").json()["licence"] == "Unlicense (public domain)"


class TestCommand:
    def test_imports_and_says_what_it_did(self, fresh_database: Callable[[], str], tmp_path: Path) -> None:
        file, url = tmp_path / "gym.json", fresh_database()
        file.write_text(json.dumps(GYM))
        first = CliRunner().invoke(app, ["import-exercises", str(file), "--url", url])
        assert (first.exit_code, first.stdout.split(" (")[0]) == (0, "5 movements added, 0 updated, 0 unchanged")
        again = CliRunner().invoke(app, ["import-exercises", str(file), "--url", url])
        assert "0 movements added, 0 updated, 5 unchanged" in again.stdout
        file.write_text("[{}]")
        broken = CliRunner().invoke(app, ["import-exercises", str(file), "--url", url])
        assert (broken.exit_code, "Nothing was imported" in broken.stdout) == (1, True)
