"""A worker process of the analytics service that notes which marts it asks the lake: `… counting_worker PORT`.

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
from operational_api.analytics.lake import Lake
from operational_api.analytics.query import Query
from operational_api.analytics.settings import AnalyticsSettings


def main() -> None:
    """Serve until told to stop."""
    asked, compute = Path(os.environ["PLYO_TEST_ASKED"]), Lake._rows

    def noted(lake: Lake, cursor: Any, query: Query, *rest: Any) -> pa.Table:
        with asked.open("a") as lines:
            lines.writelines(f"asked {name.partition('.')[2]}\n" for name in query.relations)
        return compute(lake, cursor, query, *rest)

    Lake._rows = noted  # type: ignore[method-assign]
    asked.touch()
    keys = KeySet([RSAKey.import_key(json.loads(os.environ["PLYO_TEST_KEY"]))])
    app = create_app(AnalyticsSettings(), keys=lambda _refresh: keys)
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
