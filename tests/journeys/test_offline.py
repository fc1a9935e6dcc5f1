"""A workout on a phone in a cellar: typed, left and saved without a network, and once on the server when there is one.

Needs a browser, not the stack: the API alone is served.
"""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect
from sqlalchemy import func, select

from operational_api.training.models import Client, Workout, WorkoutRevision, WorkoutSet
from operational_api.training.service import corrections
from operational_api.training.service.workouts import Log, SetDone
from tests.journeys.conftest import PHONE, eventually
from tests.journeys.site import Site, sign_in

pytestmark = pytest.mark.journey


@pytest.fixture
def page(chromium: Browser, site: Site) -> Iterator[Page]:
    """The customer's phone, on the page of training, with the form of today's workout fetched by itself."""
    context = chromium.new_context(viewport=PHONE)
    page = context.new_page()
    sign_in(page, site.url, site.email, "/training")
    page.evaluate("navigator.serviceWorker.ready")
    page.reload()
    eventually(
        lambda: page.evaluate("(path) => caches.match(path).then(Boolean)", f"/training/log?workout={site.workout}"),
        what="the form in the phone's cache",
    )
    yield page
    context.close()


def begin(page: Page, site: Site) -> None:
    """Open the form with no network, which nobody opened before, and type two sets of three."""
    page.context.set_offline(True)
    page.goto(f"{site.url}/training/log?workout={site.workout}")
    page.get_by_label("Barbell squat, set 1, kg").fill("82.5")
    page.get_by_label("Barbell squat, set 1, repetitions").fill("6")
    page.get_by_label("Barbell squat, set 2, kg").fill("80")
    page.get_by_role("button", name="Remove set 3").click()
    page.get_by_label("Minutes").fill("44")


def logged(site: Site) -> list[tuple[float, int]]:
    """Sets on the server, in order."""
    with site.rows() as session:
        query = select(WorkoutSet).where(WorkoutSet.workout_id == site.workout).order_by(WorkoutSet.position)
        return [(float(one.weight_kg or 0), one.reps) for one in session.scalars(query)]


def test_what_is_saved_without_a_network_is_there_once_when_it_is_back(site: Site, page: Page) -> None:
    begin(page, site)
    before = datetime.now(UTC)
    page.get_by_role("button", name="Save workout").click()
    note = page.get_by_role("status").filter(has_text="A workout is kept on this device")
    expect(note).to_be_visible()
    expect(page.get_by_role("button", name="Save workout")).to_be_hidden()
    after = datetime.now(UTC)
    page.goto(f"{site.url}/training")  # as the worker kept it
    expect(note).to_be_visible()
    assert logged(site) == []
    page.context.set_offline(False)
    expect(page.get_by_role("status").filter(has_text="Your workout is saved.")).to_be_visible()
    assert logged(site) == [(82.5, 6), (80.0, 5)]
    with site.rows() as session:
        row = session.get_one(Workout, site.workout)
        assert row.completed_at is not None
        assert before <= row.completed_at <= after, "it counts for when it was done, not for when it arrived"
        assert session.scalar(select(func.count()).select_from(Workout).where(Workout.status == "completed")) == 1
    page.reload()
    expect(page.get_by_role("status").filter(has_text="kept on this device")).to_be_hidden()
    assert site.posted.count("/training/log") == 1


def test_what_was_typed_is_there_again_after_the_tab_was_lost(site: Site, page: Page) -> None:
    begin(page, site)
    page.close()
    page = page.context.new_page()
    page.goto(f"{site.url}/training/log?workout={site.workout}")
    expect(page.get_by_label("Barbell squat, set 1, kg")).to_have_value("82.5")
    expect(page.get_by_label("Barbell squat, set 2, kg")).to_have_value("80")
    expect(page.get_by_label("Barbell squat, set 3, kg")).to_have_count(0)
    expect(page.get_by_label("Minutes")).to_have_value("44")
    page.context.set_offline(False)
    page.get_by_role("button", name="Save workout").click()
    page.wait_for_url(f"**/training/workouts/{site.workout}")
    assert logged(site) == [(82.5, 6), (80.0, 5)]


def test_an_answer_that_got_lost_is_asked_for_again_and_nothing_is_there_twice(site: Site, page: Page) -> None:
    begin(page, site)
    page.context.set_offline(False)
    times = []

    def lose_the_first(route: Route) -> None:
        times.append(1)
        route.fetch(max_redirects=0)
        route.abort("connectionreset")

    page.route("**/training/log", lose_the_first, times=1)
    page.get_by_role("button", name="Save workout").click()
    page.get_by_role("button", name="Try now").click()
    expect(page.get_by_role("status").filter(has_text="Your workout is saved.")).to_be_visible()
    assert (len(times), site.posted.count("/training/log")) == (1, 2)
    assert logged(site) == [(82.5, 6), (80.0, 5)]


def test_what_the_server_refuses_is_said_and_can_be_forgotten(site: Site, page: Page) -> None:
    begin(page, site)
    page.get_by_role("button", name="Save workout").click()
    with site.rows.begin() as session:
        session.get_one(Workout, site.workout).status = "skipped"
    page.context.set_offline(False)
    note = page.get_by_role("status").filter(has_text="was not accepted")
    expect(note).to_be_visible()
    page.get_by_role("button", name="Forget it").click()
    expect(note).to_be_hidden()
    page.reload()
    expect(note).to_be_hidden()


def test_what_the_phone_kept_of_a_plan_goes_when_training_is_put_on_hold(site: Site, page: Page) -> None:
    with site.rows.begin() as session:
        workout = session.get_one(Workout, site.workout)
        session.get_one(Client, workout.customer_id).on_hold_since = datetime.now(UTC)
    form = f"/training/log?workout={site.workout}"
    page.goto(f"{site.url}/training")
    eventually(
        lambda: page.evaluate("(path) => caches.match(path).then((kept) => !kept)", form),
        what="the form gone from the phone's cache",
    )
    page.context.set_offline(True)
    page.goto(f"{site.url}/training")
    expect(page.get_by_text("Training is on hold.")).to_be_visible()
    page.goto(f"{site.url}/training/log?workout={site.workout}")
    expect(page.get_by_label("Barbell squat, set 1, kg")).to_have_count(0)


def test_whatever_else_is_sent_without_a_network_stays_as_it_was_typed(site: Site, page: Page) -> None:
    page.goto(f"{site.url}/messages")
    page.get_by_role("textbox").first.fill("Can we start half an hour later?")
    page.context.set_offline(True)
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.get_by_role("status").filter(has_text="so this was not sent")).to_be_visible()
    expect(page.get_by_role("textbox").first).to_have_value("Can we start half an hour later?")
    page.context.set_offline(False)
    expect(page.get_by_role("status").filter(has_text="You are offline")).to_be_hidden()
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.get_by_text("Can we start half an hour later?")).to_be_visible()
    assert len([path for path in site.posted if path.startswith("/messages")]) == 1


def log_at_once(page: Page, site: Site) -> None:
    """Log today's workout with a network; its page and the form to change it are then on the phone."""
    page.goto(f"{site.url}/training/log?workout={site.workout}")
    page.get_by_role("button", name="Save workout").click()
    page.wait_for_url(f"**/training/workouts/{site.workout}")
    asked = """async (path) => ((await (await caches.match(path))?.text()) ?? "").includes('value="edit"')"""
    eventually(
        lambda: page.evaluate(asked, f"/training/log?workout={site.workout}"), what="the form to change it in the cache"
    )
    eventually(
        lambda: page.evaluate("(path) => caches.match(path).then(Boolean)", f"/training/workouts/{site.workout}"),
        what="its page in the cache",
    )


def change(page: Page, site: Site, kg: str) -> None:
    """Without a network: set 1 was heavier, and there was no third set."""
    page.context.set_offline(True)
    page.goto(f"{site.url}/training/workouts/{site.workout}")
    page.get_by_role("link", name="Change").click()
    page.get_by_label("Barbell squat, set 1, kg").fill(kg)
    page.get_by_role("button", name="Remove set 3").click()
    page.get_by_role("button", name="Save changes").click()
    expect(page.get_by_role("status").filter(has_text="A workout is kept on this device")).to_be_visible()


def coach_changes(site: Site, kg: float) -> None:
    with site.rows.begin() as session:
        client = session.get_one(Client, session.get_one(Workout, site.workout).customer_id)
        squat = session.scalars(select(WorkoutSet.exercise_id)).first()
        assert squat is not None
        assert client.coach_id is not None
        corrections.correct_workout(
            session, workout_id=site.workout, client=client, log=Log([SetDone(squat, 3, kg)], note="Pauses"),
            logged_by=client.coach_id, now=datetime.now(UTC),
        )  # fmt: skip


def test_a_change_of_what_was_sent_waits_and_outlives_its_tab(site: Site, page: Page) -> None:
    log_at_once(page, site)
    change(page, site, "82.5")
    page.close()
    page = page.context.new_page()
    page.goto(f"{site.url}/training")  # as the worker kept it
    expect(page.get_by_role("status").filter(has_text="A workout is kept on this device")).to_be_visible()
    page.goto(f"{site.url}/training/log?workout={site.workout}")
    expect(page.get_by_label("Barbell squat, set 1, kg")).to_have_value("82.5")
    page.get_by_label("Barbell squat, set 2, repetitions").fill("4")
    page.get_by_role("button", name="Save changes").click()
    assert logged(site)[0][0] != 82.5
    page.context.set_offline(False)
    expect(page.get_by_role("status").filter(has_text="Your workout is saved.")).to_be_visible()
    eventually(lambda: len(logged(site)) == 2 and logged(site)[1][1] == 4, what="both changes, the later one last")
    assert logged(site)[0][0] == 82.5
    with site.rows() as session:
        assert session.scalar(select(func.count()).select_from(WorkoutRevision)) == 2
    page.goto(f"{site.url}/training")
    expect(page.get_by_role("status").filter(has_text="kept on this device")).to_be_hidden()
    assert site.posted.count("/training/log") == 3


def test_a_log_and_its_change_that_both_wait_arrive_in_their_order(site: Site, page: Page) -> None:
    begin(page, site)
    page.get_by_role("button", name="Save workout").click()
    expect(page.get_by_role("status").filter(has_text="A workout is kept on this device")).to_be_visible()
    page.goto(f"{site.url}/training/log?workout={site.workout}")
    expect(page.get_by_label("Barbell squat, set 1, kg")).to_have_value("82.5")
    page.get_by_label("Barbell squat, set 1, kg").fill("85")
    page.get_by_role("button", name="Save workout").click()
    page.context.set_offline(False)
    eventually(lambda: logged(site) == [(85.0, 6), (80.0, 5)], what="the change behind the log")
    with site.rows() as session:
        (before,) = session.scalars(select(WorkoutRevision.said)).all()
        assert before["sets"][0]["weight_kg"] == 82.5


def test_what_the_coach_changed_meanwhile_is_shown_beside_and_the_person_picks(site: Site, page: Page) -> None:
    log_at_once(page, site)
    change(page, site, "82.5")
    coach_changes(site, 70)
    page.context.set_offline(False)
    note = page.get_by_role("status").filter(has_text="was changed meanwhile, on another device or by your coach.")
    expect(note).to_be_visible()
    page.close()
    page = page.context.new_page()
    page.goto(f"{site.url}/training")
    expect(note_of(page)).to_be_visible()
    page.get_by_role("button", name="Look at both").click()
    expect(page.get_by_role("heading", name="Which of the two?")).to_be_visible()
    for words in ("Your coach changed this workout meanwhile.", "82.5 kg × 5", "70 kg × 3", "Pauses"):
        expect(page.get_by_text(words).first).to_be_visible()
    assert logged(site) == [(70.0, 3)]
    page.get_by_role("button", name="Keep this one").click()
    page.wait_for_url(f"**/training/workouts/{site.workout}")
    assert logged(site)[0][0] == 82.5
    with site.rows() as session:
        said = session.scalars(select(WorkoutRevision.said).order_by(WorkoutRevision.revision)).all()
        assert said[-1]["note"] == "Pauses"
    expect(note_of(page)).to_be_hidden()


def test_what_the_coach_made_of_it_stays_where_the_person_leaves_it(site: Site, page: Page) -> None:
    log_at_once(page, site)
    change(page, site, "82.5")
    coach_changes(site, 70)
    page.context.set_offline(False)
    page.get_by_role("button", name="Look at both").click()
    page.get_by_role("link", name="Leave it as it is now").click()
    page.wait_for_url(f"**/training/workouts/{site.workout}")
    expect(note_of(page)).to_be_hidden()
    assert logged(site) == [(70.0, 3)]


def note_of(page: Page) -> Locator:
    return page.get_by_role("status").filter(has_text="was changed meanwhile")


def test_a_workout_is_deleted_without_a_network_and_once(site: Site, page: Page) -> None:
    log_at_once(page, site)
    page.context.set_offline(True)
    page.goto(f"{site.url}/training/workouts/{site.workout}")
    page.on("dialog", lambda asked: asked.accept())
    page.get_by_role("button", name="Delete this workout").click()
    expect(page.get_by_role("status").filter(has_text="A workout is deleted as soon as")).to_be_visible()
    assert len(logged(site)) == 3
    times = []

    def lose_the_first(route: Route) -> None:
        times.append(1)
        route.fetch(max_redirects=0)
        route.abort("connectionreset")

    page.route("**/delete", lose_the_first, times=1)
    page.context.set_offline(False)
    page.get_by_role("button", name="Try now").click()
    expect(page.get_by_role("status").filter(has_text="Your workout is deleted.")).to_be_visible()
    assert logged(site) == []
    with site.rows() as session:
        assert session.scalar(select(func.count()).select_from(WorkoutRevision)) == 1
        assert session.get_one(Workout, site.workout).status == "skipped"
    assert len(times) == 1
