"""Each provider's local server, and a desk at each."""

from collections.abc import Iterator

import pytest
from sqlalchemy.orm import Session

from tests.fakes.momo.testing import LocalMomo, local_momo
from tests.fakes.stripe.testing import LocalStripe
from tests.fakes.wire import wire_to
from tests.operational_api.commerce.port.tills import Desk, MomoTill, StripeTill, Till


@pytest.fixture(scope="session")
def momo_server() -> Iterator[LocalMomo]:
    with local_momo() as running:
        yield running


@pytest.fixture(scope="session")
def tills(stripe_server: LocalStripe, momo_server: LocalMomo) -> Iterator[dict[str, Till]]:
    with wire_to(stripe_server.url) as to_stripe, wire_to(momo_server.url) as to_momo:
        yield {"stripe": StripeTill(stripe_server, to_stripe), "momo": MomoTill(momo_server, to_momo)}


@pytest.fixture(params=["stripe", "momo"])
def till(request: pytest.FixtureRequest, tills: dict[str, Till]) -> Till:
    found = tills[request.param]
    found.wire.cuts.clear()
    return found


@pytest.fixture
def desk(session: Session, till: Till) -> Desk:
    return Desk(session, till)
