"""The hosted pages a customer's browser sees: card form, declined cards, 3D Secure, another card, the way back."""

from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment, FileSystemLoader, select_autoescape

from contracts.money import Money
from tests.fakes.stripe import checkout, customers, portal
from tests.fakes.stripe.errors import StripeError, declined
from tests.fakes.stripe.store import Object, Store

router = APIRouter(include_in_schema=False)
_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=select_autoescape(), trim_blocks=True
)
_EVERY = {("month", 1): "per month", ("month", 3): "every 3 months", ("month", 12): "per year", ("year", 1): "per year"}


def _show(
    store: Store, session: Object, *, status: int = 200, error: str | None = None, **entered: Any
) -> HTMLResponse:
    secret = store.secret(session["id"])
    recurring = secret["lines"][0]["price"]["recurring"]
    every = (recurring["interval"], recurring["interval_count"]) if recurring else None
    customer = store.objects.get(session["customer"] or "", {})
    page = _TEMPLATES.get_template("checkout.html").render(
        session=session,
        lines=secret["lines"],
        money=lambda amount: str(Money(amount, session["currency"].upper())),
        every=_EVERY.get(every, f"every {every[1]} {every[0]}s") if every else None,
        later=sum(one["amount_total"] for one in secret["lines"]),
        trial_days=secret["subscription_data"].get("trial_period_days"),
        error=error,
        entered={"email": customer.get("email") or session["customer_email"] or ""} | entered,
    )
    return HTMLResponse(page, status_code=status, headers={"Cache-Control": "no-store"})


def _closed(session: Object | None) -> HTMLResponse:
    page = _TEMPLATES.get_template("closed.html").render(session=session)
    return HTMLResponse(page, status_code=404 if session is None else 410)


def _open_session(store: Store, session_id: str) -> Object | None:
    checkout.expire_due(store)
    session = store.objects.get(session_id)
    return session if session and session["object"] == "checkout.session" else None


def _way_back(session: Object) -> RedirectResponse:
    return RedirectResponse(session["success_url"].replace("{CHECKOUT_SESSION_ID}", session["id"]), status_code=303)


@router.get("/c/pay/{session_id}")
def show(request: Request, session_id: str) -> Response:
    """The card form."""
    store: Store = request.app.state.store
    with store.transaction():
        session = _open_session(store, session_id)
        if session and session["status"] == "complete":
            return _way_back(session)
        return _show(store, session) if session and session["status"] == "open" else _closed(session)


@router.post("/c/pay/{session_id}")
def pay(
    request: Request,
    session_id: str,
    number: Annotated[str, Form(alias="cardNumber")] = "",
    expiry: Annotated[str, Form(alias="cardExpiry")] = "",
    cvc: Annotated[str, Form(alias="cardCvc")] = "",
    name: Annotated[str, Form(alias="billingName")] = "",
    email: Annotated[str, Form()] = "",
    challenge: Annotated[str, Form()] = "",
) -> Response:
    """Pay; a declined card shows the form again with the bank's words, and a second click on a paid session is
    just sent on its way."""
    store: Store = request.app.state.store
    with store.transaction():
        session = _open_session(store, session_id)
        if session and session["status"] == "complete":
            return _way_back(session)
        if not session or session["status"] != "open":
            return _closed(session)
        try:
            method = _entered_card(store, session, number, expiry, cvc, name, email, challenge)
            card = customers.card_of(store, method)
            if card.needs_authentication and not challenge:
                store.put(session, challenged=method["id"])
                return HTMLResponse(_TEMPLATES.get_template("challenge.html").render(session=session))
            checkout.complete(
                store, session, method, email=email or None, name=name or None, is_authenticated=challenge == "complete"
            )
        except StripeError as error:
            shown = {"billingName": name, "cardNumber": number, "cardExpiry": expiry}
            return _show(store, session, status=402, error=str(error), **shown | ({"email": email} if email else {}))
        if card.is_disputed:
            _dispute_last_charge(store, session)
        return _way_back(session)


@router.get("/p/session/{session_id}")
def show_card_form(request: Request, session_id: str) -> Response:
    """The form for another card."""
    return _card_form(request.app.state.store.objects.get(session_id))


@router.post("/p/session/{session_id}")
def save_card(
    request: Request,
    session_id: str,
    number: Annotated[str, Form(alias="cardNumber")] = "",
    expiry: Annotated[str, Form(alias="cardExpiry")] = "",
    cvc: Annotated[str, Form(alias="cardCvc")] = "",
) -> Response:
    """Save it; a refused card shows the form again with the bank's words."""
    store: Store = request.app.state.store
    with store.transaction():
        session = store.objects.get(session_id)
        if session is None:
            return _closed(None)
        try:
            portal.take_card(store, session, _typed_card(store, number, expiry, cvc))
        except StripeError as error:
            return _card_form(session, error=str(error))
        return RedirectResponse(portal.when_done(session), status_code=303)


def _card_form(session: Object | None, *, error: str | None = None) -> HTMLResponse:
    if session is None:
        return _closed(None)
    page = _TEMPLATES.get_template("card.html").render(way_back=session["return_url"], error=error)
    return HTMLResponse(page, status_code=402 if error else 200, headers={"Cache-Control": "no-store"})


def _entered_card(
    store: Store, session: Object, number: str, expiry: str, cvc: str, name: str, email: str, challenge: str
) -> Object:
    if challenge:
        method_id = store.secret(session["id"]).get("challenged")
        if challenge == "fail" or method_id is None:
            raise declined(
                "payment_intent_authentication_failure",
                None,
                "We are unable to authenticate your payment method. Please choose a different one and try again.",
            )
        return store.objects[method_id]
    return _typed_card(store, number, expiry, cvc, name=name or None, email=email or None)


def _typed_card(store: Store, number: str, expiry: str, cvc: str, **billing: str | None) -> Object:
    month, _, year = expiry.replace(" ", "").partition("/")
    if not (month.isdigit() and year.isdigit()):
        raise declined("invalid_expiry_month", None, "Your card's expiration date is incomplete.")
    return customers.new_method(store, number, int(month), int(year), cvc, **billing)


def _dispute_last_charge(store: Store, session: Object) -> None:
    from tests.fakes.stripe.refunds import open_dispute

    for charge in reversed(store.all("charge")):
        if charge["customer"] == session["customer"] and charge["status"] == "succeeded":
            open_dispute(store, charge)
            return
