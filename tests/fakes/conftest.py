"""Fixtures of the tests of our fakes: a local Stripe each, and Stripe's own SDK on it."""

from collections.abc import Iterator

import pytest
import stripe

from tests.fakes.stripe.testing import LocalStripe, local_stripe


@pytest.fixture(scope="session")
def shared_stripe() -> Iterator[LocalStripe]:
    """One local Stripe for all tests that only make objects of their own."""
    with local_stripe() as running:
        yield running


@pytest.fixture
def client(shared_stripe: LocalStripe) -> stripe.StripeClient:
    """The SDK on the shared local Stripe."""
    return shared_stripe.client()
