"""Run the local Terra as a process of its own: `python -m tests.fakes.terra`; settings come from TERRA_FAKE_*."""

import uvicorn

from tests.fakes.terra.app import create_app
from tests.fakes.terra.settings import TerraFakeSettings

if __name__ == "__main__":
    settings = TerraFakeSettings()
    uvicorn.run(create_app(settings), host=settings.host, port=settings.port, log_level="warning")
