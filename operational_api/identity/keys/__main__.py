"""`python -m operational_api.identity.keys`: show, rotate and withdraw signing keys on the database of the API's
settings. For who has a shell and nobody to sign in; what is done is in the audit log all the same."""

import argparse
import sys
from datetime import UTC, datetime

from operational_api.core.database import make_engine, session_factory
from operational_api.core.errors import DomainError
from operational_api.core.viewer import SYSTEM
from operational_api.identity.keys import ring, service
from operational_api.settings import ApiSettings


def main() -> None:
    """Do what the command line says, then show the keys."""
    parser = argparse.ArgumentParser(prog="python -m operational_api.identity.keys", description=__doc__)
    parser.add_argument("do", choices=("show", "rotate", "withdraw"), nargs="?", default="show")
    parser.add_argument("--kid", help="the key to withdraw")
    parser.add_argument("--at-once", action="store_true", help="rotate now: the key may be in somebody's hands")
    parser.add_argument("--reason", default="by hand", help="for the audit log")
    told = parser.parse_args()
    settings, now = ApiSettings(), datetime.now(UTC)
    seed, sealer = ring.seed_of(settings), ring.sealer_of(settings)
    engine = make_engine(settings.database_url.get_secret_value(), application_name="plyo-keys", pool_size=1)
    try:
        with session_factory(engine, viewer=lambda: SYSTEM).begin() as session:
            if told.do == "rotate":
                service.rotate(session, seed=seed, sealer=sealer, now=now, at_once=told.at_once, reason=told.reason)
            elif told.do == "withdraw":
                service.withdraw(session, kid=told.kid or "", seed=seed, now=now, reason=told.reason)
            for one, state in ring.read(session, seed=seed, sealer=sealer).states(now):
                sys.stdout.write(f"{one.kid}  {state:8} from {one.active_from:%Y-%m-%d %H:%M} UTC\n")
    except DomainError as error:
        parser.error(error.detail)
    finally:
        engine.dispose()


if __name__ == "__main__":
    main()
