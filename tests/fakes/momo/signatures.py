"""Signatures as MoMo's documentation prints them: the strings are written out, HMAC-SHA256 over them."""

import hmac
from hashlib import sha256
from typing import Any

TEMPLATES = {
    "create": "accessKey={accessKey}&amount={amount}&extraData={extraData}&ipnUrl={ipnUrl}&orderId={orderId}"
    "&orderInfo={orderInfo}&partnerCode={partnerCode}&redirectUrl={redirectUrl}&requestId={requestId}"
    "&requestType={requestType}",
    "created": "accessKey={accessKey}&amount={amount}&orderId={orderId}&partnerCode={partnerCode}&payUrl={payUrl}"
    "&requestId={requestId}&responseTime={responseTime}&resultCode={resultCode}",
    "query": "accessKey={accessKey}&orderId={orderId}&partnerCode={partnerCode}&requestId={requestId}",
    "refund": "accessKey={accessKey}&amount={amount}&description={description}&orderId={orderId}"
    "&partnerCode={partnerCode}&requestId={requestId}&transId={transId}",
    "result": "accessKey={accessKey}&amount={amount}&extraData={extraData}&message={message}&orderId={orderId}"
    "&orderInfo={orderInfo}&orderType={orderType}&partnerCode={partnerCode}&payType={payType}&requestId={requestId}"
    "&responseTime={responseTime}&resultCode={resultCode}&transId={transId}",
}


def made(what: str, message: dict[str, Any], access_key: str, secret_key: str) -> str:
    """The signature of a message, hexadecimal."""
    text = TEMPLATES[what].format(**{**message, "accessKey": access_key})
    return hmac.new(secret_key.encode(), text.encode(), sha256).hexdigest()
