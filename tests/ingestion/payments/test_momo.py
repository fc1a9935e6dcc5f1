"""Settlement files as people put them there: each good line once, each other line with its reason."""

import unicodedata
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from contracts import warehouse
from contracts.warehouse import WarehouseSettings
from ingestion.connectors import Outcome, backfill, pull
from ingestion.payments import momo_settlement
from ingestion.payments.momo import Momo
from ingestion.payments.settings import MomoSettings
from tests.ingestion.conftest import Captured

HEADING = "partnerCode,orderId,requestId,transId,transType,amount,fee,paymentTime,status,storeId\n"
GOOD = "PLYO,o1,r1,4014083433,payment,1500000,16500,2026-11-02 06:30:00,success,Q1\n"


def lines(text: str | bytes) -> tuple[list[dict[str, Any]], list[tuple[int, str]]]:
    """Good lines, and the number and reason of the others."""
    content = text if isinstance(text, bytes) else text.encode()
    read = momo_settlement.read(content, file_hash="h", file_name="f.csv")
    assert read.settlements.schema == momo_settlement.SETTLEMENTS
    assert read.rejections.schema == momo_settlement.REJECTIONS
    told = read.rejections.to_pylist()
    return read.settlements.to_pylist(), [(row["line_number"], row["reason"]) for row in told]


def line(**given: str) -> str:
    names = HEADING.strip().split(",")
    values = dict(zip(names, GOOD.strip().split(","), strict=True)) | given
    return ",".join(values[name] for name in names) + "\n"


class TestRead:
    def test_a_line_is_typed_in_dong_and_utc_and_keeps_what_it_does_not_know(self) -> None:
        [row], refused = lines(HEADING + GOOD)
        assert refused == []
        assert row == {
            "file_hash": "h", "file_name": "f.csv", "line_number": 2, "partner_code": "PLYO", "order_id": "o1",
            "request_id": "r1", "trans_id": "4014083433", "original_trans_id": None, "kind": "payment",
            "status": "succeeded", "order_info": None, "amount_minor": 1500000, "fee_minor": 16500, "currency": "VND",
            "paid_at": datetime(2026, 11, 1, 23, 30, tzinfo=UTC), "extra": '{"storeId": "Q1"}',
        }  # fmt: skip

    def test_the_portals_vietnamese_export_is_read(self) -> None:
        text = (
            "Mã giao dịch;Mã đối tác;Mã đơn hàng;Loại giao dịch;Số tiền;Thời gian;Trạng thái;Nội dung\r\n"
            '77;PLYO;o1;Thanh toán;250000;02/11/2026 23:59:59;Thành công;"Gói 10 buổi tập;\nPhòng Q1"\r\n'
            "78;PLYO;o1;Hoàn tiền;250000;03/11/2026 00:00:01;Thành công;Hoàn lại\r\n"
        )
        expected = [
            ("payment", 250000, "Gói 10 buổi tập;\nPhòng Q1", datetime(2026, 11, 2, 16, 59, 59, tzinfo=UTC), 2),
            ("refund", -250000, "Hoàn lại", datetime(2026, 11, 2, 17, 0, 1, tzinfo=UTC), 4),
        ]
        decomposed = unicodedata.normalize("NFD", text)
        for content in (text.encode("utf-8-sig"), text.encode(), text.encode("utf-16"), decomposed.encode()):
            rows, refused = lines(content.replace(b"\r\n", b"\n") if content == text.encode() else content)
            assert refused == []
            names = ("kind", "amount_minor", "order_info", "paid_at", "line_number")
            assert [tuple(row[name] for name in names) for row in rows] == expected

    @pytest.mark.parametrize(
        ("given", "reason"),
        [
            ({"amount": "1.500.000"}, "amount is no whole number of dong, written without separators: 1.500.000"),
            ({"amount": "1500000.00"}, "amount is no whole number of dong, written without separators: 1500000.00"),
            ({"amount": "1500000đ"}, "amount is no whole number of dong, written without separators: 1500000đ"),
            ({"amount": ""}, "amount is missing"),
            ({"amount": "-5"}, "a payment has a negative amount: -5"),
            ({"amount": "99999999999999999999"}, "amount is too large: 99999999999999999999"),
            ({"fee": "16,5"}, "has another number of fields than the heading (10)"),
            ({"fee": "x"}, "fee is no whole number of dong, written without separators: x"),
            ({"transId": ""}, "transId is missing"),
            ({"orderId": " "}, "orderId is missing"),
            ({"paymentTime": "yesterday"}, "paymentTime is no time: yesterday"),
            ({"paymentTime": "2026-13-40 00:00:00"}, "paymentTime is no time: 2026-13-40 00:00:00"),
            ({"transType": "gift"}, "transType is neither payment nor refund: gift"),
            ({"status": "maybe"}, "status is unknown: maybe"),
        ],
    )
    def test_a_bad_line_is_refused_with_its_reason_and_the_others_are_not(
        self, given: dict[str, str], reason: str
    ) -> None:
        rows, refused = lines(HEADING + GOOD + line(**given) + line(transId="2"))
        assert ([row["line_number"] for row in rows], refused) == ([2, 4], [(3, reason)])

    @pytest.mark.parametrize(
        "written", ["2026-11-02 06:30:00", "02/11/2026 06:30:00", "2026-11-01T23:30:00+00:00", "1793575800000"]
    )
    def test_times_are_vietnams_unless_they_say_their_offset(self, written: str) -> None:
        [row], _ = lines(HEADING + line(paymentTime=written))
        assert row["paid_at"] == datetime(2026, 11, 1, 23, 30, tzinfo=UTC)

    def test_a_line_that_comes_twice_in_a_file_is_taken_once(self) -> None:
        rows, refused = lines(HEADING + GOOD + "\n" + GOOD)
        assert ([row["line_number"] for row in rows], refused) == ([2], [(4, "repeats line 2")])

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            (b"\x93\xfa\x96{,x\n", "the file cannot be read"),
            (b"", "the heading has no column partnerCode, orderId, transId, amount, paymentTime"),
            (b"partnerCode,orderId,transId,amount\nP,o,1,2\n", "the heading has no column paymentTime"),
            (HEADING.replace("storeId", "Amount").encode() + GOOD.encode(), "more than one column amount"),
        ],
    )
    def test_a_file_that_is_no_settlement_is_refused_whole(self, content: bytes, reason: str) -> None:
        rows, [(number, why)] = lines(content)
        assert (rows, number) == ([], 1)
        assert reason in why


class TestPull:
    @pytest.fixture
    def settings(self, captured: Captured) -> WarehouseSettings:
        return captured.settings

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        folder = tmp_path / "momo"
        folder.mkdir()
        return folder

    @pytest.fixture
    def connector(self, folder: Path) -> Momo:
        return Momo(MomoSettings(settlements_url=str(folder)))

    def test_each_file_is_landed_once_whatever_it_is_called(
        self, settings: WarehouseSettings, folder: Path, connector: Momo
    ) -> None:
        (folder / "2026-11-01.csv").write_text(HEADING + GOOD + line(amount="1.000"))
        assert pull(settings, connector)[0].rows == 2
        assert pull(settings, connector)[0].rows == 0
        (folder / "copy of 2026-11-01.CSV").write_text(HEADING + GOOD + line(amount="1.000"))
        (folder / "notes.txt").write_text("not a settlement")
        assert pull(settings, connector)[0].rows == 0
        (folder / "2026-11-02.csv").write_text(HEADING + line(transId="2") + line(transId="3"))
        assert pull(settings, connector)[0].rows == 2
        assert pull(settings, connector, resync=True)[0].rows == 0
        with warehouse.reading(settings) as lake:
            rejected = lake.execute("select file_name, line_number, reason from raw.momo__settlement_rejections")
            assert rejected.fetchall() == [
                ("2026-11-01.csv", 3, "amount is no whole number of dong, written without separators: 1.000")
            ]
            assert lake.execute("select trans_id from raw.momo__settlements order by 1").fetchall() == [
                ("2",), ("3",), ("4014083433",)
            ]  # fmt: skip

    def test_a_file_put_there_late_is_found(self, settings: WarehouseSettings, folder: Path, connector: Momo) -> None:
        (folder / "b.csv").write_text(HEADING + GOOD)
        pull(settings, connector)
        (folder / "a.csv").write_text(HEADING + line(transId="1"))
        assert pull(settings, connector)[0].rows == 1

    def test_a_backfill_reads_the_files_of_a_span(
        self, settings: WarehouseSettings, folder: Path, connector: Momo
    ) -> None:
        (folder / "a.csv").write_text(HEADING + GOOD)
        now = datetime.now(UTC)
        day = timedelta(days=1)
        assert backfill(settings, connector, now - 3 * day, now - 2 * day) == [Outcome("settlements", 0, None)]
        for rows in (1, 0):
            assert backfill(settings, connector, now - day, now + day) == [Outcome("settlements", rows, None)]

    def test_a_folder_that_is_not_there_is_told(self, settings: WarehouseSettings, tmp_path: Path) -> None:
        [outcome] = pull(settings, Momo(MomoSettings(settlements_url=f"file://{tmp_path}/nowhere")))
        assert outcome.problem is not None
        assert outcome.problem.startswith("FileNotFoundError: there is no folder")
