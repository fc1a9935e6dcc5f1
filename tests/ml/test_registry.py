"""Where models live, and which one is current."""

from pathlib import Path

import pytest

from ml import registry
from ml.registry import NoModel, Registry


@pytest.fixture
def models(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "ml", "churn")


def saved(models: Registry, *ids: str) -> None:
    for one in ids:
        models.save(one, lambda folder: (folder / "model.json").write_text("{}"))


class TestModelId:
    def test_is_the_same_for_the_same_making_and_another_for_any_other(self):
        made = {"code": "c", "parameters": {"a": 1}, "data": "d", "seed": 7}
        ids = {
            registry.model_id("churn", **made | changed)
            for changed in ({}, {}, {"code": "x"}, {"parameters": {"a": 2}}, {"data": "x"}, {"seed": 8})
        }
        assert len(ids) == 5
        assert all(one.startswith("churn-") and len(one) == 18 for one in ids)


class TestSave:
    def test_a_write_that_fails_leaves_nothing(self, models):
        def write(folder: Path) -> None:
            (folder / "half").write_text("x")
            raise RuntimeError("disk full")

        with pytest.raises(RuntimeError):
            models.save("churn-1", write)
        assert not models.has("churn-1")
        assert list(models.root.iterdir()) == []

    def test_the_first_of_two_equal_models_stays(self, models):
        models.save("churn-1", lambda folder: (folder / "by").write_text("first"))
        models.save("churn-1", lambda folder: (folder / "by").write_text("second"))
        assert (models.folder("churn-1") / "by").read_text() == "first"


class TestCurrent:
    def test_says_what_to_do_before_any_promotion(self, models):
        with pytest.raises(NoModel, match="train one first"):
            models.current()

    def test_a_model_that_was_never_saved_cannot_be_promoted(self, models):
        with pytest.raises(NoModel):
            models.promote("churn-9")

    def test_goes_forward_and_back(self, models):
        saved(models, "churn-1", "churn-2", "churn-3")
        for one in ("churn-1", "churn-2", "churn-2", "churn-3"):
            models.promote(one)
        assert models.current() == "churn-3"
        assert [models.roll_back(), models.roll_back()] == ["churn-2", "churn-1"]
        assert models.current() == "churn-1"
        with pytest.raises(NoModel, match="no earlier"):
            models.roll_back()
