"""The judge of sign-ins: against generated attackers, against history, and what is written down of it."""

from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from contracts.ids import new_id
from operational_api.core.models import AuditEntry
from operational_api.identity import risk
from operational_api.identity.agents import read_agent
from operational_api.identity.errors import SignInNotFound, WrongCredentials
from operational_api.identity.models import Account, SignInAttempt, SignInPopulation
from operational_api.identity.places import Table, clean_place, kilometres, network_of
from operational_api.identity.service import attempts, sessions
from operational_api.identity.service.login import Browser
from operational_api.identity.service.risk import Assessment, assess
from operational_api.identity.service.traits import device_key, hours_of, traits_of
from operational_api.identity.settings import RiskSettings
from tests.factories import make_account
from tests.operational_api.identity.sign_in_log import KINDS, Stored, first_after, generate, judged, scores_of

MONDAY = datetime(2026, 3, 2, 7, tzinfo=UTC)
CHROME = "Mozilla/5.0 (Linux; Android 15; K) AppleWebKit/537.36 Chrome/126.0.0.0 Mobile Safari/537.36"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:1) Gecko/20100101 Firefox/140.0"
AT_HOME = Browser("84.12.7.9", CHROME, "cookie", "cookie", "DE-BE")
STRANGER = Browser("203.0.113.80", FIREFOX, None, "other", "US-NY")


@pytest.fixture
def mia(session: Session) -> Account:
    """Signed in on thirty mornings from home."""
    account = make_account(session, time_zone="Europe/Berlin")
    mornings = [MONDAY - timedelta(days=30 - day) for day in range(30)]
    rows = [
        asdict(traits_of(AT_HOME, account, at))
        | {"id": new_id(), "account_id": account.id, "attempted_at": at, "device_key": device_key(AT_HOME)}
        | {"is_known_device": at != mornings[0], "outcome": "signed_in"}
        for at in mornings
    ]
    session.execute(insert(SignInAttempt), rows)
    attempts.fold(session, MONDAY)
    return account


def sign_in(session: Session, account: Account, browser: Browser, at: datetime) -> Assessment:
    seen = assess(session, account=account, browser=browser, now=at)
    attempts.note(session, account=account, browser=browser, assessment=seen, outcome="signed_in", now=at)
    return seen


@pytest.mark.asvs("6.3.1")
class TestAgainstAttackers:
    """What `make bench-sign-in-risk` measures, on fewer people: bounds that chance does not reach."""

    @pytest.mark.parametrize("has_places", [True, False])
    def test_catches_99_of_100_while_asking_at_most_5_of_100_real_people(self, has_places: bool) -> None:
        log = generate(21, users=1500)
        seen = judged(log, scores_of(log, has_places=has_places), RiskSettings().step_up_at)
        assert seen.asked <= 0.05
        assert min(seen.caught["naive"], seen.caught["vpn"]) >= 0.995
        assert seen.caught["targeted"] >= 0.985  # 99.1 to 99.7 % with four thousand people

    def test_hardly_ever_refuses_a_real_person(self) -> None:
        log = generate(22, users=1500)
        assert judged(log, scores_of(log), RiskSettings().refuse_at).asked <= 0.001

    def test_nobody_in_the_log_is_a_stranger_by_accident(self) -> None:
        log = generate(21, users=300)
        assert set(np.unique(log.attack)) == set(range(len(KINDS) + 1))
        assert log.is_known_device[log.attack == 0].mean() > 0.7

    def test_the_service_says_what_the_model_says(self, session: Session) -> None:
        log = first_after(generate(23, users=60), 200.0, 40)
        stored, model = Stored(session, log), scores_of(log)
        for row in np.flatnonzero(log.attack > 0):
            assert stored.assess(int(row)).score == pytest.approx(model[row], abs=1e-3)


class TestAssess:
    def test_the_usual_is_allowed_without_a_word(self, session: Session, mia: Account) -> None:
        seen = assess(session, account=mia, browser=AT_HOME, now=MONDAY)
        assert (seen.decision, seen.reasons) == ("allow", ())

    def test_a_stranger_is_not_and_is_told_why(self, session: Session, mia: Account) -> None:
        seen = assess(session, account=mia, browser=STRANGER, now=MONDAY + timedelta(hours=15, days=5))
        assert seen.decision in ("step_up", "refuse")
        told = {reason.feature: reason.text for reason in seen.reasons}
        assert told["device"] == "A browser that has not signed in to your account before"
        assert told["place"] == "From another country than usual"
        assert told["network"] == "A network you have not used before"
        assert [one.points for one in seen.reasons] == sorted((one.points for one in seen.reasons), reverse=True)
        numbers = next(one.numbers for one in seen.reasons if one.feature == "network")
        assert numbers["levels"]["prefix"] == {"own": 0, "everybody": 0}
        assert numbers["logins"] == 30

    def test_a_new_phone_at_home_is_let_in(self, session: Session, mia: Account) -> None:
        seen = assess(session, account=mia, browser=replace(AT_HOME, device=None, device_id="new"), now=MONDAY)
        assert seen.decision == "allow"

    def test_the_known_browser_on_the_road_is_let_in(self, session: Session, mia: Account) -> None:
        on_the_road = replace(AT_HOME, address="10.9.8.7", place="DE-BY")
        assert assess(session, account=mia, browser=on_the_road, now=MONDAY).decision == "allow"

    def test_the_first_sign_in_of_all_has_nothing_to_be_compared_with(self, session: Session) -> None:
        seen = assess(session, account=make_account(session), browser=STRANGER, now=MONDAY)
        assert (seen.decision, seen.score, seen.reasons) == ("allow", 0.0, ())

    def test_a_place_too_far_to_have_travelled_to(self, session: Session, mia: Account) -> None:
        sign_in(session, mia, AT_HOME, MONDAY)
        abroad = replace(AT_HOME, place="VN-SG", address="113.160.1.1")
        soon = assess(session, account=mia, browser=abroad, now=MONDAY + timedelta(hours=2))
        later = assess(session, account=mia, browser=abroad, now=MONDAY + timedelta(hours=20))
        assert "travel" in {one.feature for one in soon.reasons}
        assert "travel" not in {one.feature for one in later.reasons}
        assert soon.score > later.score

    def test_an_address_that_tries_many_accounts(self, session: Session, mia: Account) -> None:
        new_at_home = replace(AT_HOME, device=None, device_id="new")
        before = assess(session, account=mia, browser=new_at_home, now=MONDAY)
        for number in range(8):
            attempts.note_failure(
                session, email=f"{number}@plyo.test", account=None, browser=new_at_home, error=WrongCredentials(),
                now=MONDAY - timedelta(minutes=number),
            )  # fmt: skip
        after = assess(session, account=mia, browser=new_at_home, now=MONDAY)
        assert (before.decision, after.decision) == ("allow", "step_up")
        assert "many_accounts" in {one.feature for one in after.reasons}
        assert assess(session, account=mia, browser=AT_HOME, now=MONDAY).decision == "allow"

    def test_wrong_passwords_just_before(self, session: Session, mia: Account) -> None:
        new_at_home = replace(AT_HOME, device=None, device_id="new")
        for minute in range(6):
            attempts.note_failure(
                session, email=mia.email, account=mia, browser=new_at_home, error=WrongCredentials(),
                now=MONDAY - timedelta(minutes=minute),
            )  # fmt: skip
        seen = assess(session, account=mia, browser=new_at_home, now=MONDAY)
        assert {one.feature for one in seen.reasons} >= {"wrong_passwords", "device"}

    def test_a_changed_clock_and_an_unknown_zone_do_not_matter(self) -> None:
        assert hours_of(MONDAY, "Europe/Berlin") == ("weekday 08", "day 08-11")
        assert hours_of(MONDAY + timedelta(days=5), "Not/AZone") == ("weekend 07", "end 04-07")


class TestNote:
    def test_becomes_history_once_it_passed(self, session: Session, mia: Account) -> None:
        asked = assess(session, account=mia, browser=STRANGER, now=MONDAY)
        attempts.note(session, account=mia, browser=STRANGER, assessment=asked, outcome="step_up", now=MONDAY)
        again = assess(session, account=mia, browser=STRANGER, now=MONDAY + timedelta(minutes=1))
        assert again.score == pytest.approx(asked.score, abs=0.01)
        known = attempts.recall(session, asked.id)
        assert known == asked
        attempts.note(
            session, account=mia, browser=STRANGER, assessment=known, outcome="signed_in",
            now=MONDAY + timedelta(minutes=2), factors=["pwd", "otp", "mfa"],
        )  # fmt: skip
        learned = assess(session, account=mia, browser=STRANGER, now=MONDAY + timedelta(minutes=3))
        assert learned.score < asked.score
        row = session.get_one(SignInAttempt, asked.id, populate_existing=True)
        assert (row.outcome, row.attempted_at) == ("signed_in", MONDAY)

    @pytest.mark.asvs("16.3.1")
    def test_every_try_is_in_the_audit_log_with_its_factors(self, session: Session, mia: Account) -> None:
        seen = assess(session, account=mia, browser=STRANGER, now=MONDAY)
        for outcome in ("step_up", "step_up_failed"):
            attempts.note(session, account=mia, browser=STRANGER, assessment=seen, outcome=outcome, now=MONDAY)
        attempts.note_failure(
            session, email="nobody@plyo.test", account=None, browser=STRANGER, error=WrongCredentials(), now=MONDAY
        )
        rows = session.scalars(select(AuditEntry).order_by(AuditEntry.sequence.desc()).limit(3)).all()[::-1]
        assert [(row.action, row.outcome) for row in rows] == [
            ("identity.ask_step_up", "done"), ("identity.sign_in", "failed"), ("identity.sign_in", "failed"),
        ]  # fmt: skip
        assert rows[0].details["factors"] == ["pwd"]
        assert rows[0].details["reasons"][0] == "device"
        assert rows[0].subject_id == mia.id
        assert "nobody" not in str(rows[2].details) + rows[2].object_id

    def test_nobody_recalls_what_was_not_judged(self, session: Session, mia: Account) -> None:
        with pytest.raises(SignInNotFound):
            attempts.recall(session, mia.id)


class TestDispute:
    def test_ends_everything_and_unlearns(self, session: Session, mia: Account) -> None:
        thief = replace(STRANGER, device_id="thief")
        stolen = sign_in(session, mia, thief, MONDAY)
        for day in range(5):
            sign_in(session, mia, replace(thief, device="thief"), MONDAY + timedelta(days=day + 1))
        now = MONDAY + timedelta(days=7)
        learned = assess(session, account=mia, browser=replace(thief, device="thief"), now=now)
        sessions.create(session, account_id=mia.id, user_agent="x", address="x", amr=("pwd",), now=now)
        attempts.dispute(session, account_id=mia.id, attempt_id=stolen.id, now=now)
        again = assess(session, account=mia, browser=replace(thief, device="thief"), now=now)
        assert again.score > learned.score + 5  # its cookie proves nothing any more
        assert mia.password_hash is None
        assert sessions.listed(session, account_id=mia.id, now=now) == []

    def test_is_for_ones_own(self, session: Session, mia: Account) -> None:
        seen = sign_in(session, mia, AT_HOME, MONDAY)
        with pytest.raises(SignInNotFound):
            attempts.dispute(session, account_id=make_account(session).id, attempt_id=seen.id, now=MONDAY)


class TestFold:
    def test_counts_every_sign_in_once(self, session: Session, mia: Account) -> None:
        attempts.fold(session, MONDAY)
        sign_in(session, mia, AT_HOME, MONDAY)
        attempts.fold(session, MONDAY)
        attempts.fold(session, MONDAY)
        total = func.sum(SignInPopulation.logins)
        counted = dict(session.execute(select(SignInPopulation.feature, total).group_by("feature")).all())
        assert set(counted) == {"all", *risk.LEVELS}
        assert set(counted.values()) == {31}

    def test_old_attempts_are_forgotten(self, session: Session, mia: Account) -> None:
        attempts.forget_old(session, MONDAY + attempts.KEPT - timedelta(days=10, hours=1))
        assert session.scalar(select(func.count()).where(SignInAttempt.account_id == mia.id)) == 10


class TestTraits:
    def test_networks_by_grain(self) -> None:
        assert network_of("84.12.7.9") == network_of("::ffff:84.12.7.9")
        assert (network_of("84.12.7.9").block, network_of("84.12.7.9").prefix) == ("84.12.7.0/24", "84.12.0.0/16")
        assert network_of("2001:db8:1:2:3::4").address == "2001:db8:1:2::/64"
        assert network_of("no address").address == ""

    @pytest.mark.parametrize(
        ("told", "agent", "program", "kind"),
        [
            (CHROME, "Chrome 126 on Android 15", "Chrome on Android", "phone"),
            (FIREFOX, "Firefox 140 on Linux", "Firefox on Linux", "computer"),
            ("curl/8.5", "Another program", "Another program", "other"),
            ("", "Another program", "Another program", "other"),
        ],
    )
    def test_agents_by_grain(self, told: str, agent: str, program: str, kind: str) -> None:
        found = read_agent(told)
        assert (found.agent, found.program, found.kind) == (agent, program, kind)

    def test_places_out_of_a_table(self, tmp_path) -> None:
        file = tmp_path / "places.csv"
        file.write_text("84.12.0.0/16,de-be\n2001:db8::/32,VN\n")
        table = Table.read(file)
        assert [table.place(one) for one in ("84.12.255.255", "84.13.0.0", "2001:db8::1", "x")] == [
            "DE-BE",
            "",
            "VN",
            "",
        ]

    @pytest.mark.parametrize(("told", "kept"), [("de", "DE"), ("DE-BE", "DE-BE"), ("XX", ""), ("<b>", ""), ("", "")])
    def test_only_what_looks_like_a_place(self, told: str, kept: str) -> None:
        assert clean_place(told) == kept

    def test_how_far_countries_are_apart(self) -> None:
        assert kilometres("DE", "NL") == kilometres("DE", "DE") == kilometres("DE", "??") == 0
        assert 7500 < kilometres("DE", "VN") < 9500
