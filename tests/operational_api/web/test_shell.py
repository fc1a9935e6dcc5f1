"""What every page has, whichever context it belongs to: headers, CSRF, menu by role, refusals that say what to do."""

import re
from collections.abc import Callable
from uuid import UUID

import pytest
from fastapi import APIRouter, FastAPI, Form, Request, Response
from sqlalchemy.orm import Session

from contracts.ids import new_id
from operational_api.core.errors import DomainError
from operational_api.core.principal import CurrentPrincipal, Principal
from operational_api.web import shell
from operational_api.web.navigation import NavItem
from operational_api.web.rendering import redirect, render, safe_return_path, time_zone
from tests.browser import Browser


class FullyBooked(DomainError):
    """That class is full."""


def unread(session: Session, account_id: UUID) -> int:
    return 3


router = APIRouter()


@router.get("/things")
def things(request: Request) -> Response:
    return render(request, "web/offline.html", is_offline_ready=True)


@router.post("/things")
def change(request: Request, what: str = Form()) -> Response:
    if what == "full":
        raise FullyBooked
    return redirect(request, "/things", flash=f"Done: {what}")


@router.get("/private")
def private(request: Request, principal: CurrentPrincipal) -> Response:
    return render(request, "web/offline.html", is_offline_ready=True)


@pytest.fixture
def app(serve_app: Callable[[str], FastAPI], fresh_database: Callable[[], str]) -> FastAPI:
    app = serve_app(fresh_database())
    app.include_router(router)
    app.state.nav = [
        NavItem("Things", "/things", "training.train", for_guests=True, order=1, icon="star"),
        NavItem("Talk", "/private", "training.train", order=2, icon="message", badge=unread),
        NavItem("Clients", "/clients", "gateway.open_coach_console"),
    ]
    return app


def sign_in(app: FastAPI, role: str = "customer") -> Principal:
    found = Principal(role=role, client_id="plyo-app", account_id=new_id(), display_name="Mia Santos")
    app.state.authenticators.append(lambda request: found)
    return found


class TestHeaders:
    @pytest.mark.asvs("3.4.3", "3.4.4", "3.4.6", "14.3.2")
    @pytest.mark.parametrize("path", ["/things", "/offline", "/design", "/api/docs", "/no-such-page"])
    def test_every_page_has_a_policy_without_unsafe_inline(self, app: FastAPI, path: str) -> None:
        answer = Browser(app).get(path)
        policy = answer.headers["content-security-policy"]
        assert re.search(r"script-src 'self' 'nonce-[\w-]{20,}'", policy)
        assert "unsafe" not in policy
        assert "object-src 'none'; base-uri 'none'; frame-ancestors 'none'" in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"

    def test_a_nonce_is_used_once(self, app: FastAPI) -> None:
        browser = Browser(app)
        one, two = (browser.get("/things").headers["content-security-policy"] for _ in range(2))
        assert one != two

    def test_no_page_has_inline_script_or_style(self, app: FastAPI) -> None:
        browser = Browser(app)
        for path in ("/things", "/offline", "/design", "/api/docs", "/login", "/signup", "/"):
            page = browser.get(path).text
            assert not re.search(r"\son\w+=|\sstyle=|<style|<script(?![^>]*(src|nonce)=)", page), path

    @pytest.mark.asvs("3.3.1", "3.3.2", "3.3.3", "3.3.4", "3.4.1")
    def test_cookies_are_secure_by_https(self, app: FastAPI) -> None:
        app.state.settings.public_url = "https://plyo.test"
        answer = Browser(app, base_url="https://plyo.test").get("/things")
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith("__Host-plyo_csrf=")
        assert all(flag in cookie for flag in ("Secure", "HttpOnly", "SameSite=lax", "Path=/"))
        assert "Domain" not in cookie
        assert answer.headers["strict-transport-security"] == "max-age=31536000; includeSubDomains"


class TestCsrf:
    def test_a_form_from_our_page_passes_and_says_so_on_the_next(self, app: FastAPI) -> None:
        browser = Browser(app)
        browser.get("/things")
        page = browser.submit("/things", {"what": "ok"})
        assert page.status_code == 200
        assert "Done: ok" in page.text
        assert "Done: ok" not in browser.get("/things").text

    @pytest.mark.asvs("3.5.1")
    @pytest.mark.parametrize("token", ["", "0" * 64])
    def test_a_form_from_elsewhere_is_refused(self, app: FastAPI, token: str) -> None:
        browser = Browser(app)
        browser.get("/things")
        answer = browser.post("/things", data={"what": "ok", "csrf_token": token})
        assert answer.status_code == 403
        assert "reload" in answer.text

    @pytest.mark.asvs("3.5.1")
    def test_a_token_of_another_browser_is_refused(self, app: FastAPI) -> None:
        mine, theirs = Browser(app), Browser(app)
        mine.get("/things")
        theirs.get("/things")
        mine.csrf_token = theirs.csrf_token
        assert mine.submit("/things", {"what": "ok"}).status_code == 403

    def test_the_header_serves_scripts(self, app: FastAPI) -> None:
        browser = Browser(app)
        browser.get("/things")
        answer = browser.post("/things", data={"what": "ok"}, headers={"X-CSRF-Token": browser.csrf_token})
        assert answer.status_code == 200

    def test_bearer_requests_need_none(self, app: FastAPI) -> None:
        answer = Browser(app).post(
            "/things", data={"what": "ok"}, headers={"Authorization": "Bearer x"}, follow_redirects=False
        )
        assert answer.status_code == 303

    def test_a_too_large_form_is_refused(self, app: FastAPI) -> None:
        browser = Browser(app)
        browser.get("/things")
        assert browser.submit("/things", {"what": "x" * (13 * 1024 * 1024)}).status_code == 413


class TestMenu:
    @pytest.mark.parametrize(
        ("role", "labels"), [("guest", {"Things"}), ("customer", {"Talk", "Things"}), ("coach", {"Clients"})]
    )
    def test_each_role_sees_its_own(self, app: FastAPI, role: str, labels: set[str]) -> None:
        if role != "guest":
            sign_in(app, role)
        page = Browser(app).get("/things").text
        shown = {label for label in ("Talk", "Things", "Clients") if re.search(rf"(</svg>|\">){label}<", page)}
        assert shown == labels

    def test_shows_where_one_is_and_what_is_new(self, app: FastAPI) -> None:
        sign_in(app)
        page = Browser(app).get("/private").text
        assert re.search(r'href="/private" aria-current="page"', page)
        assert not re.search(r'href="/things" aria-current', page)
        assert "<span data-number>3<" in page


class TestRefusals:
    def test_a_guest_goes_to_sign_in_and_comes_back(self, app: FastAPI) -> None:
        answer = Browser(app).get("/private?day=2", follow_redirects=False)
        assert answer.status_code == 303
        assert answer.headers["location"] == "/auth/login?return_to=%2Fprivate%3Fday%3D2"

    def test_a_refused_form_returns_to_its_page_with_the_reason(self, app: FastAPI) -> None:
        browser = Browser(app)
        browser.get("/things")
        page = browser.submit("/things", {"what": "full"}, headers={"Referer": "http://testserver/things"})
        assert page.url.path == "/things"
        assert "That class is full." in page.text

    def test_a_missing_page_says_so_in_html(self, app: FastAPI) -> None:
        answer = Browser(app).get("/nope")
        assert answer.status_code == 404
        assert "There is nothing here" in answer.text
        assert "may be mistyped" in answer.text
        assert "<p>Not Found</p>" not in answer.text
        assert "To the first page" in answer.text
        came = Browser(app).get("/nope", headers={"Referer": "http://testserver/things"})
        assert 'href="/things"' in came.text

    def test_programs_get_problem_json(self, app: FastAPI) -> None:
        answer = Browser(app).get("/api/nope")
        assert answer.headers["content-type"] == "application/problem+json"


class TestSafeReturnPath:
    @pytest.mark.asvs("3.7.2")
    @pytest.mark.parametrize(
        "value",
        ["https://evil.test", "//evil.test", "/\\evil.test", "\\\\evil", "/a\nb", "javascript:alert(1)", "", None],
    )
    def test_never_leaves_the_site(self, value: str | None) -> None:
        assert safe_return_path(value, "/home") == "/home"

    def test_keeps_a_path_with_query(self) -> None:
        assert safe_return_path("/book?day=2026-03-02", "/") == "/book?day=2026-03-02"


class TestOffline:
    def test_pages_of_a_person_name_the_person(self, app: FastAPI) -> None:
        assert "x-plyo-person" not in Browser(app).get("/things").headers
        sign_in(app)
        answer = Browser(app).get("/private")
        assert re.fullmatch(r"[0-9a-f]{16}", answer.headers["x-plyo-person"])
        assert answer.headers["x-plyo-offline"] == "keep"

    def test_the_worker_keeps_the_files_of_this_build(self, app: FastAPI) -> None:
        browser = Browser(app)
        script = browser.get("/sw.js").text
        for address in re.findall(r'"(/[^"]+)"', script.split("const FILES = ")[1].split(";")[0]):
            assert browser.get(address).status_code == 200

    def test_the_app_is_installable(self, app: FastAPI) -> None:
        browser = Browser(app)
        manifest = browser.get("/manifest.webmanifest").json()
        assert manifest["display"] == "standalone"
        for icon in manifest["icons"]:
            assert browser.get(icon["src"]).status_code == 200


def test_shell_exports_what_page_modules_use() -> None:
    assert shell.NavItem is NavItem


class TestTimeZone:
    @pytest.mark.parametrize(
        ("cookie", "zone"),
        [
            ("Asia%2FHo_Chi_Minh", "Asia/Ho_Chi_Minh"),
            ("../etc/passwd", "UTC"),
            ("<script>", "UTC"),
            ("America", "UTC"),
            ("", "UTC"),
        ],
    )
    def test_a_guest_reads_times_in_their_own(self, cookie: str, zone: str) -> None:
        request = Request({"type": "http", "headers": [(b"cookie", f"plyo_tz={cookie}".encode())]})
        assert time_zone(request) == zone
