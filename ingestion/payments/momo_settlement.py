"""The lines of one MoMo settlement file: which columns are taken, what each means, and why a line is refused.

No layout of these files is published that we found: partners agree on one with MoMo, and the merchant portal exports
Vietnamese headings. So columns are found by their heading, in any order, by the name of the field in MoMo's API or by
the portal's words:

| column | API | portal | meaning |
|---|---|---|---|
| partner_code | partnerCode | Mã đối tác | required |
| order_id | orderId | Mã đơn hàng | required; our order |
| trans_id | transId | Mã giao dịch | required; MoMo's number of the transaction |
| amount_minor | amount | Số tiền | required; whole dong, digits only; negative for a refund whatever its sign there |
| paid_at | paymentTime, responseTime | Thời gian | required; see below |
| request_id | requestId | Mã yêu cầu | |
| kind | transType | Loại giao dịch | payment (also when absent) or refund |
| status | status, resultCode | Trạng thái | succeeded (also when absent), failed or pending |
| fee_minor | fee | Phí | whole dong |
| original_trans_id | originalTransId | Mã giao dịch gốc | of a refund, the payment |
| order_info | orderInfo | Nội dung | text |

A time is `2026-11-02 15:04:05` or `02/11/2026 15:04:05`, both Vietnam's, ISO 8601 with an offset, or Unix milliseconds.
Anything else is kept by its heading in `extra`, JSON. An amount with separators (`1.500.000`) is refused and not
guessed: the same digits mean another amount where the separator is a decimal point.
"""

import csv
import io
import json
import unicodedata
from dataclasses import dataclass

import polars as pl
import pyarrow as pa

SETTLEMENTS = pa.schema(
    [
        *((name, pa.string()) for name in ("file_hash", "file_name")),
        ("line_number", pa.int64()),
        *((name, pa.string()) for name in ("partner_code", "order_id", "request_id", "trans_id", "original_trans_id")),
        *((name, pa.string()) for name in ("kind", "status", "order_info")),
        ("amount_minor", pa.int64()),
        ("fee_minor", pa.int64()),
        ("currency", pa.string()),
        ("paid_at", pa.timestamp("us", tz="UTC")),
        ("extra", pa.json_(pa.string())),
    ]
)
REJECTIONS = pa.schema(
    [
        *((name, pa.string()) for name in ("file_hash", "file_name")),
        ("line_number", pa.int64()),
        ("line", pa.string()),
        ("reason", pa.string()),
    ]
)
TIME_ZONE = "Asia/Ho_Chi_Minh"
_HEADINGS = {
    "partner_code": ("partnercode", "mã đối tác"),
    "order_id": ("orderid", "mã đơn hàng"),
    "request_id": ("requestid", "mã yêu cầu"),
    "trans_id": ("transid", "mã giao dịch", "mã giao dịch momo"),
    "original_trans_id": ("originaltransid", "mã giao dịch gốc"),
    "kind": ("transtype", "loại giao dịch"),
    "status": ("status", "resultcode", "trạng thái"),
    "order_info": ("orderinfo", "nội dung"),
    "amount": ("amount", "số tiền"),
    "fee": ("fee", "phí"),
    "paid": ("paymenttime", "responsetime", "thời gian", "thời gian thanh toán"),
}
_COLUMNS = {heading: column for column, headings in _HEADINGS.items() for heading in headings}
_REQUIRED = {"partner_code": "partnerCode", "order_id": "orderId", "trans_id": "transId", "amount": "amount",
             "paid": "paymentTime"}  # fmt: skip
_KINDS = {"": "payment", "payment": "payment", "thanh toán": "payment", "refund": "refund", "hoàn tiền": "refund"}
_STATUSES = {
    **dict.fromkeys(("", "0", "success", "succeeded", "thành công"), "succeeded"),
    **dict.fromkeys(("failed", "thất bại"), "failed"),
    **dict.fromkeys(("pending", "đang xử lý"), "pending"),
}
_MOST_DONG = 10**15


@dataclass(frozen=True)
class Read:
    """A file's lines: those that can be landed (`SETTLEMENTS`), and the others (`REJECTIONS`)."""

    settlements: pa.Table
    rejections: pa.Table


def read(content: bytes, *, file_hash: str, file_name: str) -> Read:
    """Every line after the heading, in one table or the other; a file that cannot be read is refused as its line 1."""
    refused: list[tuple[int, str, str]] = []
    rows: list[tuple[int, list[str]]] = []
    headings: list[str] = []
    try:
        text = content.decode("utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
        headings, rows = _tokens(unicodedata.normalize("NFC", text))
        columns = [_COLUMNS.get(heading.strip().lower(), heading.strip()) for heading in headings]
        problem = _problem_of(columns)
    except (UnicodeDecodeError, csv.Error) as error:
        columns, problem = [], f"the file cannot be read: {error}"
    if problem:
        refused, rows = [(1, ",".join(headings), problem)], []
    wrong = f"has another number of fields than the heading ({len(columns)})"
    refused += [(number, ",".join(line), wrong) for number, line in rows if len(line) != len(columns)]
    fitting = [(number, line) for number, line in rows if len(line) == len(columns)]
    judged = _judged(columns, fitting)
    bad = judged.filter(pl.col("reason").is_not_null())
    rejections = [*refused, *bad.select("line_number", "line", "reason").rows()]
    own = {"file_hash": pl.lit(file_hash), "file_name": pl.lit(file_name)}
    good = judged.filter(pl.col("reason").is_null()).with_columns(**own)
    told = pl.DataFrame(
        sorted(rejections), schema={"line_number": pl.Int64, "line": pl.String, "reason": pl.String}, orient="row"
    ).with_columns(**own)
    return Read(_as(good, SETTLEMENTS), _as(told, REJECTIONS))


def _tokens(text: str) -> tuple[list[str], list[tuple[int, list[str]]]]:
    first = text.partition("\n")[0]
    lines = csv.reader(io.StringIO(text), delimiter=max(",;\t", key=first.count), strict=True)
    headings = next(lines, [])
    rows, last = [], lines.line_num
    for line in lines:
        if any(field.strip() for field in line):
            rows.append((last + 1, line))
        last = lines.line_num
    return headings, rows


def _problem_of(columns: list[str]) -> str | None:
    missing = [name for column, name in _REQUIRED.items() if column not in columns]
    if missing:
        return f"the heading has no column {', '.join(missing)}"
    twice = sorted({column for column in columns if columns.count(column) > 1})
    return f"the heading has more than one column {', '.join(twice)}" if twice else None


def _judged(columns: list[str], rows: list[tuple[int, list[str]]]) -> pl.DataFrame:
    """All columns of `SETTLEMENTS` but the file's, the line as it was, and why it is refused (null: it is not)."""
    fields = {column: [line[place].strip() for _, line in rows] for place, column in enumerate(columns)}
    others = [column for column in columns if column not in _HEADINGS]
    extra = [
        json.dumps({name: line[columns.index(name)] for name in others}, ensure_ascii=False) if others else None
        for _, line in rows
    ]
    empty = [""] * len(rows)
    frame = pl.DataFrame(
        {
            "line_number": [number for number, _ in rows],
            "line": [",".join(line) for _, line in rows],
            "extra": extra,
            **{column: fields.get(column, empty) for column in _HEADINGS},
        },
        schema={"line_number": pl.Int64, "line": pl.String, "extra": pl.String, **dict.fromkeys(_HEADINGS, pl.String)},
    )
    digits = r"^-?\d+$"
    kind = pl.col("kind").str.to_lowercase().replace_strict(_KINDS, default=None)
    status = pl.col("status").str.to_lowercase().replace_strict(_STATUSES, default=None)
    amount, fee = pl.col("amount").cast(pl.Int64, strict=False), pl.col("fee").cast(pl.Int64, strict=False)
    frame = frame.with_columns(read_kind=kind, read_status=status, read_amount=amount, paid_at=_instant("paid"))
    first_line = pl.col("line_number").first().over("trans_id", "read_kind", "line")
    checks = [
        *((pl.col(column) == "", pl.lit(f"{name} is missing")) for column, name in _REQUIRED.items()),
        *(
            (
                ~pl.col(column).str.contains(digits) & (pl.col(column) != ""),
                pl.format(f"{column} is no whole number of dong, written without separators: {{}}", column),
            )
            for column in ("amount", "fee")
        ),
        (
            pl.col("read_amount").is_null() | ~pl.col("read_amount").is_between(-_MOST_DONG, _MOST_DONG),
            pl.format("amount is too large: {}", "amount"),
        ),
        (pl.col("paid_at").is_null(), pl.format("paymentTime is no time: {}", "paid")),
        (pl.col("read_kind").is_null(), pl.format("transType is neither payment nor refund: {}", "kind")),
        (pl.col("read_status").is_null(), pl.format("status is unknown: {}", "status")),
        (
            (pl.col("read_kind") == "payment") & (pl.col("read_amount") < 0),
            pl.format("a payment has a negative amount: {}", "amount"),
        ),
        (first_line != pl.col("line_number"), pl.format("repeats line {}", first_line)),
    ]
    return frame.with_columns(
        reason=pl.coalesce(*(pl.when(condition).then(why) for condition, why in checks)),
        kind="read_kind",
        status="read_status",
        amount_minor=pl.when(pl.col("read_kind") == "refund")
        .then(-pl.col("read_amount").abs())
        .otherwise(pl.col("read_amount")),
        fee_minor=fee,
        currency=pl.lit("VND"),
        **{
            name: pl.when(pl.col(name) != "").then(name)
            for name in ("request_id", "original_trans_id", "order_info", "partner_code", "order_id", "trans_id")
        },
    )


def _instant(column: str) -> pl.Expr:
    text = pl.col(column).str.replace("T", " ")
    local = [
        text.str.to_datetime(layout, strict=False, time_unit="us").dt.replace_time_zone(TIME_ZONE)
        for layout in ("%Y-%m-%d %H:%M:%S", "%d/%m/%Y %H:%M:%S")
    ]
    zoned = text.str.to_datetime("%Y-%m-%d %H:%M:%S%z", strict=False, time_unit="us", time_zone="UTC")
    milliseconds = pl.when(text.str.contains(r"^\d{13}$")).then(text.cast(pl.Int64, strict=False))
    unix = pl.from_epoch(milliseconds, time_unit="ms").cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    return pl.coalesce(*(one.dt.convert_time_zone("UTC") for one in (*local, zoned, unix)))


def _as(frame: pl.DataFrame, schema: pa.Schema) -> pa.Table:
    return pa.table(
        [frame[field.name].to_arrow().cast(_stored(field.type)).cast(field.type) for field in schema], schema=schema
    )


def _stored(kind: pa.DataType) -> pa.DataType:
    return kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind
