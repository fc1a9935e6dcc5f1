"""Billing portal sessions of the one flow that is used: a customer gives another card, the default from then on."""

from urllib.parse import urlsplit

from tests.fakes.stripe import customers
from tests.fakes.stripe.api import Call, endpoint
from tests.fakes.stripe.errors import invalid
from tests.fakes.stripe.store import Object, Store, make_id


@endpoint("POST", "billing_portal/sessions", accepts="return_url flow_data configuration locale", requires="customer")
def create(call: Call) -> Object:
    """POST /v1/billing_portal/sessions."""
    customer = call.store.find("customer", call.params["customer"], param="customer")
    flow = call.params.get("flow_data") or {}
    if flow.get("type") != "payment_method_update":
        raise invalid("This account only has the flow payment_method_update.", param="flow_data[type]")
    back = call.params.get("return_url")
    done = ((flow.get("after_completion") or {}).get("redirect") or {}).get("return_url") or back
    for url in (back, done):
        if urlsplit(url or "").scheme not in ("http", "https"):
            raise invalid("Not a valid URL", param="return_url", code="url_invalid")
    id_ = make_id("bps")
    session: Object = {
        "id": id_,
        "object": "billing_portal.session",
        "configuration": "bpc_default",
        "created": call.store.now(),
        "customer": customer["id"],
        "customer_account": None,
        "flow": {
            "after_completion": {
                "hosted_confirmation": None,
                "redirect": {"return_url": done},
                "type": "redirect",
            },
            "subscription_cancel": None,
            "subscription_update": None,
            "subscription_update_confirm": None,
            "type": "payment_method_update",
        },
        "livemode": False,
        "locale": call.params.get("locale"),
        "on_behalf_of": None,
        "return_url": back,
        "url": f"{call.settings.public_url.rstrip('/')}/p/session/{id_}",
    }
    return call.store.put(session)


def when_done(session: Object) -> str:
    """Where the browser goes when the flow is done."""
    return str(session["flow"]["after_completion"]["redirect"]["return_url"])


def take_card(store: Store, session: Object, method: Object) -> None:
    """Save the card and charge it from now on.

    Raises:
        StripeError: a card_error, when the bank refuses it.
    """
    customer = store.objects[session["customer"]]
    customers.attach(store, method, customer)
    with store.changing(customer, "customer.updated"):
        customer["invoice_settings"] = customer["invoice_settings"] | {"default_payment_method": method["id"]}
