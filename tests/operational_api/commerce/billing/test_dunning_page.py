"""What a member sees of a payment that did not go through, on a phone as on a desk."""

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from markupsafe import Markup
from sqlalchemy.orm import Session

from operational_api.identity.models import Account
from operational_api.web.filters import under
from tests.operational_api.commerce.billing.conftest import Studio
from tests.operational_api.commerce.billing.test_collection import cancel
from tests.operational_api.conftest import SignIn


@pytest.fixture
def member(studio: Studio) -> Studio:
    studio.now = datetime.now(UTC) - timedelta(days=1)
    studio.start(studio.plan("Small", 5000))
    return studio


def seen(studio: Studio, session: Session, sign_in: SignIn, path: str = "/membership") -> str:
    answer = sign_in(session.get_one(Account, studio.customer_id)).get(path)
    assert answer.status_code == 200, answer.text[-2000:]
    return " ".join(answer.text.split())


def written(day: datetime) -> str:
    return f"{day:%-d %b %Y}"


def test_tells_what_was_tried_and_each_day_to_come(member: Studio, session: Session, sign_in: SignIn) -> None:
    member.collect("insufficient_funds")
    page = seen(member, session, sign_in)
    days = [written(member.now + timedelta(days=after)) for after in (2, 7, 14, 21)]
    assert f"We try again on {days[0]}, then on {days[1]}, {days[2]} and {days[3]}. If none succeeds" in page
    assert f"Tried: {written(member.now)} (insufficient funds)." in page
    assert "Try my card now" in page
    assert 'action="/membership/card"' in page


def test_does_not_tell_whoever_holds_a_stolen_card_that_it_is_known(
    member: Studio, session: Session, sign_in: SignIn
) -> None:
    member.collect("stolen_card")
    page = seen(member, session, sign_in)
    assert f"Tried: {written(member.now)} (card declined)." in page
    assert "stolen" not in page
    assert "Add another card by" in page
    assert 'action="/membership/card"' in page


def test_that_is_cancelled_stays_owed_and_says_how_long_it_is_tried(
    member: Studio, session: Session, sign_in: SignIn
) -> None:
    member.collect("insufficient_funds")
    owed = "What is open stays owed."
    assert owed in seen(member, session, sign_in, "/membership/cancel")
    cancel(member)
    page = seen(member, session, sign_in)
    assert f"We try again on {written(member.now + timedelta(days=2))}" in page
    assert f"{owed} We try your card by the days above until the membership ends, and then no more." in page


@pytest.mark.parametrize("failed", [0, 1])
def test_of_a_membership_that_has_ended_is_paid_by_whoever_wants_to(
    member: Studio, session: Session, sign_in: SignIn, failed: int
) -> None:
    if failed:
        member.collect("insufficient_funds")
    cancel(member, at_once=True)
    page = seen(member, session, sign_in)
    assert ("A payment of €50.00 did not go through." if failed else "€50.00 is not paid.") in page
    assert "we charge no card unless you ask for it" in page
    assert "Try my card now" in page
    assert "We try again on" not in page
    assert ("Tried:" in page) is bool(failed)


def test_names_the_same_last_day_as_the_invoice(member: Studio, session: Session, sign_in: SignIn) -> None:
    account = session.get_one(Account, member.customer_id)
    account.time_zone = member.member.time_zone
    session.flush()
    [invoice] = member.invoices
    last = (invoice.period_end - timedelta(seconds=1)).astimezone(ZoneInfo(member.member.time_zone))
    days = re.compile(rf"\d+ \w{{3}} \d{{4}} – {re.escape(written(last))}")
    assert days.search(seen(member, session, sign_in))
    assert days.search(seen(member, session, sign_in, f"/invoices/{invoice.id}"))


def test_has_each_columns_heading_at_its_cell_for_a_phone(member: Studio, session: Session, sign_in: SignIn) -> None:
    page = seen(member, session, sign_in)
    row = page[page.index("<tbody>") : page.index("</tbody>")]
    assert re.findall(r'data-under="([^"]*)"', row) == ["Date", "Number", "Period", "State", "Tax", "Amount"]


def test_headings_begin_anew_with_each_row_and_are_escaped() -> None:
    told = under(Markup("<tr><td>1</td><td class='number'>2</td></tr><tr><td>3</td></tr>"), ['A "<b>"', "N>"])
    assert re.findall(r'<td data-under="([^"]*)"', told) == ["A &#34;&lt;b&gt;&#34;", "N", "A &#34;&lt;b&gt;&#34;"]
