"""A worker process of the analytics service that notes what it asks the lake, by its key: `… counting_worker PORT`.

It is the service as it is; only the method through which every computation goes writes a line before it does its work.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import uvicorn
from joserfc.jwk import KeySet, RSAKey

from operational_api.analytics.app import create_app
from operational_api.analytics.lake import Bound, Lake
from operational_api.analytics.query import Query
from operational_api.analytics.settings import AnalyticsSettings


def main() -> None:
    """Serve until told to stop."""
    asked, compute = Path(os.environ["PLYO_TEST_ASKED"]), Lake._rows

    def noted(lake: Lake, cursor: Any, query: Query, bound: Bound, limit: int) -> pa.Table:
        with asked.open("a") as lines:
            lines.write(json.dumps(bound.key) + "\n")
        return compute(lake, cursor, query, bound, limit)

    Lake._rows = noted  # type: ignore[method-assign, assignment]
    asked.touch()
    keys = KeySet([RSAKey.import_key(json.loads(os.environ["PLYO_TEST_KEY"]))])
    app = create_app(AnalyticsSettings(), keys=lambda _refresh: keys)
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
