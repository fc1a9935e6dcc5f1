"""The real Traefik, with the files that the stack gives it, in front of services that say what reached them."""

import gzip
import json
import socket
import ssl
import subprocess
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from plyo import certificate, gateway
from plyo.home import read_json, write_json
from plyo.postgres import free_port

PORTS = ("gateway", "gateway_tls", "api", "api-canary", "analytics", "coach", "admin", "dagster", "mailbox")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "_Server"

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        path = self.path.partition("?")[0]
        self.server.is_free.wait()
        if path in gateway.HEALTH.values():
            self._answer(200, b"up")
        elif path == "/gateway/authorize":
            is_admin = self.headers.get("cookie") == "person=admin"
            token = {"Authorization": "Bearer from-the-api"} if is_admin else {}
            self._answer(204 if is_admin else 403, b"", **token)
        else:
            self.server.seen.append(self.command)
            told = {"by": self.server.name, "path": self.path, "headers": dict(self.headers)}
            body, named = json.dumps(told | {"padding": "x" * 2000}).encode(), {"Server": "secret/1.0"}
            if path.endswith("/packed"):
                body, named = zlib.compress(body), named | {"Content-Encoding": "deflate"}
            self._answer(200, body, **named)

    do_POST = do_GET

    def _answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response_only(status)
        for name, value in ({"Content-Type": "application/json"} | headers).items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        with suppress(BrokenPipeError):  # a check that has been given up
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(self, name: str, port: int) -> None:
        self.name, self.seen = name, list[str]()
        self.is_free = threading.Event()
        self.is_free.set()
        super().__init__(("127.0.0.1", port), _Handler)
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()


@dataclass
class Front:
    """A running gateway and what is behind it."""

    folder: Path
    ports: dict[str, int]
    servers: dict[str, _Server] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.ports['gateway']}"

    def start(self, name: str) -> None:
        self.servers[name] = _Server(name, self.ports[name])

    def stop(self, name: str) -> None:
        server = self.servers.pop(name)
        server.is_free.set()
        server.shutdown()
        server.server_close()

    @contextmanager
    def running(self) -> Iterator[None]:
        """A gateway before what was started; all of it stops at the end."""
        command = gateway.configure(
            self.folder, self.ports, certificate=certificate.ensure(self.folder), requests_per_second=1_000_000
        )
        with (self.folder / "log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            eventually(lambda: self.status("/x") == 200)
            yield
        finally:
            process.terminate()
            process.wait(10)
            for name in list(self.servers):
                self.stop(name)

    def status(self, path: str) -> int | None:
        """Of the answer; None where there is none within a second."""
        try:
            return httpx.get(f"{self.url}{path}", timeout=1).status_code
        except httpx.TransportError:
            return None


def eventually(look: Callable[[], bool], *, within_seconds: float = 20) -> None:
    deadline = time.monotonic() + within_seconds
    while not look():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    folder = tmp_path_factory.mktemp("gateway")
    front = Front(folder, {name: free_port() for name in PORTS})
    for name in PORTS[2:]:
        front.start(name)
    with front.running():
        yield front


@pytest.fixture
def browser(front: Front) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=front.url, timeout=10) as client:
        yield client


class TestRoutes:
    @pytest.mark.parametrize(
        ("path", "by"),
        [
            ("/", "api"), ("/api/training/clients", "api"), ("/analytics", "api"), ("/coachless", "api"),
            ("/api/analytics/metrics", "analytics"), ("/coach/", "coach"), ("/admin/x", "admin"),
            ("/mailbox/", "mailbox"),
        ],
    )  # fmt: skip
    def test_each_surface_has_its_paths(self, browser: httpx.Client, path: str, by: str) -> None:
        answer = browser.get(path)
        assert answer.status_code == 200
        if path != "/mailbox/":  # its health path, answered without a name
            assert answer.json()["by"] == by

    def test_a_missing_slash_is_added(self, browser: httpx.Client) -> None:
        assert browser.get("/coach?x=1").headers["location"].endswith("/coach/?x=1")


class TestTls:
    @pytest.mark.asvs("12.2.1")
    def test_answers_by_a_certificate_of_this_machine(self, front: Front) -> None:
        context = ssl.create_default_context(cafile=str(front.folder / "localhost.crt"))
        with httpx.Client(verify=context) as client:
            for host in ("127.0.0.1", "localhost"):
                answer = client.get(f"https://{host}:{front.ports['gateway_tls']}/plans")
                assert answer.status_code == 200
                assert answer.json()["headers"]["X-Forwarded-Proto"] == "https"

    @pytest.mark.asvs("12.1.1")
    @pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
    def test_speaks_no_version_that_is_broken(self, front: Front) -> None:
        for version in (ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_2):
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            context.set_ciphers("DEFAULT@SECLEVEL=0")
            context.minimum_version = ssl.TLSVersion.TLSv1
            context.maximum_version = version
            with socket.create_connection(("127.0.0.1", front.ports["gateway_tls"])) as raw:
                if version is ssl.TLSVersion.TLSv1_2:
                    with context.wrap_socket(raw) as spoken:
                        assert spoken.version() == "TLSv1.2"
                else:
                    with pytest.raises((ssl.SSLError, ConnectionError)):
                        context.wrap_socket(raw)

    def test_the_certificate_is_kept_and_renewed_in_time(self, tmp_path: Path) -> None:
        chain, key = certificate.ensure(tmp_path)
        first = chain.read_bytes()
        assert key.stat().st_mode & 0o777 == 0o600
        certificate.ensure(tmp_path)
        assert chain.read_bytes() == first
        certificate.ensure(tmp_path, now=datetime.now(UTC) + certificate.LIFETIME - timedelta(days=10))
        assert chain.read_bytes() != first


class TestHeaders:
    @pytest.mark.asvs("3.4.4")
    @pytest.mark.parametrize("path", ["/", "/api/analytics/x", "/coach/x", "/admin/x"])
    def test_every_answer_forbids_sniffing_and_hides_its_server(self, browser: httpx.Client, path: str) -> None:
        answer = browser.get(path)
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "server" not in answer.headers

    @pytest.mark.asvs("3.4.6")
    def test_no_other_site_may_frame_a_console(self, browser: httpx.Client) -> None:
        for path in ("/coach/x", "/admin/x"):
            assert "frame-ancestors 'self'" in browser.get(path).headers["content-security-policy"]

    @pytest.mark.asvs("4.1.3")
    def test_nobody_outside_says_who_they_are(self, browser: httpx.Client) -> None:
        forged = dict.fromkeys(gateway.FORGEABLE, "admin") | {"X-Forwarded-For": "10.1.1.1", "X-Plyo-Other": "1"}
        reached = browser.get("/x", headers=forged).json()["headers"]
        assert not reached.keys() & gateway.FORGEABLE.keys()
        assert reached["X-Forwarded-For"] == "127.0.0.1"
        assert reached["X-Plyo-Other"] == "1"

    def test_text_is_compressed_for_who_reads_that(self, browser: httpx.Client) -> None:
        with browser.stream("GET", "/x", headers={"Accept-Encoding": "gzip"}) as answer:
            assert answer.headers["content-encoding"] == "gzip"
            assert json.loads(gzip.decompress(b"".join(answer.iter_raw())))["by"] == "api"
        assert "content-encoding" not in browser.get("/x", headers={"Accept-Encoding": "identity"}).headers

    def test_what_is_packed_already_is_not_packed_again(self, browser: httpx.Client) -> None:
        asked = {"Accept-Encoding": "gzip, deflate, br, zstd"}
        with browser.stream("GET", "/api/analytics/packed", headers=asked) as answer:
            assert answer.headers["content-encoding"] == "deflate"
            told = json.loads(zlib.decompress(b"".join(answer.iter_raw())))
        assert (told["by"], told["headers"]["Accept-Encoding"]) == ("analytics", asked["Accept-Encoding"])

    def test_strict_transport_is_said_where_it_is_asked_for(self, front: Front, tmp_path: Path) -> None:
        gateway.configure(tmp_path, front.ports, hsts_seconds=31536000)
        headers = read_json(tmp_path / "dynamic.yaml")["http"]["middlewares"]["headers"]["headers"]
        assert headers["stsSeconds"] == 31536000
        assert "gateway_tls" not in (tmp_path / "static.yaml").read_text()


class TestForwardAuthentication:
    def test_an_admin_reaches_dagster_with_the_apis_token(self, browser: httpx.Client) -> None:
        answer = browser.get("/dagster/runs", headers={"Cookie": "person=admin", "Authorization": "Bearer mine"})
        assert answer.json()["by"] == "dagster"
        assert answer.json()["headers"]["Authorization"] == "Bearer from-the-api"

    @pytest.mark.asvs("8.3.1")
    def test_others_do_not(self, browser: httpx.Client) -> None:
        assert browser.get("/dagster/runs", headers={"Authorization": "Bearer from-the-api"}).status_code == 403


@pytest.fixture
def shared(front: Front) -> Iterator[None]:
    gateway.shift(front.folder, "api", {"api": 50, "api-canary": 50})
    eventually(lambda: {httpx.get(f"{front.url}/x").json()["by"] for _ in range(4)} == {"api", "api-canary"})
    yield
    gateway.shift(front.folder, "api", {})


class TestWeights:
    def test_a_change_moves_the_traffic_and_loses_no_request(self, front: Front) -> None:
        answered: list[tuple[int, str]] = []
        is_over = threading.Event()

        def ask() -> None:
            with httpx.Client(base_url=front.url, timeout=10) as client:
                while not is_over.is_set():
                    answer = client.post("/x") if len(answered) % 2 else client.get("/x")
                    answered.append((answer.status_code, answer.json().get("by", "")))

        askers = [threading.Thread(target=ask) for _ in range(4)]
        for asker in askers:
            asker.start()
        try:
            for weights in ({"api": 90, "api-canary": 10}, {"api": 0, "api-canary": 1}, {"api": 1, "api-canary": 0}):
                gateway.shift(front.folder, "api", weights)
                wanted = {version for version, weight in weights.items() if weight}
                eventually(lambda wanted=wanted: {by for _, by in answered[-40:]} == wanted)  # type: ignore[misc]
        finally:
            is_over.set()
            for asker in askers:
                asker.join()
            gateway.shift(front.folder, "api", {})
        assert Counter(status for status, _ in answered) == {200: len(answered)}
        assert len(answered) > 100

    def test_are_kept_over_a_restart(self, front: Front, tmp_path: Path) -> None:
        write_json(tmp_path / "weights.json", {"api": {"api": 9, "api-canary": 1, "gone": 5}})
        gateway.configure(tmp_path, front.ports)
        services = read_json(tmp_path / "dynamic.yaml")["http"]["services"]
        assert services["api"]["weighted"]["services"] == [
            {"name": "api-version", "weight": 9}, {"name": "api-canary-version", "weight": 1},
        ]  # fmt: skip


class TestFailures:
    def test_reads_are_asked_again_and_the_ill_one_is_left_out(self, front: Front, shared: None) -> None:
        front.stop("api-canary")
        try:
            with httpx.Client(base_url=front.url, timeout=10) as client:
                assert {client.get("/x").status_code for _ in range(40)} == {200}
                # Nothing that changes something is sent twice: it fails until the ill one is known, and then no more.
                eventually(lambda: {client.post("/x").status_code for _ in range(10)} == {200})
                assert front.servers["api"].seen
        finally:
            front.start("api-canary")

    def test_who_is_alone_and_busy_is_waited_for(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for surface in ("coach", "admin"):
            monkeypatch.setitem(gateway.PATIENCE_SECONDS, surface, 1)
        front = Front(tmp_path, {name: free_port() for name in (*PORTS, "coach-next")})
        for name in ("api", "coach", "coach-next", "admin"):
            front.start(name)
        with front.running(), ThreadPoolExecutor() as people:
            for name in ("coach", "coach-next", "admin"):
                front.servers[name].is_free.clear()
            asked = people.submit(httpx.get, f"{front.url}/admin/first.js", timeout=60)
            # Both versions of the coach's are as busy, and checks have given them up; who is alone is not checked.
            eventually(lambda: front.status("/coach/x") == 503)
            assert {front.status("/admin/x") for _ in range(3)} == {None}
            front.servers["admin"].is_free.set()
            assert asked.result().status_code == 200

    def test_one_address_cannot_take_all_of_it(self, front: Front) -> None:
        gateway.configure(front.folder, front.ports, certificate=certificate.ensure(front.folder),
                          requests_per_second=5)  # fmt: skip
        try:
            with httpx.Client(base_url=front.url) as client:
                answers: list[httpx.Response] = []

                def is_refused() -> bool:
                    answers[:] = [one for one in (client.get("/x") for _ in range(30)) if one.status_code == 429]
                    return bool(answers)

                eventually(is_refused)
            assert "retry-after" in answers[0].headers
        finally:
            gateway.configure(front.folder, front.ports, certificate=certificate.ensure(front.folder),
                              requests_per_second=1_000_000)  # fmt: skip
