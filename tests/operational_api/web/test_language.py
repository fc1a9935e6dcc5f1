"""Vietnamese: every page of customers says all it says in it; who is asked in which language; dates and money in it."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from jinja2 import Environment
from sqlalchemy.orm import Session

from contracts.ids import new_id
from operational_api.core.errors import DomainError, NotFound
from operational_api.identity.errors import BadPassword, BadProfile
from operational_api.identity.service import risk
from operational_api.web import language, messages, sessions
from operational_api.web.cookies import cookie_name
from operational_api.web.language import LANGUAGES, SOURCE, asked_for, catalogue, retold, say, say_markup, speaking
from operational_api.web.rendering import make_environment
from operational_api.web.wording import messages_of, unsaid
from tests.factories import make_account

OTHERS = [one for one in LANGUAGES if one != SOURCE]
PLACE = re.compile(r"\{\d\}")


@pytest.fixture(scope="module")
def environment() -> Environment:
    return make_environment([])


class TestCatalogue:
    @pytest.mark.parametrize("spoken", OTHERS)
    def test_has_every_text_of_customers_pages_and_no_other(self, spoken: str) -> None:
        known = {str(one.id): str(one.string) for one in language.told(spoken) if one.id}
        wanted = messages.all_messages()
        assert wanted.keys() - known.keys() == set(), "run `python -m operational_api.web.messages`, then translate"
        assert known.keys() - wanted.keys() == set(), "run `python -m operational_api.web.messages`"
        assert {one for one in wanted if not known[one]} == set(), "translate these"

    @pytest.mark.parametrize("spoken", OTHERS)
    def test_fills_in_what_the_message_has_and_keeps_its_markup(self, spoken: str) -> None:
        for one in language.told(spoken):
            said, text = str(one.id), str(one.string)
            if not said:
                continue  # what the file says of itself
            assert set(PLACE.findall(text)) <= set(PLACE.findall(said)), said
            assert re.findall(r"[<>]", text) == re.findall(r"[<>]", said), said
            assert '"' not in text or '"' in said, said
            assert not one.fuzzy, said

    def test_plurals_of_english_are_left_to_each_language(self) -> None:
        with speaking("vi"):
            assert [say("{1} session{2}", count, "" if count == 1 else "s") for count in (1, 2)] == ["1 buổi", "2 buổi"]


class TestWording:
    @pytest.mark.parametrize(
        ("template", "expected"),
        [
            ("<p>Hello <b>you</b></p>", ["Hello", "you"]),
            ("<p>Free until {{ at }}.</p>", ["Free until {1}."]),
            ('<a class="button is-small" href="/x" aria-label="Go on">{{ n }}</a>', ["Go on"]),
            ('{{ ui.button("Take it" if x else "Confirm", kind="spark") }}', ["Take it", "Confirm"]),
            ('{{ ui.alert("bad", "You owe " ~ sum ~ ".") }}', ["You owe {1}."]),
            ("{% set words = {'due': 'Not paid yet'} %}{{ words[x] }}", ["Not paid yet"]),
            ("{% if a %}<p>Yes</p>{% else %}<p>No</p>{% endif %}", ["Yes", "No"]),
            ("<script>const word = 'not said';</script><p>Said</p>", ["Said"]),
            ("{{ ui.select([('', 'As it was')] + rest|list) }}", ["As it was"]),
            ("{% macro m(label='See all') %}<i>{{ label }}</i>{% endmacro %}", ["See all"]),
            ("<input {% if a %} aria-current=\"page\"{% endif %} placeholder=\"Your name\">", ["Your name"]),
            ("{{ x if x == 'Not a text of ours' else y }}", []),
        ],
    )  # fmt: skip
    def test_an_unmarked_text_is_found(self, environment: Environment, template: str, expected: list[str]) -> None:
        assert messages_of(environment, template) == expected

    def test_no_words_of_an_expression_reach_customers_unsaid(self, environment: Environment) -> None:
        found = {name: unsaid(environment, source) for name, source in messages.templates().items()}
        assert {name: words for name, words in found.items() if words} == {}
        assert unsaid(environment, "{{ names.get(x, 'Your coach').split()[0] }}{{ y == 'Not Ours' }}") == ["Your coach"]

    def test_values_are_escaped_and_markup_is_not(self) -> None:
        template = make_environment([]).from_string(
            '<p title="Use {{ name }}?">Back to plans {{ name }}</p>{{ "Keep " ~ name ~ " here" }}'
        )
        shown = template.render(name="<i>")
        assert "<i>" not in shown
        assert shown.count("&lt;i&gt;") == 3
        assert "&lt;" not in say_markup("{1}Search", say_markup("<b>x</b>"))


@pytest.fixture
def browser(api: TestClient) -> TestClient:
    api.headers["Accept"] = "text/html"
    return api


class TestReader:
    @pytest.mark.parametrize(
        ("header", "expected"),
        [
            (None, "en"), ("", "en"), ("vi", "vi"), ("vi-VN,vi;q=0.9,en;q=0.8", "vi"), ("en-GB,vi;q=0.1", "en"),
            ("fr,vi;q=0.5", "vi"), ("en;q=0.2,vi;q=0.9", "vi"), ("de", "en"), ("vi;q=0", "en"), ("*", "en"),
            ("vi;q=x", "en"), (",;q=,", "en"),
        ],
    )  # fmt: skip
    def test_a_guest_reads_what_the_browser_likes(self, header: str | None, expected: str) -> None:
        assert asked_for(header) == expected

    def test_a_guests_page_says_its_language_to_people_and_caches(self, browser: TestClient) -> None:
        page = browser.get("/plans", headers={"Accept-Language": "vi"})
        assert '<html lang="vi">' in page.text
        assert "Tìm nhịp của bạn" in page.text
        assert page.headers["Content-Language"] == "vi"
        assert "Accept-Language" in page.headers["Vary"]
        assert '<html lang="en">' in browser.get("/plans").text

    @pytest.mark.parametrize(("role", "chosen", "expected"), [
        ("customer", "vi", "vi"), ("customer", "en", "en"), ("customer", None, "vi"), ("coach", "vi", "en"),
    ])  # fmt: skip
    def test_a_choice_counts_before_the_browsers_and_staff_read_english(
        self, session: Session, app: FastAPI, browser: TestClient, role: str, chosen: str | None, expected: str
    ) -> None:
        account = make_account(session, role=role)
        tokens = {"access_token": "x", "expires_in": 600}
        claims = {"sub": str(account.id), "sid": str(new_id()), "role": role, "name": "Mia"}
        secret = sessions.start(
            session, app.state.settings, tokens=tokens, claims=claims, language=None, now=datetime.now(UTC)
        )
        sessions.speak(session, account_id=account.id, language=chosen)
        session.flush()
        browser.cookies.set(cookie_name(app.state.settings, "session"), secret)
        page = browser.get("/plans", headers={"Accept-Language": "vi"}).text
        assert f'<html lang="{expected}">' in page
        assert ("plyo-words" in page) is (expected != "en")


def test_dates_and_money_are_of_the_language() -> None:
    environment, now = make_environment([]), datetime(2026, 3, 4, 10, tzinfo=UTC)
    template = environment.from_string(
        '{{ at|local(style="long_day") }}|{{ at|day }}|{{ at|ago }}|{{ dong|money("VND") }}|{{ cents|money("EUR") }}'
    )
    told = {"at": now + timedelta(days=2), "now": now, "tz": "Asia/Ho_Chi_Minh", "dong": 500_000, "cents": 4990}
    with speaking("vi"):
        assert template.render(told).replace("\xa0", " ") == (
            "Thứ Sáu, 6 tháng 3|Th 6 6/3|sau 2 ngày nữa|500.000 ₫|49,90 €"
        )
    assert template.render(told).startswith("Friday, 6 March|Fri 6 Mar|in 2 days|")


def test_numbers_and_countries_are_of_the_language() -> None:
    template = make_environment([]).from_string(
        '{{ "%.1f"|format(best) }}|{{ "%+.1f kg"|format(change) }}|{{ "%g"|format(7) }}|{{ "%02d"|format(5) }}|'
        '{{ "{:,.0f}".format(12400)|digits }}|{{ weight|figure("kg") }}|{{ code|country("Germany") }}|'
        '{{ "??"|country("") }}|{{ told|digits }}'
    )
    given = {
        "best": 1062.5,
        "change": -2.5,
        "weight": 1234.5,
        "code": "DE",
        "told": "Version 1.2.3, 22:30",
    }  # no constants: Jinja works those out once
    english = "1062.5|-2.5 kg|7|05|12,400|1,234 kg|Germany||Version 1.2.3, 22:30"
    assert template.render(given) == english
    with speaking("vi"):
        assert template.render(given) == "1062,5|-2,5 kg|7|05|12.400|1.234 kg|Đức||Version 1.2.3, 22:30"


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (BadPassword("Use at least 12 characters. A few words in a row are easy to remember."), "ít nhất 12 ký tự"),
        (BadProfile("We do not know that time zone.", field="time_zone"), "không biết múi giờ"),
        (NotFound(), "không có gì"),
    ],
)  # fmt: skip
def test_what_a_refusal_says_instead_of_its_docstring_is_told_again(said: DomainError, expected: str) -> None:
    with speaking("vi"):
        assert expected in retold(said.detail)


def test_a_reason_of_a_sign_in_is_in_the_language(session: Session) -> None:
    with speaking("vi"):
        for reason in [*risk._WORDS.values(), "From another country than usual"]:
            assert retold(reason) != reason


def test_what_a_part_that_knows_no_reader_said_is_told_again() -> None:
    with speaking("vi"):
        assert retold("Your membership will end. You can change your mind until then.") == catalogue("vi").gettext(
            "Your membership will end. You can change your mind until then."
        )
        for theirs in ("Nobody ever said this.", "Legs in spring", "Squat with 20 kg"):
            assert retold(theirs) == theirs
    assert retold("Saved.") == "Saved."
