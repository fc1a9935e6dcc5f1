"""Where files are kept and what looks through them: an S3 server out of its wheel, clamd where it is installed.

One of each for all tests of a worker, whichever folder they are in; each test keeps to keys of its own.
"""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from functools import partial

import pytest
from pydantic import SecretStr

from operational_api.core.objects import ObjectSettings, ObjectStore, StoreUnavailable
from plyo import objects
from plyo.postgres import end_with_parent, free_port

EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
CLAMD = shutil.which("clamd", path=os.environ.get("PATH", "") + ":/usr/sbin")


@pytest.fixture(scope="session")
def object_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectSettings]:
    """An S3 server of this run's own."""
    folder, ports = tmp_path_factory.mktemp("s3"), {name: free_port() for name in objects.PORT_NAMES}
    command = objects.configure(folder, ports, "a-secret-of-this-run")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command,
            env=os.environ | objects.environment(),
            stdout=log,
            stderr=log,
            preexec_fn=partial(end_with_parent, signal.SIGTERM),
        )
    settings = ObjectSettings(
        s3_endpoint=f"http://127.0.0.1:{ports['s3']}", s3_access_key=SecretStr(objects.ACCESS_KEY),
        s3_secret_key=SecretStr("a-secret-of-this-run"),
    )  # fmt: skip
    store, deadline = ObjectStore(settings), time.monotonic() + 120
    while True:
        try:
            store.prepare()
            break
        except StoreUnavailable:
            if process.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.2)
    yield settings
    process.terminate()
    process.wait()


@pytest.fixture(scope="session")
def store(object_settings: ObjectSettings) -> ObjectStore:
    return ObjectStore(object_settings)


@pytest.fixture(scope="session")
def clamd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A scanner that knows the test file of all scanners and nothing else; its address."""
    if CLAMD is None:
        pytest.skip("no clamd on this machine: install Debian's package clamav-daemon to run it")
    folder = tmp_path_factory.mktemp("clamd")
    (folder / "db").mkdir()
    (folder / "db" / "plyo.ndb").write_text(f"Plyo.Test:0:*:{EICAR.hex()}\n")
    socket = folder / "socket"
    (folder / "conf").write_text(
        f"LocalSocket {socket}\nDatabaseDirectory {folder}/db\nForeground yes\nStreamMaxLength 50M\n"
    )
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([CLAMD, "-c", str(folder / "conf")], stdout=log, stderr=log)
    deadline = time.monotonic() + 60
    while not socket.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    assert socket.exists(), (folder / "log").read_text()
    yield f"unix:{socket}"
    process.kill()
    process.wait()
