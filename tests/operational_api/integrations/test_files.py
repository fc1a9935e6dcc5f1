"""Workout files: FIT, GPX and TCX are kept once, anything else is refused with what to do."""

import contextlib
import struct

import pytest
from fastapi.testclient import TestClient
from fitdecode.utils import compute_crc
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.orm import Session

from contracts.sealing import Sealer
from operational_api.identity.models import Account
from operational_api.integrations.errors import UnreadableFile
from operational_api.integrations.models import WearablePayload
from operational_api.integrations.service import files
from operational_api.integrations.settings import IntegrationSettings
from tests.factories import make_account
from tests.operational_api.conftest import SignIn
from tests.operational_api.integrations.conftest import allow

GPX = b'<?xml version="1.0"?><gpx version="1.1" xmlns="http://www.topografix.com/GPX/1/1"><trk><trkseg/></trk></gpx>'
TCX = b'<TrainingCenterDatabase xmlns="http://www.garmin.com/xmlschemas/TrainingCenterDatabase/v2"/>'
BOMB = b'<!DOCTYPE gpx [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><gpx>&b;</gpx>'


def fit() -> bytes:
    """The smallest FIT file: one `file_id` message that says it is an activity."""
    definition = struct.pack("<BBBHB", 0x40, 0, 0, 0, 1) + bytes([0, 1, 0])
    records = definition + bytes([0, 4])
    header = struct.pack("<BBHI4s", 14, 0x20, 2132, len(records), b".FIT")
    header += struct.pack("<H", compute_crc(header))
    body = header + records
    return body + struct.pack("<H", compute_crc(body))


@pytest.fixture
def mia(session: Session) -> Account:
    return make_account(session)


@pytest.fixture
def client(settings: IntegrationSettings, mia: Account, sign_in: SignIn) -> TestClient:
    return sign_in(mia)


def send(client: TestClient, content: bytes, name: str = "run.fit") -> tuple[int, dict[str, object]]:
    answer = client.post("/api/integrations/wearables/files", files={"file": (name, content)})
    return answer.status_code, answer.json()


@pytest.mark.parametrize(("content", "kind"), [(fit(), "fit"), (GPX, "gpx"), (TCX, "tcx")])
def test_a_file_is_kept_sealed_once(
    session: Session, client: TestClient, mia: Account, sealer: Sealer, content: bytes, kind: str
) -> None:
    allow(session, mia.id, "activity")
    assert send(client, content) == (201, {"is_new": True, "kind": kind})
    assert send(client, content, "again.fit") == (201, {"is_new": False, "kind": kind})
    [row] = session.scalars(select(WearablePayload)).all()
    assert (row.source, row.kind, row.data_kind, row.customer_id) == ("file", kind, "activity", mia.id)
    assert row.body is not None
    assert sealer.open(row.body) == content


def test_the_same_file_of_somebody_else_is_theirs(
    session: Session, client: TestClient, mia: Account, sign_in: SignIn
) -> None:
    other = make_account(session)
    for one in (mia, other):
        allow(session, one.id, "activity")
        assert send(sign_in(one), GPX)[1]["is_new"] is True


@pytest.mark.asvs("5.2.2")
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello",
        b"\x89PNG\r\n\x1a\n0000",
        b"<html></html>",
        GPX[:-5],
        BOMB,
        fit()[:-1],
        fit()[:-2] + b"\0\0",
        fit()[:20],
    ],
)
def test_anything_else_is_refused(session: Session, client: TestClient, mia: Account, content: bytes) -> None:
    allow(session, mia.id, "activity")
    status, answer = send(client, content)
    assert (status, answer["code"]) == (422, "integrations.unreadable_file")
    assert session.scalars(select(WearablePayload)).all() == []


def test_without_consent_it_is_not_kept(session: Session, client: TestClient) -> None:
    status, answer = send(client, GPX)
    assert (status, answer["code"]) == (422, "integrations.consent_missing")
    assert session.scalars(select(WearablePayload)).all() == []


@pytest.mark.asvs("5.2.1")
def test_one_that_is_too_large_is_refused(session: Session, client: TestClient, mia: Account) -> None:
    allow(session, mia.id, "activity")
    status, answer = send(client, GPX + b" " * files.LARGEST)
    assert (status, answer["code"]) == (413, "integrations.file_too_large")


@given(st.binary(max_size=300) | st.binary(max_size=100).map(lambda tail: fit()[:12] + tail))
def test_no_bytes_crash_it(content: bytes) -> None:
    with contextlib.suppress(UnreadableFile):
        assert files.kind_of(content) in ("fit", "gpx", "tcx")
