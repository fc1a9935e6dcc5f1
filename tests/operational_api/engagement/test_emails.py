"""What e-mails say, and that each reason is one e-mail."""

import re
from datetime import UTC, datetime
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from jinja2 import Environment, nodes
from sqlalchemy import select
from sqlalchemy.orm import Session

from operational_api.engagement.channels import rendering
from operational_api.engagement.channels.email import compose
from operational_api.engagement.channels.port import Ready
from operational_api.engagement.channels.rendering import calendar_entry, local_time, render
from operational_api.engagement.errors import UnknownTemplate
from operational_api.engagement.models import OutgoingEmail
from operational_api.engagement.public import queue_email
from operational_api.engagement.service.emails import TEMPLATES
from operational_api.web.language import LANGUAGES

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
VALUES: dict[str, Any] = {
    "name": "Mia <b> Maier", "path": "/verify-email?token=abc&x=1", "booking_id": "b1", "title": "Personal, training",
    "coach": "Ana Ruiz", "location": "Plyo Kreuzberg", "starts_at": "2026-03-29T08:00:00+00:00",
    "ends_at": "2026-03-29T09:00:00+00:00", "time_zone": "Europe/Berlin", "is_late": True, "is_by_coach": False,
    "amount_minor": 990000, "currency": "VND", "is_trial": True, "is_paid_for": True,
    "code": "012345", "what": "A passkey was <b> added",
    "detail": "It is <script> new.", "subject": "News <b>", "sender": "Ana", "body": "Hi <script>\nSecond line",
    "expires_at": "2026-03-28T08:00:00+00:00", "renews_at": "2027-03-28T22:00:00+00:00", "pays": True,
    "author": "Ana <b> Ruiz", "label": "Books <b>", "reason": "failing", "week_of": "2026-03-23",
    "last_at": "2026-03-28T22:59:59+00:00", "assistant": "Ben <b> Okoro", "is_series": True,
}  # fmt: skip
URL = "https://plyo.example"
FOLDER = Path(rendering.__file__).parent.parent / "templates" / "emails"


def sentences(name: str) -> set[str]:
    """All words that a template writes itself: between its tags, and in the texts that it hands to components."""
    tree = Environment(autoescape=True).parse((FOLDER / name).read_text())
    told = {one.data for one in tree.find_all(nodes.TemplateData)}
    told |= {one.value for one in tree.find_all(nodes.Const) if isinstance(one.value, str)}
    words = {" ".join(one.split()) for one in told}
    return {one for one in words if re.search(r"[A-Za-z]{2}", one) and not re.fullmatch(r"[/a-z_?=.#{}-]+", one)}


def message(template: str, context: dict[str, Any], language: str) -> Ready:
    rendered = render(template, context, public_url=URL, language=language)
    return Ready(
        id=UUID(int=7), template=template, purpose="coaching", recipient="mia@plyo.test", rendered=rendered,
        language=language, created_at=NOON,
    )  # fmt: skip


class TestQueueEmail:
    def test_is_one_for_one_reason(self, session: Session) -> None:
        given = {"recipient": "mia@plyo.test", "template": "password_changed", "context": {"name": "Mia"}, "now": NOON}
        assert queue_email(session, dedupe_key="k", **given) is True
        assert queue_email(session, dedupe_key="k", **given) is False
        assert len(session.scalars(select(OutgoingEmail)).all()) == 1

    def test_refuses_unknown_templates_and_missing_values(self, session: Session) -> None:
        given = {"dedupe_key": "k", "recipient": "mia@plyo.test", "now": NOON}
        with pytest.raises(UnknownTemplate, match="No e-mail is called 'spam'"):
            queue_email(session, template="spam", context={}, **given)
        with pytest.raises(UnknownTemplate, match="needs path"):
            queue_email(session, template="verify_email", context={"name": "Mia"}, **given)


class TestRender:
    @pytest.mark.asvs("1.2.1")
    @pytest.mark.parametrize("language", LANGUAGES)
    @pytest.mark.parametrize("template", sorted(TEMPLATES))
    def test_every_template_says_the_same_in_all_parts_and_escapes(self, template: str, language: str) -> None:
        needed = {key: VALUES[key] for key in TEMPLATES[template]}
        mail = render(template, needed, public_url=URL, language=language)
        assert mail.subject
        assert mail.short
        assert "\n" not in mail.short
        assert f'lang="{language}"' in mail.html
        assert "\n" not in mail.subject
        assert "<script>" not in mail.html
        assert "<b>" not in mail.html
        assert mail.html.startswith("<!doctype html>")
        assert f'href="{URL}' in mail.html
        assert f"{URL}" in mail.text
        assert all(len(line) < 200 for line in mail.text.splitlines())

    @pytest.mark.parametrize("break_", ["\r", "\r\n", "\n", "\x0b", "\x85", "\u2028"], ids=ascii)
    @pytest.mark.parametrize("language", LANGUAGES)
    @pytest.mark.parametrize("template", sorted(TEMPLATES))
    def test_no_value_ends_a_header_or_a_line_of_a_calendar(self, template: str, language: str, break_: str) -> None:
        words = (
            "title", "coach", "location", "what", "detail", "subject", "sender", "author", "body", "label", "name",
            "code",
        )  # fmt: skip
        hostile = dict.fromkeys(words, f"A{break_}Bcc: eve@example.test{break_}{break_}B")
        needed = {key: (VALUES | hostile)[key] for key in TEMPLATES[template]}
        made = compose(message(template, needed, language), "Plyo <hello@plyo.test>")
        mail = message_from_bytes(made.as_bytes(), policy=policy.default)
        whole = compose(message(template, {key: VALUES[key] for key in needed}, language), "Plyo <hello@plyo.test>")
        assert mail.keys() == whole.keys()
        assert mail["Subject"].strip() == made["Subject"]
        for _, _, entry in message(template, needed, language).rendered.attachments:
            assert not any(line.startswith("Bcc") for line in entry.splitlines())

    @pytest.mark.parametrize("template", sorted(TEMPLATES))
    def test_no_sentence_of_english_is_left_in_vietnamese(self, template: str) -> None:
        assert sentences(f"{template}.jinja")
        assert not sentences(f"{template}.jinja") & sentences(f"vi/{template}.jinja")

    def test_shows_the_way_out_where_there_is_one(self) -> None:
        way = f"{URL}/unsubscribe/x"
        mail = render("announcement", VALUES, public_url=URL, language="vi", unsubscribe_url=way)
        assert f"Hủy đăng ký: {way}" in mail.text
        assert f'href="{way}"' in mail.html
        assert "unsubscribe" not in render("announcement", VALUES, public_url=URL).html

    def test_links_start_at_the_public_address(self) -> None:
        mail = render("verify_email", VALUES, public_url=URL)
        assert f"{URL}/verify-email?token=abc&x=1" in mail.text
        assert f'href="{URL}/verify-email?token=abc&amp;x=1"' in mail.html

    def test_writes_money_as_the_reader_does(self) -> None:
        context = {"name": "Mia", "amount_minor": 1_500_000, "currency": "VND"}
        told = render("payment_receipt", context, public_url="http://plyo", language="vi").text
        assert "1.500.000\xa0₫" in told or "1.500.000 ₫" in told

    def test_shows_money_and_local_time(self) -> None:
        assert "990,000 ₫" in render("payment_receipt", VALUES, public_url=URL).subject
        at = "2026-03-29T08:00:00+00:00"
        assert local_time(at, "Europe/Berlin") == "Sunday 29 March, 10:00 (Berlin time)"
        assert local_time(at, "Asia/Ho_Chi_Minh", "vi") == "Chủ Nhật 29/3/2026, 15:00 (giờ Ho Chi Minh)"

    def test_attaches_the_session_for_the_calendar(self) -> None:
        [(name, kind, entry)] = render("booking_confirmed", VALUES, public_url=URL).attachments
        assert (name, kind) == ("session.ics", "text/calendar")
        assert entry == calendar_entry(VALUES)
        assert "DTSTART:20260329T080000Z\r\n" in entry
        assert "SUMMARY:Personal\\, training with Ana Ruiz\r\n" in entry
