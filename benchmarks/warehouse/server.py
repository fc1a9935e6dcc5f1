"""The analytics service as it is deployed, but for its key: `python -m benchmarks.warehouse.server PORT`."""

import json
import os
import sys
from pathlib import Path

import uvicorn
from joserfc.jwk import KeySet

from contracts import telemetry
from operational_api.analytics.app import create_app
from operational_api.analytics.settings import AnalyticsSettings


def main() -> None:
    """Serve until told to stop."""
    telemetry.configure("analytics")
    keys = KeySet.import_key_set(json.loads(Path(os.environ["PLYO_BENCHMARK_KEYS"]).read_text()))
    app = create_app(AnalyticsSettings(), keys=lambda _refresh: keys)
    uvicorn.run(
        app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", access_log=False, timeout_keep_alive=75
    )


if __name__ == "__main__":
    main()
