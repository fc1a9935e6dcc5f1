"""Stripe's error objects: an exception that carries the HTTP status and the members of `error`."""

from typing import Any


class StripeError(Exception):
    """An answer with a status other than 200; `as_json` is its body."""

    def __init__(self, status: int, type_: str, message: str, **members: Any) -> None:
        """Refuse a request the way Stripe does.

        Args:
            status: HTTP status.
            type_: Member `type`: invalid_request_error, card_error, idempotency_error, api_error.
            message: What a person reads.
            members: `code`, `param`, `decline_code`, `charge`, `payment_intent` and the like; None is left out.
        """
        super().__init__(message)
        self.status = status
        self.type = type_
        self.members = {"message": message} | {name: value for name, value in members.items() if value is not None}

    def as_json(self, request_log_url: str) -> dict[str, Any]:
        """The body of the answer."""
        return {"error": self.members | {"type": self.type, "request_log_url": request_log_url}}


def invalid(message: str, *, param: str | None = None, code: str | None = None, status: int = 400) -> StripeError:
    """An `invalid_request_error`."""
    return StripeError(status, "invalid_request_error", message, param=param, code=code)


def missing(noun: str, id_: str, *, param: str = "id") -> StripeError:
    """The answer for an id that does not exist: 404 for an id in the URL, 400 for one among the parameters."""
    status = 404 if param == "id" else 400
    return invalid(f"No such {noun}: '{id_}'", param=param, code="resource_missing", status=status)


def required(param: str) -> StripeError:
    """The answer when a required parameter is absent."""
    return invalid(f"Missing required param: {param}.", param=param, code="parameter_missing")


def declined(code: str, decline_code: str | None, message: str, **members: Any) -> StripeError:
    """A `card_error` (402)."""
    return StripeError(402, "card_error", message, code=code, decline_code=decline_code, **members)
