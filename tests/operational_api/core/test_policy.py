"""Who may do what to which object."""

import pytest

from contracts.ids import new_id
from operational_api.core.errors import NotFound
from operational_api.core.policy import Resource, is_allowed, require
from operational_api.core.principal import Principal

CUSTOMER, COACH = new_id(), new_id()


def resource(kind: str | None = None) -> Resource:
    return Resource("Booking", new_id(), customer_id=CUSTOMER, coach_id=COACH, kind=kind)


class TestIsAllowed:
    @pytest.mark.parametrize(
        ("role", "account_id", "kind", "expected"),
        [
            ("customer", CUSTOMER, None, True),
            ("customer", CUSTOMER, "health", True),
            ("customer", CUSTOMER, "business", False),
            ("customer", COACH, None, False),
            ("coach", COACH, None, True),
            ("coach", COACH, "health", True),
            ("coach", CUSTOMER, None, False),
            ("admin", new_id(), None, True),
            ("admin", new_id(), "business", True),
            ("admin", new_id(), "health", False),
            ("service", None, None, False),
        ],
    )
    def test_follows_the_policies(self, role: str, account_id, kind: str | None, expected: bool) -> None:  # type: ignore[no-untyped-def]
        principal = Principal(role=role, client_id="tests", account_id=account_id)
        assert is_allowed(principal, "scheduling.cancel_booking", resource(kind)) is expected

    def test_an_object_about_nobody_is_for_admins(self) -> None:
        nobody = Resource("Plan", "x")
        assert not is_allowed(Principal("customer", "tests", CUSTOMER), "commerce.change_plan", nobody)
        assert is_allowed(Principal("admin", "tests", new_id()), "commerce.change_plan", nobody)


class TestRequire:
    def test_answers_like_a_missing_object(self) -> None:
        class BookingNotFound(NotFound):
            """No such booking."""

        with pytest.raises(BookingNotFound):
            require(Principal("customer", "tests", COACH), "x.y", resource(), missing=BookingNotFound)
