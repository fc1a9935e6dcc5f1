"""Codes of apps and on paper: right ones work once, in their time, for their owner."""

import string
from datetime import UTC, datetime, timedelta

import pyotp
import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from contracts.sealing import Sealer
from operational_api.identity.errors import SetUpExpired, WrongCode
from operational_api.identity.models import Account, RecoveryCode, TotpDevice
from operational_api.identity.service import recovery, totp
from tests.factories import make_account

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
STEP = timedelta(seconds=30)
SEALER = Sealer(["k" * 40])


def code(seed: str, at: datetime) -> str:
    return pyotp.TOTP(seed).at(at)


def enrol(session: Session, account: Account, at: datetime = NOON - timedelta(hours=1)) -> str:
    totp.begin(session, account_id=account.id, sealer=SEALER, now=at)
    seed = totp.begun(session, account_id=account.id, sealer=SEALER, now=at)
    totp.confirm(session, account_id=account.id, code=code(seed, at), sealer=SEALER, now=at)
    return seed


def verify(session: Session, account: Account, given: str, now: datetime = NOON) -> bool:
    return totp.verify(session, account_id=account.id, code=given, sealer=SEALER, now=now)


@pytest.fixture
def account(session: Session) -> Account:
    return make_account(session)


class TestTotp:
    @pytest.mark.asvs("6.5.1")
    def test_a_code_works_once(self, session: Session, account: Account) -> None:
        seed = enrol(session, account)
        assert verify(session, account, code(seed, NOON))
        assert not verify(session, account, code(seed, NOON))
        assert not verify(session, account, code(seed, NOON), NOON + STEP)
        assert verify(session, account, code(seed, NOON + STEP), NOON + STEP)

    @pytest.mark.asvs("6.5.1")
    def test_not_even_the_one_it_was_set_up_with(self, session: Session, account: Account) -> None:
        seed = enrol(session, account, NOON)
        assert not verify(session, account, code(seed, NOON))

    def test_an_older_code_is_void_once_a_newer_one_was_used(self, session: Session, account: Account) -> None:
        seed = enrol(session, account)
        assert verify(session, account, code(seed, NOON + STEP))
        assert not verify(session, account, code(seed, NOON))

    @pytest.mark.parametrize(("steps", "is_right"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
    def test_one_step_of_drift_is_forgiven(
        self, session: Session, account: Account, steps: int, is_right: bool
    ) -> None:
        seed = enrol(session, account)
        assert verify(session, account, code(seed, NOON + steps * STEP)) is is_right

    @pytest.mark.parametrize("given", ["", "000000 or 1=1", "12345", "１２３４５６"])
    def test_noise_is_wrong(self, session: Session, account: Account, given: str) -> None:
        enrol(session, account)
        assert not verify(session, account, given)

    def test_spaces_are_not(self, session: Session, account: Account) -> None:
        seed = enrol(session, account)
        right = code(seed, NOON)
        assert verify(session, account, f" {right[:3]} {right[3:]} ")

    def test_counts_only_once_confirmed(self, session: Session, account: Account) -> None:
        totp.begin(session, account_id=account.id, sealer=SEALER, now=NOON)
        seed = totp.begun(session, account_id=account.id, sealer=SEALER, now=NOON)
        assert not verify(session, account, code(seed, NOON))
        assert totp.of(session, account.id) is None
        with pytest.raises(WrongCode):
            totp.confirm(session, account_id=account.id, code="000000", sealer=SEALER, now=NOON)
        with pytest.raises(SetUpExpired):
            totp.confirm(
                session, account_id=account.id, code=code(seed, NOON), sealer=SEALER, now=NOON + totp.SET_UP_TIME
            )

    def test_a_new_app_replaces_the_old_one(self, session: Session, account: Account) -> None:
        old = enrol(session, account)
        new = enrol(session, account)
        assert not verify(session, account, code(old, NOON))
        assert verify(session, account, code(new, NOON))

    @pytest.mark.asvs("6.5.3")
    def test_the_seed_is_random_and_lies_sealed_for_its_owner(self, session: Session, account: Account) -> None:
        seed, other = enrol(session, account), make_account(session)
        assert len(seed) == 32
        assert seed != enrol(session, other)
        rows = session.scalars(text("select t::text from identity.totp_devices t")).all()
        assert not any(seed in row or seed.encode().hex() in row for row in rows)
        mine, theirs = (session.scalars(select(TotpDevice).where(TotpDevice.account_id == one.id)).one()
                        for one in (account, other))  # fmt: skip
        theirs.sealed_secret = mine.sealed_secret
        session.flush()
        with pytest.raises(ValueError, match="another account"):
            verify(session, other, code(seed, NOON))


class TestRecoveryCodes:
    @pytest.mark.asvs("6.5.1")
    def test_each_works_once_however_it_is_typed(self, session: Session, account: Account) -> None:
        codes = recovery.make(session, account_id=account.id, now=NOON)
        assert len(set(codes)) == 10
        typed = codes[0].lower().replace("-", " ").replace("0", "o").replace("1", "l")
        assert recovery.use(session, account_id=account.id, code=typed, now=NOON)
        assert not recovery.use(session, account_id=account.id, code=codes[0], now=NOON)
        assert recovery.left(session, account.id) == 9

    @pytest.mark.asvs("6.5.2")
    @pytest.mark.asvs("6.5.4")
    def test_have_more_than_112_bits_and_are_kept_as_hashes(self, session: Session, account: Account) -> None:
        codes = recovery.make(session, account_id=account.id, now=NOON)
        signs = set("".join(codes)) - {"-"}
        assert signs <= set(string.digits + string.ascii_uppercase) - set("ILOU")
        assert {len(one.replace("-", "")) * 5 for one in codes} == {120}
        kept = session.scalars(select(RecoveryCode.code_hash)).all()
        assert not any(one in kept or one.replace("-", "") in kept for one in codes)

    def test_new_ones_void_the_old(self, session: Session, account: Account) -> None:
        old = recovery.make(session, account_id=account.id, now=NOON)
        recovery.make(session, account_id=account.id, now=NOON)
        assert not recovery.use(session, account_id=account.id, code=old[3], now=NOON)

    def test_serve_their_owner_only(self, session: Session, account: Account) -> None:
        codes = recovery.make(session, account_id=account.id, now=NOON)
        assert not recovery.use(session, account_id=make_account(session).id, code=codes[0], now=NOON)
