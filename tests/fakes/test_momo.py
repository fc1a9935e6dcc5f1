"""The local MoMo keeps what was ordered, paid and given back over a restart, and what it answered."""

from pathlib import Path
from typing import Any

from tests.fakes.momo.store import Store


def order(store: Store, name: str) -> dict[str, Any]:
    body = {
        "partnerCode": "P", "requestId": f"r-{name}", "orderId": name, "amount": 50_000, "orderInfo": "A pack",
        "redirectUrl": "http://plyo.test", "ipnUrl": "http://plyo.test/webhooks/momo", "extraData": "",
    }  # fmt: skip
    told: dict[str, Any] = store.once(body, store.open)
    return told


class TestRestart:
    def test_everything_is_as_it_was(self, tmp_path: Path) -> None:
        file = tmp_path / "momo" / "state.sqlite"
        first = Store(file)
        for name in ("paid", "open"):
            assert order(first, name)["resultCode"] == 0
        paid = first.finish("paid", 0)
        back = {"requestId": "b", "orderId": "back", "amount": 20_000, "transId": paid.trans_id, "description": ""}
        given = first.once(back, first.refund)
        second = Store(file)
        assert second.orders == first.orders
        assert (second.captured(), second.given_back()) == (50_000, 20_000)
        assert second.orders["paid"].left == 30_000
        assert second.once(back, second.refund) == given, "asked again, it is not given twice"
        assert order(second, "paid")["resultCode"] == 0
        assert second.notifications == first.notifications
        assert second.finish("open", 0).trans_id > given["transId"]
        assert Store(file).captured() == 100_000
