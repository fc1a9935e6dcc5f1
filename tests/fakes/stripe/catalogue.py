"""Products and prices."""

from typing import Any

from tests.fakes.stripe import forms
from tests.fakes.stripe.api import Call, endpoint, page
from tests.fakes.stripe.errors import invalid, required
from tests.fakes.stripe.store import Object, Store, make_id

_INTERVALS = ("day", "week", "month", "year")


@endpoint("POST", "products", accepts="id description active metadata default_price_data", requires="name")
def create_product(call: Call) -> Object:
    """POST /v1/products; `id` may be chosen."""
    id_ = call.params.get("id") or make_id("prod", 14)
    if id_ in call.store.objects:
        raise invalid("Product already exists.", param="id", code="resource_already_exists")
    product: Object = {
        "id": id_,
        "object": "product",
        "active": forms.boolean(call.params, "active", True),
        "created": call.now,
        "default_price": None,
        "description": call.params.get("description"),
        "images": [],
        "livemode": False,
        "marketing_features": [],
        "metadata": forms.metadata({}, call.params),
        "name": call.params["name"],
        "package_dimensions": None,
        "shippable": None,
        "statement_descriptor": None,
        "tax_code": None,
        "type": "service",
        "unit_label": None,
        "updated": call.now,
        "url": None,
    }
    call.store.put(product)
    call.store.record_event("product.created", product)
    return product


@endpoint("GET", "products", accepts="active ids")
def index_products(call: Call) -> Object:
    """GET /v1/products."""
    return page(call, [one for one in call.store.all("product") if _is_wanted(one, call.params)])


@endpoint("GET", "products/:id")
def retrieve_product(call: Call, id_: str) -> Object:
    """GET /v1/products/:id."""
    return call.store.find("product", id_)


@endpoint("POST", "products/:id", accepts="name description active metadata")
def update_product(call: Call, id_: str) -> Object:
    """POST /v1/products/:id."""
    with call.store.changing(call.store.find("product", id_), "product.updated") as product:
        for name in ("name", "description"):
            product[name] = call.params.get(name, product[name])
        product["active"] = forms.boolean(call.params, "active", product["active"])
        product["metadata"] = forms.metadata(product["metadata"], call.params)
        product["updated"] = call.now
    return product


@endpoint("DELETE", "products/:id")
def delete_product(call: Call, id_: str) -> Object:
    """DELETE /v1/products/:id, of one that never had a price."""
    product = call.store.find("product", id_)
    if any(one["product"] == id_ for one in call.store.all("price")):
        raise invalid("This product cannot be deleted because it has one or more user-created prices.")
    call.store.remove(id_)
    call.store.record_event("product.deleted", product)
    return {"id": id_, "object": "product", "deleted": True}


@endpoint(
    "POST",
    "prices",
    accepts="product product_data unit_amount recurring lookup_key transfer_lookup_key nickname metadata active"
    " tax_behavior billing_scheme",
    requires="currency",
)
def create_price(call: Call) -> Object:
    """POST /v1/prices."""
    if "product" not in call.params and not isinstance(call.params.get("product_data"), dict):
        raise required("product")
    lookup_key = call.params.get("lookup_key") or None
    if lookup_key:
        _take_lookup_key(call.store, lookup_key, forms.boolean(call.params, "transfer_lookup_key"))
    if "product" in call.params:
        product = call.store.find("product", call.params["product"], param="product")
    else:
        nested = Call(call.store, call.settings, "POST", "/v1/products", call.params["product_data"])
        product = create_product(nested)
    price = new_price(call.store, product["id"], call.params, lookup_key=lookup_key)
    call.store.record_event("price.created", price)
    return price


def _take_lookup_key(store: Store, key: str, may_transfer: bool) -> None:
    for other in store.all("price"):
        if other["lookup_key"] == key and other["active"]:
            if not may_transfer:
                raise invalid(
                    f"A price (`{other['id']}`) already uses that lookup key.",
                    param="lookup_key",
                    code="resource_already_exists",
                )
            with store.changing(other, "price.updated"):
                other["lookup_key"] = None


def new_price(store: Store, product: str, params: dict[str, Any], *, lookup_key: str | None = None) -> Object:
    """A price from the parameters of `prices` or of `price_data`, kept but not announced."""
    amount = forms.integer(params, "unit_amount", at_least=0)
    if amount is None:
        raise required("unit_amount")
    currency = str(params["currency"]).lower()
    if len(currency) != 3 or not currency.isalpha():
        raise invalid(f"Invalid currency: {currency}.", param="currency")
    given = params.get("recurring")
    recurring = None
    if isinstance(given, dict):
        if given.get("interval") not in _INTERVALS:
            raise invalid(f"Invalid recurring[interval]: must be one of {', '.join(_INTERVALS)}", param="recurring")
        recurring = {
            "interval": given["interval"],
            "interval_count": forms.integer(given, "interval_count", 1, at_least=1),
            "meter": None,
            "trial_period_days": forms.integer(given, "trial_period_days"),
            "usage_type": "licensed",
        }
    price: Object = {
        "id": make_id("price"),
        "object": "price",
        "active": forms.boolean(params, "active", True),
        "billing_scheme": "per_unit",
        "created": store.now(),
        "currency": currency,
        "custom_unit_amount": None,
        "livemode": False,
        "lookup_key": lookup_key,
        "metadata": forms.metadata({}, params),
        "nickname": params.get("nickname"),
        "product": product,
        "recurring": recurring,
        "tax_behavior": params.get("tax_behavior", "unspecified"),
        "tiers_mode": None,
        "transform_quantity": None,
        "type": "recurring" if recurring else "one_time",
        "unit_amount": amount,
        "unit_amount_decimal": str(amount),
    }
    return store.put(price)


@endpoint("GET", "prices", accepts="active currency lookup_keys product type")
def index_prices(call: Call) -> Object:
    """GET /v1/prices."""
    return page(call, [one for one in call.store.all("price") if _is_wanted(one, call.params)])


def _is_wanted(obj: Object, params: dict[str, Any]) -> bool:
    if "active" in params and obj["active"] != forms.boolean(params, "active"):
        return False
    if "lookup_keys" in params and obj["lookup_key"] not in params["lookup_keys"]:
        return False
    if "ids" in params and obj["id"] not in params["ids"]:
        return False
    return all(obj[name] == params[name] for name in ("currency", "product", "type") if name in params)


@endpoint("GET", "prices/:id")
def retrieve_price(call: Call, id_: str) -> Object:
    """GET /v1/prices/:id."""
    return call.store.find("price", id_)


@endpoint("POST", "prices/:id", accepts="active nickname metadata lookup_key transfer_lookup_key tax_behavior")
def update_price(call: Call, id_: str) -> Object:
    """POST /v1/prices/:id; the amount of a price can never change."""
    with call.store.changing(call.store.find("price", id_), "price.updated") as price:
        price["active"] = forms.boolean(call.params, "active", price["active"])
        price["nickname"] = call.params.get("nickname", price["nickname"])
        price["metadata"] = forms.metadata(price["metadata"], call.params)
        if call.params.get("lookup_key"):
            _take_lookup_key(call.store, call.params["lookup_key"], forms.boolean(call.params, "transfer_lookup_key"))
            price["lookup_key"] = call.params["lookup_key"]
    return price
