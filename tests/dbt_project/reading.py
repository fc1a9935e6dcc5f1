"""The project as dbt reads it, in the process that the others are forked from (`forked.py`): importing this reads it.

Of what is read nothing is of `now`, which is asked for when SQL is made, or of an environment. A project whose files
are other ones, or one for another target, is not what was read here.
"""

import gc
from tempfile import TemporaryDirectory

gc.disable()

from dbt.cli.main import dbtRunner  # noqa: E402
from dbt.contracts.graph.manifest import Manifest  # noqa: E402
from dbt_common.clients.jinja import template_cache  # noqa: E402

from tests.dbt_project.lake import PROJECT  # noqa: E402

with TemporaryDirectory() as _scratch:
    _told = ["--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT), "--target-path", _scratch]
    # Its parser in Rust starts threads, for which a fork would wait forever: it has the lock and not the threads.
    _quietly = ["--quiet", "--log-level-file", "none", "--no-static-parser"]
    _done = dbtRunner().invoke([*_quietly, "parse", "--no-write-json", *_told])
if not isinstance(_done.result, Manifest):
    raise _done.exception or AssertionError("dbt has read nothing")

MANIFEST = _done.result
for _macro in MANIFEST.macros.values():
    template_cache.get_node_template(_macro)
gc.freeze()
