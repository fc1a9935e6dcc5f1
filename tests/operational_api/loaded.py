"""What the product's processes load: importing this loads it, for a server they are forked from (`tests.forks`)."""

import gc
from importlib import import_module
from importlib.util import find_spec

from sqlalchemy.orm import configure_mappers

from operational_api import app, worker

gc.disable()
worker.contributions()
for _context in app.CONTEXTS:
    for _part in ("router", "pages"):
        if find_spec(_name := f"operational_api.{_context}.{_part}"):
            import_module(_name)
import_module("operational_api.serving")
import_module("operational_api.web.shell")
configure_mappers()
gc.freeze()
gc.enable()
