"""Addresses that people type lead to the internet or nowhere, however they are written and whatever a name answers."""

import socket
import ssl
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import httpx
import pytest

from operational_api.core.egress import NoSuchHost, NotOutside, PinnedTransport, networks_of, resolve

PUBLIC, PRIVATE = "93.184.216.34", "10.0.0.7"
LOOPBACK = networks_of("127.0.0.0/8")


def answers(*addresses: str) -> list[Any]:
    """As the resolver has it."""
    return [
        (socket.AF_INET6 if ":" in one else socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, 443))
        for one in addresses
    ]  # fmt: skip


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[list[Any]]]:
    """What each name answers, time after time, the last for ever; any other name is the machine's to know."""
    told: dict[str, list[list[Any]]] = {}
    real = socket.getaddrinfo

    def look_up(host: Any, *rest: Any, **given: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if name not in told:
            return real(host, *rest, **given)
        left = told[name]
        return left.pop(0) if len(left) > 1 else left[0]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return told


class TestResolve:
    @pytest.mark.asvs("1.3.6")
    @pytest.mark.parametrize(
        "host",
        [
            "127.0.0.1", "2130706433", "0x7f000001", "0x7f.0.0.1", "0177.0.0.1", "017700000001", "127.1", "127.0.1",
            "0.0.0.0", "0", "169.254.169.254", "2852039166", "0xa9fea9fe", "10.0.0.1", "167772161",  # noqa: S104
            "012.0.0.1", "172.16.0.1", "192.168.1.1", "0300.0250.1.1", "100.64.0.1", "198.18.0.1", "192.0.0.8",
            "192.0.2.1", "192.0.0.9", "224.0.0.1", "240.0.0.1", "255.255.255.255",
        ],
    )  # fmt: skip
    def test_a_number_is_judged_by_where_it_leads_not_by_how_it_is_written(self, host: str) -> None:
        with pytest.raises(NotOutside):
            resolve(f"https://{host}/")

    @pytest.mark.parametrize(
        "host",
        [
            "::1", "::", "::ffff:127.0.0.1", "::ffff:7f00:1", "::ffff:169.254.169.254", "::127.0.0.1", "fe80::1",
            "fe80::1%25lo", "fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1", "2002:7f00:1::", "2002:a9fe:a9fe::1",
            "64:ff9b::7f00:1", "64:ff9b::169.254.169.254", "64:ff9b:1::1", "2001:db8::1", "2001::1", "100::1",
        ],
    )  # fmt: skip
    def test_nor_does_ipv6_hide_anything(self, host: str, names: dict[str, list[list[Any]]]) -> None:
        names[host] = [answers(host.replace("%25", "%"))]  # also where this machine speaks no IPv6
        with pytest.raises(NotOutside):
            resolve(f"https://[{host}]/")

    @pytest.mark.parametrize(
        "found", [[PRIVATE], [PUBLIC, PRIVATE], [PRIVATE, PUBLIC], [PUBLIC, "::1"], ["::ffff:10.0.0.7"], []]
    )
    def test_one_inner_address_of_a_name_is_one_too_many(
        self, names: dict[str, list[list[Any]]], found: list[str]
    ) -> None:
        names["books.example"] = [answers(*found)]
        with pytest.raises(NotOutside):
            resolve("https://books.example/")

    @pytest.mark.parametrize("found", [PUBLIC, "2606:2800:220:1::1", "64:ff9b::5db8:d822"])
    def test_a_name_on_the_internet_is_the_address_that_was_judged(
        self, names: dict[str, list[list[Any]]], found: str
    ) -> None:
        names["books.example"] = [answers(found)]
        assert resolve("https://books.example/hook") == found

    @pytest.mark.parametrize(
        "url",
        [
            "http://books.example/", "ftp://books.example/", "file:///etc/passwd", "https:///x", "//books.example/",
            "https://me@books.example/", "https://me:word@books.example/", "https://@books.example/",
            "https://books.example:99999/", "https://[::1/", "gopher://books.example/",
        ],
    )  # fmt: skip
    def test_nothing_but_https_without_a_name_of_a_user(self, names: dict[str, list[list[Any]]], url: str) -> None:
        names["books.example"] = [answers(PUBLIC)]
        with pytest.raises(NotOutside):
            resolve(url)

    @pytest.mark.parametrize("host", ["nobody.invalid", "a" * 64 + ".example", "a..example"])
    def test_a_name_that_nobody_has_is_told_apart(self, host: str) -> None:
        with pytest.raises(NoSuchHost):
            resolve(f"https://{host}/")

    def test_what_is_allowed_is_allowed_whole_or_not_at_all(self, names: dict[str, list[list[Any]]]) -> None:
        assert resolve("http://127.0.0.1:8080/", LOOPBACK) == "127.0.0.1"
        names["books.example"] = [answers("127.0.0.1", PRIVATE)]
        with pytest.raises(NotOutside):
            resolve("https://books.example/", LOOPBACK)


class _Echo(BaseHTTPRequestHandler):
    """Says by which name it was asked; `/away` leads to a cloud's own address."""

    def do_GET(self) -> None:
        self.send_response(302 if self.path == "/away" else 200)
        if self.path == "/away":
            self.send_header("Location", "https://169.254.169.254/latest/meta-data/")
        body = self.headers["Host"].encode()
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Echo)
    Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    """Loopback is its internet."""
    transport = PinnedTransport(lambda url: resolve(url, LOOPBACK))
    with httpx.Client(transport=transport, timeout=5, trust_env=False, follow_redirects=True) as one:
        yield one


class TestPinnedTransport:
    def test_connects_to_what_was_judged_though_the_name_answers_otherwise_by_then(
        self, names: dict[str, list[list[Any]]], client: httpx.Client, port: int
    ) -> None:
        names["books.example"] = [answers("127.0.0.1"), answers(PRIVATE)]
        answer = client.get(f"http://books.example:{port}/")
        assert answer.text == f"books.example:{port}", "by its name, at the address of the first answer"
        assert len(names["books.example"]) == 1, "asked once"
        with pytest.raises(NotOutside):  # the next request is judged anew
            client.get(f"http://books.example:{port}/")

    def test_a_redirect_is_judged_as_what_it_is(self, client: httpx.Client, port: int) -> None:
        with pytest.raises(NotOutside):
            client.get(f"http://127.0.0.1:{port}/away")

    def test_a_certificate_is_asked_for_by_name_and_not_by_number(
        self, names: dict[str, list[list[Any]]], client: httpx.Client
    ) -> None:
        asked: list[str | None] = []
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.sni_callback = lambda _socket, name, _context: asked.append(name)
        listener = socket.create_server(("127.0.0.1", 0))

        def answer() -> None:
            came, _ = listener.accept()
            came.settimeout(5)
            with came, suppress(ssl.SSLError):  # it has no certificate to show
                context.wrap_socket(came, server_side=True)

        waiting = Thread(target=answer, daemon=True)
        waiting.start()
        names["books.example"] = [answers("127.0.0.1"), answers(PRIVATE)]
        with listener, pytest.raises(httpx.ConnectError):
            client.get(f"https://books.example:{listener.getsockname()[1]}/")
        waiting.join(5)
        assert asked == ["books.example"]
