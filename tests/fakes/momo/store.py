"""Orders, refunds and requests of the local MoMo, and the rules that hold for them."""

import itertools
import json
import sqlite3
import threading
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

Json = dict[str, Any]
MESSAGES = {
    0: "Successful.",
    10: "System is under maintenance.",
    13: "Merchant authentication failed.",
    20: "Bad format request.",
    22: "Transaction amount is out of range.",
    40: "Duplicated requestId.",
    41: "Duplicated orderId.",
    42: "Invalid orderId or orderId is not found.",
    49: "The request cannot be carried out.",
    99: "Unknown error.",
    1000: "Transaction is initiated, waiting for user confirmation.",
    1001: "Transaction failed due to insufficient funds.",
    1003: "Transaction cancelled.",
    1005: "Transaction failed because the url or QR code expired.",
    1006: "Transaction failed because user denied to confirm the payment.",
    1080: "The refund was rejected. Original transaction was not found.",
    1081: "Refund was rejected. Nothing is left of the original transaction.",
    7000: "Transaction is being processed.",
    7002: "Transaction is being processed by the provider of the payment instrument.",
    9000: "Transaction is authorized successfully.",
}
FINAL = {0, 1001, 1003, 1005, 1006, 1080, 1081}
"""Results that a repeated request gets again; another one is answered as a duplicate."""


@dataclass
class Refund:
    order_id: str
    amount: int
    code: int
    trans_id: int
    created: int

    def told(self) -> Json:
        return {
            "orderId": self.order_id, "amount": self.amount, "resultCode": self.code, "transId": self.trans_id,
            "createdTime": self.created,
        }  # fmt: skip


@dataclass
class Order:
    request: Json
    code: int = 1000
    trans_id: int = 0
    finished: int = 0
    refunds: list[Refund] = field(default_factory=list)

    def names(self) -> set[str]:
        """Its id, and those of its refunds."""
        return {self.request["orderId"], *(one.order_id for one in self.refunds)}

    @property
    def left(self) -> int:
        return int(self.request["amount"]) - sum(one.amount for one in self.refunds if one.code in (0, 7002))


class Store:
    """Everything that the local MoMo knows. `faults` are results given to the next requests instead of an answer.

    Args:
        path: SQLite file that keeps it over a restart; None keeps it in memory.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.lock = threading.RLock()
        self.orders: dict[str, Order] = {}
        self.refunds: dict[str, Refund] = {}
        self.notifications: list[Json] = []
        self.faults: list[int] = []
        self.refunds_end_as = 0
        self._requests: dict[str, tuple[str, Json]] = {}
        if path:
            path.parent.mkdir(parents=True, exist_ok=True)
        self._file = sqlite3.connect(path, check_same_thread=False, isolation_level=None) if path else None
        if self._file:
            self._load(self._file)
        known = [one.trans_id for one in (*self.orders.values(), *self.refunds.values())]
        self._numbers = itertools.count(max([2_588_659_986, *known]) + 1)

    def _load(self, file: sqlite3.Connection) -> None:
        file.execute("create table if not exists orders (id text primary key, told text not null)")
        file.execute(
            "create table if not exists requests (id text primary key, said text not null, told text not null)"
        )
        for id_, told in file.execute("select id, told from orders order by rowid"):
            facts = json.loads(told)
            facts["refunds"] = [Refund(**one) for one in facts["refunds"]]
            order = self.orders[id_] = Order(**facts)
            self.refunds |= {one.order_id: one for one in order.refunds}
            if order.finished:
                self.notifications.append(self.result(order))
        for id_, said, told in file.execute("select id, said, told from requests"):
            self._requests[id_] = (said, json.loads(told))

    def _keep(self, *orders: Order, request: str | None = None) -> None:
        if self._file is None:
            return
        with self._file:
            self._file.execute("begin")
            for order in orders:
                kept = (order.request["orderId"], json.dumps(asdict(order)))
                self._file.execute(
                    "insert into orders values (?, ?) on conflict (id) do update set told = excluded.told", kept
                )
            if request is not None:
                said, told = self._requests[request]
                self._file.execute(
                    "insert or replace into requests values (?, ?, ?)", (request, said, json.dumps(told))
                )

    def once(self, body: Json, answer: Any) -> Json:
        """Answer a request: one that came before gets its final answer again, or is a duplicate."""
        same = json.dumps({name: body[name] for name in sorted(body) if name != "signature"})
        with self.lock:
            known = self._requests.get(body["requestId"])
            if known is not None:
                said, told = known
                return told if said == same and told["resultCode"] in FINAL else {"resultCode": 40}
            if self.faults:
                return {"resultCode": self.faults.pop(0)}
            told = answer(body)
            told.setdefault("responseTime", now())
            self._requests[body["requestId"]] = (same, told)
            of_it = [one for one in self.orders.values() if body["orderId"] in one.names()]
            self._keep(*of_it, request=body["requestId"])
            return dict(told)

    def open(self, body: Json) -> Json:
        """A payment to be made."""
        if body["orderId"] in self.orders:
            return {"resultCode": 41}
        if not isinstance(body["amount"], int) or isinstance(body["amount"], bool):
            return {"resultCode": 20}
        if not 1_000 <= body["amount"] <= 50_000_000:
            return {"resultCode": 22}
        self.orders[body["orderId"]] = Order(body)
        return {"resultCode": 0, "amount": body["amount"]}

    def finish(self, order_id: str, code: int) -> Order:
        """The wallet's word on an order. A final one stays as it is."""
        with self.lock:
            order = self.orders[order_id]
            if order.code not in FINAL:
                order.code, order.finished = code, now()
                order.trans_id = order.trans_id or next(self._numbers)
                self.notifications.append(self.result(order))
                self._keep(order)
            return order

    def result(self, order: Order) -> Json:
        """The result of an order as notification and return tell it, unsigned."""
        asked = order.request
        return {
            "partnerCode": asked["partnerCode"], "orderId": asked["orderId"], "requestId": asked["requestId"],
            "amount": asked["amount"], "orderInfo": asked["orderInfo"], "orderType": "momo_wallet",
            "transId": order.trans_id, "resultCode": order.code, "message": MESSAGES[order.code], "payType": "qr",
            "responseTime": order.finished, "extraData": asked["extraData"],
        }  # fmt: skip

    def query(self, body: Json) -> Json:
        """What an order came to."""
        order = self.orders.get(body["orderId"])
        if order is None:
            return {"resultCode": 42}
        return {
            "resultCode": order.code, "amount": order.request["amount"], "transId": order.trans_id, "payType": "qr",
            "extraData": order.request["extraData"], "responseTime": order.finished or now(),
            "refundTrans": [one.told() for one in order.refunds],
        }  # fmt: skip

    def refund(self, body: Json) -> Json:
        """Give money back, at most what is left of the payment."""
        if body["orderId"] in self.refunds or body["orderId"] in self.orders:
            return {"resultCode": 41}
        order = next((one for one in self.orders.values() if one.trans_id == body["transId"] and one.code == 0), None)
        if order is None:
            return {"resultCode": 1080}
        if body["amount"] < 1_000:
            return {"resultCode": 22}
        if body["amount"] > order.left:
            return {"resultCode": 1081}
        made = Refund(body["orderId"], body["amount"], self.refunds_end_as, next(self._numbers), now())
        self.refunds[made.order_id] = made
        order.refunds.append(made)
        return {"resultCode": made.code, "amount": made.amount, "transId": made.trans_id, "responseTime": made.created}

    def refund_query(self, body: Json) -> Json:
        """What a refund came to, by its own order."""
        found = self.refunds.get(body["orderId"])
        if found is None:
            return {"resultCode": 42}
        return {
            "resultCode": found.code,
            "amount": found.amount,
            "transId": found.trans_id,
            "refundTrans": [found.told()],
        }

    def captured(self) -> int:
        """Dong that customers have paid."""
        return sum(one.request["amount"] for one in self.orders.values() if one.code == 0)

    def given_back(self) -> int:
        """Dong that were given back."""
        return sum(one.amount for one in self.refunds.values() if one.code == 0)


def now() -> int:
    """Unix milliseconds."""
    return int(time.time() * 1000)
