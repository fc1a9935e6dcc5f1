"""Asking servers at addresses that people type: one on the internet, never one of ours behind the gateway.

Each connection goes to an address that was looked up once, judged, and is the one connected to: a name that answers
differently the second time leads nowhere. What a refusal is called to people is the caller's.
"""

import ipaddress
import socket
import ssl
from collections.abc import Callable, Sequence
from functools import cache
from urllib.parse import urlsplit

import httpx

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_UNICAST = ipaddress.ip_network("2000::/3")
"""All of IPv6 that is given out for the internet; site-local and local NAT64 addresses are "global" to the library."""
_PROTOCOLS = ipaddress.ip_network("192.0.0.0/24")


class NotOutside(Exception):
    """Another scheme than https, or a host that is, or is among others, not on the internet."""


class NoSuchHost(Exception):
    """There is no server of that name."""


def networks_of(setting: str) -> list[Network]:
    """From a setting: networks, comma separated."""
    return [ipaddress.ip_network(one.strip()) for one in setting.split(",") if one.strip()]


def resolve(url: str, allowed: Sequence[Network] = ()) -> str:
    """The one IP address to connect to for a URL.

    Args:
        allowed: Networks that may be reached although they are not on the internet; http is allowed there.

    Raises:
        NotOutside, NoSuchHost.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError as error:
        raise NotOutside from error
    if parts.scheme not in ("https", "http") or not host or parts.username is not None:
        raise NotOutside
    try:
        known = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise NoSuchHost from error
    found = [ipaddress.ip_address(str(one[4][0]).partition("%")[0]) for one in known]
    inside = [one for one in found if any(one in network for network in allowed)]
    if inside and len(inside) == len(found):
        return str(found[0])
    if not found or parts.scheme != "https" or not all(map(is_public, found)):
        raise NotOutside
    return str(found[0])


def is_public(address: Address) -> bool:
    """Whether an address is on the internet, also where an IPv6 address hides an IPv4 one."""
    if isinstance(address, ipaddress.IPv6Address):
        hidden = address.ipv4_mapped or address.sixtofour
        if address in _NAT64:
            hidden = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if hidden is not None:
            return is_public(hidden)
        if address not in _UNICAST:
            return False
    return address.is_global and not address.is_multicast and address not in _PROTOCOLS


@cache
def _trust() -> ssl.SSLContext:
    """Whom we believe by https. Reading them takes longer than most requests."""
    return httpx.create_ssl_context(trust_env=False)


class PinnedTransport(httpx.BaseTransport):
    """httpx's transport, connecting to the judged address and still speaking to the host by name.

    Args:
        judge: The address to connect to for a URL; raises where there must be no connection.
    """

    def __init__(self, judge: Callable[[str], str]) -> None:
        self._judge, self._inner = judge, httpx.HTTPTransport(verify=_trust())

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """One request."""
        host = request.url.host
        address = self._judge(str(request.url))
        request.url = request.url.copy_with(host=address)
        request.extensions = dict(request.extensions) | {"sni_hostname": host}
        return self._inner.handle_request(request)

    def close(self) -> None:
        """Let the connections go."""
        self._inner.close()
