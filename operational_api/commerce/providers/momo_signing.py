"""The strings that MoMo's API v2 signs, field by field in the order of its documentation, and HMAC-SHA256 over them.

A field that a message lacks counts as empty. The access key is part of every string and travels in none of them.
Answers to a query and to a refund carry no signature: they are held to what was asked (`momo.py`).
"""

import hmac
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

CREATE = (
    "accessKey", "amount", "extraData", "ipnUrl", "orderId", "orderInfo", "partnerCode", "redirectUrl", "requestId",
    "requestType",
)  # fmt: skip
CREATED = ("accessKey", "amount", "orderId", "partnerCode", "payUrl", "requestId", "responseTime", "resultCode")
QUERY = ("accessKey", "orderId", "partnerCode", "requestId")
REFUND = ("accessKey", "amount", "description", "orderId", "partnerCode", "requestId", "transId")
RESULT = (
    "accessKey", "amount", "extraData", "message", "orderId", "orderInfo", "orderType", "partnerCode", "payType",
    "requestId", "responseTime", "resultCode", "transId",
)  # fmt: skip
"""Of a payment's result, in the notification (IPN) and in the address that the customer returns by."""


def raw(fields: tuple[str, ...], message: Mapping[str, Any], access_key: str) -> str:
    """`name=value&name=value` of these fields."""
    values = {**message, "accessKey": access_key}
    return "&".join(f"{name}={_text(values.get(name))}" for name in fields)


def _text(value: object) -> str:
    return "" if value is None else str(value)


def sign(fields: tuple[str, ...], message: Mapping[str, Any], *, access_key: str, secret_key: str) -> str:
    """Lower-case hexadecimal."""
    return hmac.new(secret_key.encode(), raw(fields, message, access_key).encode(), sha256).hexdigest()


def is_signed(fields: tuple[str, ...], message: Mapping[str, Any], *, access_key: str, secret_key: str) -> bool:
    """Whether the message's own `signature` is right; takes as long either way."""
    given = message.get("signature")
    expected = sign(fields, message, access_key=access_key, secret_key=secret_key)
    return isinstance(given, str) and hmac.compare_digest(given.lower().encode(), expected.encode())
