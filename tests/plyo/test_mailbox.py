"""The local mailbox as the process it is: mails in by SMTP, out by page and JSON, kept over a restart."""

import os
import signal
import smtplib
import subprocess
import sys
import time
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import httpx
import pytest

from plyo.mailbox.store import Store
from plyo.postgres import free_port

ROOT = Path(__file__).parents[2]


def mail(to: str = "mia@plyo.test", subject: str = "Hello", **headers: str) -> EmailMessage:
    """A mail with both parts, a link and a script that must never run."""
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "Plyo <hello@plyo.test>", to, subject
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    message.set_content("Confirm: http://127.0.0.1:8400/verify-email?token=a&b=1 <b>")
    message.add_alternative("<p>Confirm <script>alert(1)</script><a href='/x'>here</a></p>", subtype="html")
    message.add_attachment("BEGIN:VCALENDAR", subtype="calendar", filename="session.ics")
    return message


class Mailbox:
    """The process under test."""

    def __init__(self, folder: Path) -> None:
        self.smtp_port, self.port = free_port(), free_port()
        self.environment = os.environ | {
            "PYTHONPATH": str(ROOT), "PLYO_MAILBOX_FOLDER": str(folder), "PLYO_MAILBOX_CAPACITY": "3",
            "PLYO_MAILBOX_SMTP_PORT": str(self.smtp_port), "PLYO_MAILBOX_PORT": str(self.port),
        }  # fmt: skip
        self.web = httpx.Client(base_url=f"http://127.0.0.1:{self.port}")
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen([sys.executable, "-m", "plyo.mailbox"], env=self.environment)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                self.web.get("/live")
                return
            except httpx.TransportError:
                time.sleep(0.05)
        raise TimeoutError("the mailbox did not start")

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(15)

    def send(self, *mails: EmailMessage) -> None:
        with smtplib.SMTP("127.0.0.1", self.smtp_port) as server:
            for one in mails:
                server.send_message(one)

    def subjects(self, to: str = "") -> list[str]:
        items = self.web.get("/mailbox/api/messages", params={"to": to} if to else {}).json()["items"]
        return [item["subject"] for item in items]


@pytest.fixture
def mailbox(tmp_path: Path) -> Iterator[Mailbox]:
    mailbox = Mailbox(tmp_path)
    yield mailbox
    mailbox.process.kill()
    mailbox.process.wait()


class TestMailbox:
    def test_keeps_what_it_took_and_shows_it_safely(self, mailbox: Mailbox) -> None:
        mailbox.send(mail(subject="Confirm <i>"), mail(to="ana@plyo.test", subject="Other"))
        [item] = mailbox.web.get("/mailbox/api/messages", params={"to": "MIA@"}).json()["items"]
        assert item["links"] == ["http://127.0.0.1:8400/verify-email?token=a&b=1"]
        assert item["attachments"] == [{"name": "session.ics", "type": "text/calendar", "bytes": 17}]
        assert "Confirm &lt;i&gt;" in mailbox.web.get("/mailbox/").text
        page = mailbox.web.get(f"/mailbox/messages/{item['id']}")
        assert "<script>alert" not in page.text
        assert "allow-scripts" not in page.text
        frame = mailbox.web.get(f"/mailbox/messages/{item['id']}/html")
        assert frame.headers["content-security-policy"].startswith("sandbox allow-top-navigation-by-user-activation")
        assert '<base target="_top">' in frame.text
        plain = mailbox.web.get(f"/mailbox/messages/{item['id']}", params={"view": "text"}).text
        assert 'href="http://127.0.0.1:8400/verify-email?token=a&amp;b=1"' in plain
        attachment = mailbox.web.get(f"/mailbox/messages/{item['id']}/attachments/0")
        assert attachment.headers["content-disposition"] == 'attachment; filename="session.ics"'

    def test_keeps_them_over_a_restart_and_only_the_newest(self, mailbox: Mailbox) -> None:
        mailbox.send(*(mail(subject=str(n)) for n in range(5)))
        assert mailbox.subjects() == ["4", "3", "2"]
        # uvicorn ends cleanly, then hands the signal on, which the interpreter's own end may overtake.
        assert mailbox.stop() in (0, -signal.SIGTERM)
        mailbox.start()
        assert mailbox.subjects() == ["4", "3", "2"]

    def test_a_repeat_takes_the_place_of_the_first(self, mailbox: Mailbox) -> None:
        mailbox.send(mail(Message_ID="<1@plyo.test>", subject="once"), mail(Message_ID="<1@plyo.test>", subject="once"))
        assert mailbox.subjects() == ["once"]

    def test_answers_what_is_not_there_with_404(self, mailbox: Mailbox) -> None:
        mailbox.send(mail())
        name = mailbox.web.get("/mailbox/api/messages").json()["items"][0]["id"]
        for path in ("messages/none", "messages/none/html", f"messages/{name}/attachments/7", "static/../store.py"):
            assert mailbox.web.get(f"/mailbox/{path}").status_code == 404

    def test_is_emptied_by_its_own_page_only(self, mailbox: Mailbox) -> None:
        mailbox.send(mail())
        assert mailbox.web.post("/mailbox/clear", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
        assert mailbox.subjects() == ["Hello"]
        assert mailbox.web.post("/mailbox/clear").status_code == 303
        assert mailbox.subjects() == []


class TestStore:
    def test_reads_past_half_written_and_undecodable_mails(self, tmp_path: Path) -> None:
        (tmp_path / "0.tmp").write_bytes(b"half")
        raw = b'Subject: odd\r\nContent-Type: text/plain; charset="no-such"\r\n\r\nna\xefve'
        assert Store(tmp_path, capacity=5).add(raw, recipients=["mia@plyo.test"]).text == "na\xefve"
        assert [one.subject for one in Store(tmp_path, capacity=5).newest_first()] == ["odd"]
        assert list(tmp_path.glob("*.tmp")) == []
