"""Passkeys: only a fresh answer, from our own address, of a verified person, whose counter moved, proves anything."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.orm import Session

from contracts.ids import new_id
from operational_api.identity.errors import PasskeyRefused
from operational_api.identity.models import Account, Passkey
from operational_api.identity.service import passkeys
from operational_api.identity.service.passkeys import RelyingParty
from tests.factories import make_account
from tests.operational_api.identity.authenticator import Authenticator

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
PARTY = RelyingParty("https://plyo.test")
HOLDER = new_id()


def options(session: Session, account: Account, kind: str = "sign_in", holder: Any = HOLDER) -> dict[str, Any]:
    given = {"holder_id": holder, "party": PARTY, "now": NOON}
    if kind == "register":
        return passkeys.registration_options(session, account=account, **given)
    return passkeys.sign_in_options(session, account_id=account.id, **given)


def register(session: Session, account: Account, device: Authenticator, **lies: Any) -> Passkey:
    answer = device.create(options(session, account, "register"), **lies)
    return passkeys.register(
        session, account=account, holder_id=HOLDER, answer=answer, name=" My  phone ", party=PARTY, now=NOON
    )


def verify(session: Session, account: Account, answer: str, **given: Any) -> Passkey:
    facts = {"account_id": account.id, "holder_id": HOLDER, "party": PARTY, "now": NOON} | given
    return passkeys.verify(session, answer=answer, **facts)


@pytest.fixture
def account(session: Session) -> Account:
    return make_account(session, role="coach")


class TestRegister:
    def test_asks_for_a_verified_person_with_a_long_random_challenge(self, session: Session, account: Account) -> None:
        asked, again = options(session, account, "register"), options(session, account, "register")
        assert asked["rp"]["id"] == "plyo.test"
        assert asked["authenticatorSelection"]["userVerification"] == "required"
        assert len(asked["challenge"]) >= 43
        assert asked["challenge"] != again["challenge"]

    def test_keeps_the_public_key_and_what_it_is_called(self, session: Session, account: Account) -> None:
        row = register(session, account, Authenticator())
        assert (row.name, row.sign_count, row.transports, row.is_synced) == ("My phone", 0, ["internal"], False)
        (known,) = options(session, account, "register")["excludeCredentials"]
        assert known["id"]

    @pytest.mark.parametrize(
        "device",
        [
            Authenticator(origin="https://plyo.test.evil.example"),
            Authenticator(origin="http://plyo.test"),
            Authenticator(rp_id="evil.example"),
            Authenticator(is_verified=False),
        ],
    )
    def test_refuses_what_is_not_ours(self, session: Session, account: Account, device: Authenticator) -> None:
        with pytest.raises(PasskeyRefused):
            register(session, account, device)
        assert passkeys.of(session, account.id) == []

    def test_refuses_an_answer_to_another_question(self, session: Session, account: Account) -> None:
        with pytest.raises(PasskeyRefused):
            register(session, account, Authenticator(), type="webauthn.get")
        with pytest.raises(PasskeyRefused):
            register(session, account, Authenticator(), challenge="bm90LW91cnM")

    def test_one_credential_belongs_to_one_account(self, session: Session, account: Account) -> None:
        device = Authenticator()
        register(session, account, device)
        with pytest.raises(PasskeyRefused, match="known already"):
            register(session, make_account(session), device)

    @pytest.mark.parametrize("answer", ["", "null", "[]", "{}", '{"response": {"clientDataJSON": "%%"}}', '{"id": 1}'])
    def test_refuses_noise(self, session: Session, account: Account, answer: str) -> None:
        with pytest.raises(PasskeyRefused):
            passkeys.register(session, account=account, holder_id=HOLDER, answer=answer, name="", party=PARTY, now=NOON)


class TestVerify:
    def test_moves_the_counter_on(self, session: Session, account: Account) -> None:
        device = Authenticator()
        row = register(session, account, device)
        assert verify(session, account, device.get(options(session, account))).id == row.id
        assert (row.sign_count, row.last_used_at) == (1, NOON)

    def test_an_answer_serves_once(self, session: Session, account: Account) -> None:
        device = Authenticator()
        register(session, account, device)
        answer = device.get(options(session, account))
        verify(session, account, answer)
        with pytest.raises(PasskeyRefused):
            verify(session, account, answer)

    def test_a_wrong_answer_uses_the_challenge_up(self, session: Session, account: Account) -> None:
        device = Authenticator()
        register(session, account, device)
        asked = options(session, account)
        with pytest.raises(PasskeyRefused):
            verify(session, account, replace(device, origin="https://evil.example").get(asked))
        with pytest.raises(PasskeyRefused, match="answered before"):
            verify(session, account, device.get(asked))

    def test_a_challenge_serves_the_sign_in_it_was_for_and_for_five_minutes(
        self, session: Session, account: Account
    ) -> None:
        device, other = Authenticator(), make_account(session)
        register(session, account, device)
        for wrong in ({"holder_id": new_id()}, {"account_id": other.id}, {"now": NOON + timedelta(minutes=5)}):
            with pytest.raises(PasskeyRefused, match="took too long"):
                verify(session, account, device.get(options(session, account)), **wrong)
        with pytest.raises(PasskeyRefused, match="took too long"):
            verify(session, account, device.get(options(session, account, "register")))

    @pytest.mark.parametrize("change", ["origin", "rp_id", "is_verified", "key", "credential_id"])
    def test_refuses_what_does_not_fit(self, session: Session, account: Account, change: str) -> None:
        device = Authenticator()
        register(session, account, device)
        wrong = {
            "origin": "https://evil.example", "rp_id": "evil.example", "is_verified": False,
            "key": Authenticator().key, "credential_id": b"another",
        }[change]  # fmt: skip
        with pytest.raises(PasskeyRefused):
            verify(session, account, replace(device, **{change: wrong}).get(options(session, account)))

    def test_a_counter_that_stands_still_or_goes_back_is_a_copy(self, session: Session, account: Account) -> None:
        device = Authenticator()
        row = register(session, account, device)
        verify(session, account, device.get(options(session, account), step=5))
        for step in (0, -2):
            with pytest.raises(PasskeyRefused):
                verify(session, account, device.get(options(session, account), step=step))
        assert row.sign_count == 5

    def test_somebody_elses_passkey_proves_nothing(self, session: Session, account: Account) -> None:
        device, other = Authenticator(), make_account(session)
        register(session, account, device)
        with pytest.raises(PasskeyRefused):
            verify(session, other, device.get(options(session, other)))

    def test_the_answer_names_one_credential(self, session: Session, account: Account) -> None:
        device = Authenticator()
        register(session, account, device)
        answer = json.loads(device.get(options(session, account))) | {"rawId": "AAAA"}
        with pytest.raises(PasskeyRefused):
            verify(session, account, json.dumps(answer))


class TestRelyingParty:
    @pytest.mark.parametrize(
        ("origin", "can"),
        [
            ("https://plyo.example", True), ("http://localhost:8400", True), ("http://plyo.localhost", True),
            ("http://plyo.example", False), ("http://127.0.0.1:8400", False), ("https://[::1]:8443", False),
        ],
    )  # fmt: skip
    def test_needs_a_name_and_a_safe_way(self, origin: str, can: bool) -> None:
        assert RelyingParty(origin).can_have_passkeys is can
