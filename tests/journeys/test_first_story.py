"""The whole road once: a guest becomes a member, trains, cancels, and leaves a trace from the outbox to the consoles;
the churn score brings her to her coach's queue, the coach reaches out, and the effect of it is on record.

Each step looks at what a person sees, then at the truth, then at the lake. Numbers are compared with what they were
before the story began.
"""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
import psycopg
import pytest
from playwright.sync_api import Locator, Page, expect

from contracts.ids import new_id
from contracts.money import Money
from plyo.logins import LOGINS, PASSWORD
from tests.journeys.conftest import Person, Stack, eventually

pytestmark = pytest.mark.journey
EMAIL, SECRET = f"nora.{new_id().hex[-6:]}@example.test", "violet-anchor-thirty"
STORY = {
    "identity.account_registered",
    "identity.email_verified",
    "commerce.subscription_started",
    "commerce.payment_captured",
    "scheduling.session_booked",
    "training.coach_assigned",
    "scheduling.session_attended",
    "training.workout_logged",
    "commerce.subscription_cancelled",
    "automation.churn_scored",
    "automation.run_started",
    "automation.run_acted",
    "engagement.message_sent",
    "engagement.message_read",
}


@dataclass(frozen=True)
class Tiles:
    """What the admin's overview says of euros: members, and money collected this month in minor units."""

    active_members: int
    collected_minor: int


@dataclass(frozen=True)
class Session:
    """A free hour and whose it is."""

    slot_id: UUID
    day: str
    coach_id: UUID
    coach_email: str


@dataclass(frozen=True)
class Nudge:
    """A message sent for a run."""

    run_id: UUID
    rule_id: UUID
    body: str


def test_from_browsing_plans_to_a_measured_nudge(stack: Stack, somebody: Callable[[], Person]) -> None:
    admin, coach, nora = somebody(), somebody(), somebody()
    _the_marts_are_up_to_date(stack)
    tiles = _reads_the_tiles(admin, is_first=True)
    runs_counted = _effect_runs(stack)
    _lets_the_rule_meet_everybody(admin)
    hour = _free_hour(stack)
    clients = _signs_in_and_counts_clients(coach, hour)
    _browses_and_signs_up(nora)
    customer_id = _verifies_and_signs_in(nora)
    paid = _subscribes_and_pays(nora, customer_id)
    _books(nora, customer_id, hour)
    _only_one_of_two_gets_a_slot(nora, somebody(), hour)
    _is_not_in_the_numbers_yet(coach, customer_id)
    _marks_attended(coach, customer_id, hour)
    _lands_within_seconds(stack, customer_id)
    _logs_a_workout(nora)
    _cancels(nora, customer_id)
    _sees_why_she_may_leave(coach, customer_id)
    nudge = _sends_the_nudge(coach, customer_id)
    _reads_the_nudge(nora, nudge)
    _every_step_is_an_event(stack, customer_id, paid)
    _the_marts_have_it(stack, customer_id, nudge)
    _the_coach_sees_what_changed(coach, customer_id, clients)
    assert _reads_the_tiles(admin) == Tiles(tiles.active_members + 1, tiles.collected_minor + paid.amount_minor)
    _the_admin_sees_the_rest(admin)
    _the_effect_is_on_record(stack, nudge, runs_counted)


def _the_marts_are_up_to_date(stack: Stack) -> None:
    # A copy that runs already may still be building what an earlier story did.
    def agree() -> bool:
        [(collected,)] = stack.sql("select count(*) from commerce.payments where status = 'captured'")
        return stack.lake("select count(*) from marts.finance.fct_payments where status = 'captured'") == [(collected,)]

    eventually(agree, what="marts that know every payment", within_seconds=240)


def _reads_the_tiles(admin: Person, *, is_first: bool = False) -> Tiles:
    page = admin.open("/admin/")
    if is_first:
        admin.sign_in(LOGINS["admin"], PASSWORD)
    expect(page.get_by_text("Monthly recurring revenue").first).to_be_visible()
    page.get_by_role("button", name="EUR", exact=True).click()
    collected = _tile(page, "Payments collected")
    expect(collected).to_contain_text("€")
    admin.picture("01-admin-before" if is_first else "20-admin-overview")
    return Tiles(
        active_members=int(_tile(page, "Active members").inner_text().replace(",", "")),
        collected_minor=round(float(re.sub(r"[^0-9.]", "", collected.inner_text())) * 100),
    )


def _tile(page: Page, label: str) -> Locator:
    """The value under a tile's label."""
    return page.locator(f"div[title]:text-is('{label}') + div")


def _opens_tab(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def _lets_the_rule_meet_everybody(admin: Person) -> None:
    # Whom a model calls risky depends on chance; with the least threshold and no holdout the rule meets everybody.
    page = admin.page
    _opens_tab(page, "Automations")
    for slider in ("Act from churn probability", "Held out, %"):
        page.locator(".bk-input-group").filter(has_text=slider).get_by_role("slider").press("Home")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    assert admin.stack.sql(
        "select (condition->>'probability_at_least')::float, holdout_percent, is_active from automation.rules"
    ) == [(0.01, 0, True)]


def _effect_runs(stack: Stack) -> dict[str, int]:
    """Runs counted by outcome."""
    return dict(stack.lake("select outcome, runs from marts.retention.fct_automation_effects"))


def _free_hour(stack: Stack) -> Session:
    [row] = stack.sql(
        "select s.id, (s.starts_at at time zone 'Europe/Berlin')::date::text, s.coach_id, a.email"
        " from scheduling.slots s join scheduling.locations l on l.id = s.location_id"
        " join identity.accounts a on a.id = s.coach_id"
        " where l.currency = 'EUR' and s.status = 'open' and s.kind = 'one_to_one'"
        " and s.starts_at > now() + interval '20 hours'"
        " and not exists (select 1 from scheduling.bookings b where b.slot_id = s.id) order by s.starts_at limit 1"
    )
    return Session(*row)


def _signs_in_and_counts_clients(coach: Person, hour: Session) -> int:
    coach.open("/coach/")
    coach.sign_in(hour.coach_email, PASSWORD)
    expect(coach.page.get_by_role("heading", name=re.compile("^Hello"))).to_be_visible()
    return _counts_clients(coach)


def _counts_clients(coach: Person) -> int:
    caption = coach.open("/coach/clients").get_by_text(re.compile(r"^\d+ of \d+ clients\."))
    expect(caption).to_be_visible()
    found = re.match(r"\d+ of (\d+)", caption.inner_text())
    assert found
    return int(found[1])


def _browses_and_signs_up(nora: Person) -> None:
    page = nora.open("/")
    nora.picture("01-landing")
    page = nora.open("/plans")
    expect(page.get_by_role("heading", name="Memberships")).to_be_visible()
    nora.picture("02-plans")
    page = nora.open("/signup")
    page.get_by_label("Name").fill("Nora New")
    page.get_by_label("E-mail").fill(EMAIL)
    page.get_by_label("Password").fill(SECRET)
    nora.picture("03-signup")
    page.get_by_role("button", name="Create account").click()
    expect(page.locator("main")).to_contain_text(re.compile("inbox|e-mail", re.I))


def _verifies_and_signs_in(nora: Person) -> UUID:
    mail = nora.stack.mail(EMAIL, subject="confirm|verify|welcome")
    link = re.search(r"http://[^\s\"<>]+/verify-email\?[^\s\"<>]+", mail["text"])
    assert link, mail["text"]
    nora.page.goto(link[0])
    button = nora.page.get_by_role("button", name=re.compile("confirm", re.I))
    if button.count():
        button.click()
    nora.open("/auth/login")
    if nora.page.get_by_label("Password").count():
        nora.sign_in(EMAIL, SECRET)
    nora.page.wait_for_url("**/home")
    nora.picture("04-home-new")
    return UUID(str(nora.stack.sql("select id from identity.accounts where email = %s", EMAIL)[0][0]))


@dataclass(frozen=True)
class Paid:
    """What Stripe collected."""

    payment_id: UUID
    amount_minor: int


def _subscribes_and_pays(nora: Person, customer_id: UUID) -> Paid:
    # The one membership without a trial: it charges today.
    page = nora.open("/plans?currency=EUR")
    page.get_by_role("button", name="Choose Unlimited").click()
    page.get_by_label("Card number").wait_for()
    page.get_by_label("Email").fill(EMAIL)
    nora.picture("07-checkout")
    _fill_card(page, "4000 0000 0000 0002")
    expect(page.get_by_role("alert")).to_contain_text("declined")
    assert not nora.stack.sql(
        "select 1 from commerce.subscriptions where customer_id = %s and status <> 'incomplete'", customer_id
    )
    _fill_card(page, "4242 4242 4242 4242")
    page.wait_for_url("**/checkout/return*")
    [(payment_id, amount_minor, price_minor)] = eventually(
        lambda: nora.stack.sql(
            "select p.id, p.amount_minor, s.amount_minor from commerce.payments p"
            " join commerce.subscriptions s using (customer_id)"
            " where customer_id = %s and p.status = 'captured' and s.status = 'active'",
            customer_id,
        ),
        what="the payment and the membership",
    )
    assert amount_minor == price_minor > 0
    page = nora.open("/membership")
    expect(page.locator("main")).to_contain_text(str(Money(price_minor, "EUR")))
    nora.picture("08-membership")
    books = nora.stack.sql(
        "select account, sum(amount_minor) from commerce.ledger_lines where journal_id in"
        " (select journal_id from commerce.ledger_lines where customer_id = %s) group by account",
        customer_id,
    )
    assert {"membership_revenue", "tax_payable", "stripe_balance"} <= {account for account, _ in books}
    assert sum(amount for _, amount in books) == 0
    return Paid(payment_id, amount_minor)


def _fill_card(page: Page, number: str) -> None:
    page.get_by_label("Card number").fill(number)
    page.get_by_label("Expiry").fill("12 / 34")
    page.get_by_label("CVC").fill("123")
    page.get_by_label("Cardholder name").fill("Nora New")
    page.locator("#pay").click()
    page.wait_for_load_state("networkidle")


def _books(nora: Person, customer_id: UUID, hour: Session) -> None:
    nora.open(f"/book?day={hour.day}&place=any")
    nora.picture("09-book")
    page = nora.open(f"/book/{hour.slot_id}")
    page.get_by_role("button", name="Book this session").click()
    page.wait_for_url("**/bookings")
    assert nora.stack.sql(
        "select slot_id, coach_id, status from scheduling.bookings where customer_id = %s", customer_id
    ) == [(hour.slot_id, hour.coach_id, "booked")]
    nora.picture("10-bookings")


def _only_one_of_two_gets_a_slot(nora: Person, rival: Person, taken: Session) -> None:
    # Somebody whose membership never runs out of sessions, so that nothing but the race can refuse them.
    [(email, slot_id)] = nora.stack.sql(
        "select a.email, s.id from scheduling.slots s, commerce.subscriptions m"
        " join commerce.plans p on p.id = m.plan_id join identity.accounts a on a.id = m.customer_id"
        " where m.status = 'active' and m.cancel_at is null and p.sessions_included is null and a.email <> %s"
        " and s.status = 'open' and s.kind = 'one_to_one' and s.id <> %s and s.starts_at > now() + interval '3 days'"
        " and not exists (select 1 from scheduling.bookings b where b.slot_id = s.id"
        " or (b.customer_id = a.id and tstzrange(b.starts_at, b.ends_at) && tstzrange(s.starts_at, s.ends_at)))"
        " order by s.starts_at, a.email limit 1",
        EMAIL, taken.slot_id,
    )  # fmt: skip
    rival.open("/auth/login")
    rival.sign_in(email, PASSWORD)
    rival.page.wait_for_url("**/home")
    rival.picture("11-home-member")
    people = (nora, rival)
    for person in people:
        expect(person.open(f"/book/{slot_id}").get_by_role("button", name="Book this session")).to_be_visible()
    cookies = [{c["name"]: c["value"] for c in person.context.cookies()} for person in people]
    tokens = [person.page.locator('meta[name="csrf-token"]').get_attribute("content") for person in people]

    def book(who: int) -> httpx.Response:
        return httpx.post(
            f"{nora.stack.url}/book/{slot_id}", data={"csrf_token": tokens[who] or ""}, cookies=cookies[who],
            headers={"Origin": nora.stack.url, "Accept": "text/html"}, follow_redirects=False, timeout=30,
        )  # fmt: skip

    with ThreadPoolExecutor(2) as both:
        answers = list(both.map(book, range(2)))
    won, lost = sorted(answers, key=lambda answer: answer.status_code)
    assert (won.status_code, won.headers["location"]) == (303, "/bookings")
    assert lost.status_code == 409
    assert "Someone else booked" in lost.text
    held = nora.stack.sql(
        "select customer_id from scheduling.bookings where slot_id = %s and status = 'booked'", slot_id
    )
    assert len(held) == 1
    with pytest.raises(psycopg.errors.UniqueViolation, match="uq_bookings_seat"):
        nora.stack.sql(
            "insert into scheduling.bookings"
            " (id, slot_id, customer_id, coach_id, starts_at, ends_at, seat, status, booked_at)"
            " select uuidv7(), slot_id, uuidv7(), coach_id, starts_at, ends_at, seat, status, now()"
            " from scheduling.bookings where slot_id = %s returning id",
            slot_id,
        )


def _is_not_in_the_numbers_yet(coach: Person, customer_id: UUID) -> None:
    if coach.stack.lake(f"select 1 from marts.core.dim_customers where customer_id = '{customer_id}'"):
        return  # the marts were quicker than the story
    coach.open(f"/coach/client?customer={customer_id}")
    expect(coach.page.get_by_text("not in your numbers yet")).to_be_visible()


def _marks_attended(coach: Person, customer_id: UUID, hour: Session) -> None:
    # The clock cannot be waited for: the session is moved to the last hour in which its coach had none.
    [(at,)] = coach.stack.sql(
        "select max(hour) from"
        " generate_series(now() - interval '11 hours', now() - interval '61 minutes', interval '10 minutes') as hour"
        " where not exists (select 1 from scheduling.slots s where s.coach_id = %s"
        " and s.status = 'open' and tstzrange(s.starts_at, s.ends_at) && tstzrange(hour, hour + interval '1 hour'))",
        hour.coach_id,
    )
    [(booking_id,)] = coach.stack.sql(
        "with slot as (update scheduling.slots set starts_at = %s, ends_at = %s + interval '1 hour'"
        " where id = %s returning id)"
        " update scheduling.bookings b set starts_at = %s, ends_at = %s + interval '1 hour'"
        " from slot where b.slot_id = slot.id and b.customer_id = %s returning b.id",
        at, at, hour.slot_id, at, at, customer_id,
    )  # fmt: skip
    page = coach.open("/coach/")
    button = page.locator(f".st-key-came-{booking_id} button")
    expect(button).to_be_visible()
    coach.picture("12-coach-today")
    button.click()
    eventually(
        lambda: coach.stack.sql("select 1 from scheduling.bookings where id = %s and status = 'attended'", booking_id),
        what="the mark",
    )
    expect(button).to_be_hidden()


def _lands_within_seconds(stack: Stack, customer_id: UUID) -> None:
    eventually(
        lambda: stack.lake(
            f"select 1 from raw.scheduling__bookings where customer_id = '{customer_id}' and status = 'attended'"
        ),
        what="the attended booking in raw",
        within_seconds=30,
    )


def _logs_a_workout(nora: Person) -> None:
    page = nora.open("/training/log")
    page.get_by_label("Add a movement").fill("sqat")  # spelling need not be right
    page.get_by_label("Add a movement").press("Enter")
    page.get_by_role("list", name="Movements found").get_by_role("button").first.click()
    page.get_by_label(re.compile(r"set 1, kg")).first.fill("60")
    page.get_by_label(re.compile(r"set 1, repetitions")).first.fill("8")
    page.get_by_label("Minutes").fill("45")
    page.get_by_label(re.compile("Effort, 0")).fill("7")
    nora.picture("13-log-workout")
    page.get_by_role("button", name="Save workout").click()
    eventually(
        lambda: nora.stack.sql(
            "select 1 from training.workouts w join identity.accounts a on a.id = w.customer_id"
            " where a.email = %s and w.status = 'completed'",
            EMAIL,
        ),
        what="the workout",
    )
    nora.open("/training")
    nora.picture("14-training")


def _cancels(nora: Person, customer_id: UUID) -> None:
    page = nora.open("/membership/cancel")
    nora.picture("15-cancel")
    page.get_by_role("radio").first.check(force=True)
    page.get_by_role("button", name="End membership").click()
    eventually(
        lambda: nora.stack.sql(
            "select 1 from commerce.subscriptions"
            " where customer_id = %s and cancel_requested_at is not null and cancel_at > now() and status = 'active'",
            customer_id,
        ),
        what="the cancellation",
    )
    nora.open("/membership")
    nora.picture("16-membership-ending")


def _sees_why_she_may_leave(coach: Person, customer_id: UUID) -> None:
    """The queue brings her up by itself, and the client page tells the newest score with its reasons."""
    [(run_id,)] = eventually(
        lambda: coach.stack.sql(
            "select id from automation.runs where customer_id = %s and status = 'open'", customer_id
        ),
        what="the rule to meet the new member by her first score",
        within_seconds=240,
    )
    # The page was open all the while and is not reloaded.
    look = coach.page.locator(f".st-key-look-{run_id} button")
    _shows_in_the_queue(coach.page, look)
    coach.picture("17-coach-queue")
    look.click()
    _shows_the_newest_score(coach, customer_id)
    coach.page.get_by_role("tab", name="Risk").click()
    coach.picture("18-coach-client-risk")
    coach.page.reload()
    _shows_the_newest_score(coach, customer_id)


def _shows_in_the_queue(page: Page, button: Locator) -> None:
    """Somebody of low risk may stand below the fold, where coaches with many suggestions ask for the others."""
    more = page.get_by_role("button", name="Show all")
    expect(button.or_(more).first).to_be_visible()
    if not button.is_visible():
        more.click()
    expect(button).to_be_visible()


def _shows_the_newest_score(coach: Person, customer_id: UUID) -> None:
    def agrees() -> bool:
        [(probability, reasons)] = coach.stack.lake(
            "select probability, json_array_length(reasons) from marts.ml.churn_scores"
            f" where customer_id = '{customer_id}' order by as_of desc, scored_at desc limit 1"
        )
        told = pills.all_inner_texts()
        return reasons > 0 and len(told) == 1 and told[0].endswith(f"risk · {probability * 100:.0f} %")

    expect(_metric(coach.page, "Adherence, 30 days")).to_be_visible()
    expect(coach.page.get_by_role("combobox", name="Client")).to_have_value("Nora New")
    pills = coach.page.locator(".plyo-risk").filter(has_text="risk")
    eventually(agrees, what="the newest score on the client's page", within_seconds=30)


def _sends_the_nudge(coach: Person, customer_id: UUID) -> Nudge:
    [(run_id, rule_id, suggested)] = coach.stack.sql(
        "select id, rule_id, suggested_message from automation.runs where customer_id = %s and status = 'open'",
        customer_id,
    )
    page = coach.open("/coach/")
    send = page.locator(f".st-key-send-{run_id} button")
    _shows_in_the_queue(page, send)
    expect(page.locator(f".st-key-text-{run_id} textarea")).to_have_value(suggested)
    send.click()
    expect(page.get_by_text("Sent to Nora New.")).to_be_visible()
    assert coach.stack.sql(
        "select r.status, m.body from automation.runs r join engagement.messages m on m.id = r.message_id"
        " where r.id = %s",
        run_id,
    ) == [("acted", suggested)]
    expect(send).to_be_hidden()
    return Nudge(run_id, rule_id, suggested)


def _reads_the_nudge(nora: Person, nudge: Nudge) -> None:
    page = nora.open("/messages")
    expect(page.locator(".bubble.is-nudge")).to_contain_text(nudge.body)
    nora.picture("19-messages")
    eventually(
        lambda: nora.stack.sql(
            "select 1 from engagement.messages where automation_run_id = %s and read_at is not null", nudge.run_id
        ),
        what="the nudge being read",
    )


def _every_step_is_an_event(stack: Stack, customer_id: UUID, paid: Paid) -> None:
    def relayed() -> dict[str, list[dict[str, Any]]]:
        found: dict[str, list[dict[str, Any]]] = {}
        for kind, payload in stack.sql(
            "select type, payload from platform.outbox_events"
            " where (payload->>'customer_id' = %s or payload->>'account_id' = %s) and relayed_at is not null",
            str(customer_id),
            str(customer_id),
        ):
            found.setdefault(kind, []).append(payload)
        return found

    eventually(lambda: relayed().keys() >= STORY, what=f"events of {STORY}", within_seconds=30)
    [captured] = relayed()["commerce.payment_captured"]
    assert (captured["payment_id"], captured["amount_minor"], captured["currency"]) == (
        str(paid.payment_id), paid.amount_minor, "EUR",
    )  # fmt: skip


def _the_marts_have_it(stack: Stack, customer_id: UUID, nudge: Nudge) -> None:
    """Every mart that a screen below reads, each waited for: builds follow each other as changes land."""
    for what, query in {
        "the run": f"select 1 from marts.retention.fct_automation_runs where run_id = '{nudge.run_id}'"
        " and status = 'acted' and arm = 'treatment' and message_id is not null",
        "the client": f"select 1 from marts.core.dim_customers where customer_id = '{customer_id}'"
        " and stage = 'active' and cancel_at is not null and sessions_last_30d = 1 and workouts_last_30d >= 1",
        "the workout": f"select 1 from marts.training.fct_workouts where customer_id = '{customer_id}'"
        " and status = 'completed' and set_count >= 1",
        "the load": f"select 1 from marts.training.fct_training_days where customer_id = '{customer_id}' and load > 0",
        "the revenue": f"select 1 from marts.finance.fct_mrr_movements where customer_id = '{customer_id}'",
        "the read message": f"select 1 from marts.engagement.fct_messages where customer_id = '{customer_id}'"
        " and kind = 'nudge' and read_at is not null",
    }.items():
        eventually(lambda query=query: stack.lake(query), what=f"{what} in the marts", within_seconds=240)  # type: ignore[misc]


def _the_coach_sees_what_changed(coach: Person, customer_id: UUID, clients_before: int) -> None:
    assert _counts_clients(coach) == clients_before + 1
    coach.picture("21-coach-clients")
    page = coach.open(f"/coach/client?customer={customer_id}")
    expect(_metric(page, "Sessions, 30 days")).to_have_text("1")
    expect(_metric(page, "Last session")).to_have_text(re.compile("today|yesterday"))
    expect(page.get_by_role("heading", name="Training load")).to_be_visible()
    _shows_the_newest_score(coach, customer_id)
    coach.picture("22-coach-client")


def _metric(page: Page, label: str) -> Locator:
    return page.get_by_test_id("stMetric").filter(has_text=label).get_by_test_id("stMetricValue")


def _the_admin_sees_the_rest(admin: Person) -> None:
    page = admin.page
    for number, (tab, sign) in enumerate(
        {
            "Metrics": "Every number, by one definition",
            "Revenue": "Collected, failed, given back",
            "Retention": "How long members stay",
            "Automations": "Nora New",
            "Coaches": "By coach, last 8 weeks",
            "Data": "How fresh it is",
        }.items(),
        23,
    ):
        _opens_tab(page, tab)
        expect(page.get_by_text(sign).first).to_be_visible()
        admin.picture(f"{number}-admin-{tab.lower()}")
    page = admin.open("/dagster/")
    expect(page.get_by_text(re.compile("Overview|Runs")).first).to_be_visible()


def _the_effect_is_on_record(stack: Stack, nudge: Nudge, runs_before: dict[str, int]) -> None:
    effects = stack.lake(
        "select outcome, runs, outcomes_pending from marts.retention.fct_automation_effects"
        f" where rule_id = '{nudge.rule_id}' order by outcome"
    )
    assert [outcome for outcome, _, _ in effects] == ["attended", "retained"]
    for outcome, runs, pending in effects:
        assert runs > runs_before[outcome]
        assert 1 <= pending <= runs
