"""Invoices and credit notes as files, and who may have them."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from sqlalchemy.orm import Session

from operational_api.commerce.billing.documents import Document, render
from operational_api.commerce.billing.proration import Item
from operational_api.commerce.models import Customer
from operational_api.commerce.settings import SellerSettings
from tests.factories import make_account, make_invoice
from tests.operational_api.conftest import SignIn

THEN = datetime(2026, 4, 1, 10, tzinfo=UTC)
PAPER = Document(
    title="Invoice", number="INV-2026-000001", issued_on=THEN.date(), issued_at=THEN,
    addressee="Nguyễn Thị Ánh Tuyết", about=None, facts=[("State", "Open")],
    lines=[Item("membership", "Không giới hạn", 5000, 798, 1900, THEN.date(), THEN.date() + timedelta(days=30))],
    currency="EUR", total_minor=5000, tax_minor=798, total_label="Total",
)  # fmt: skip


def characters(pdf: bytes) -> set[str]:
    """Every character that the file can turn its glyphs back into, as a reader that copies text out of it does."""
    maps = re.findall(rb"beginbfchar(.*?)endbfchar", pdf, re.DOTALL)
    return {chr(int(code, 16)) for one in maps for code in re.findall(rb"<[0-9A-F]{4}> <([0-9A-F]{4})>", one)}


class TestRender:
    def test_the_same_facts_are_the_same_bytes(self) -> None:
        seller = SellerSettings(name="Plyo GmbH", address="Berlin")
        first = render(PAPER, seller)
        assert first == render(PAPER, seller)
        assert first.startswith(b"%PDF-")

    def test_vietnamese_names_are_all_there(self) -> None:
        assert set("ễịÁếôớạ") <= characters(render(PAPER, SellerSettings()))

    def test_many_lines_go_on_over_the_page(self) -> None:
        many = render(replace(PAPER, lines=[*PAPER.lines] * 60), SellerSettings())
        assert many.count(b"/Type /Page\n") >= 2


class TestReading:
    def test_the_customer_the_payer_and_finance_may(self, session: Session, sign_in: SignIn) -> None:
        customer, payer, stranger = (make_account(session) for _ in range(3))
        session.add_all([Customer(id=customer.id, currency="EUR"), Customer(id=payer.id, currency="EUR")])
        session.flush()
        invoice, note = make_invoice(session, customer_id=customer.id, payer_id=payer.id)
        for who, expected in (
            (customer, 200), (payer, 200), (make_account(session, role="finance"), 200), (stranger, 404),
        ):  # fmt: skip
            for path in (f"invoices/{invoice.id}/file", f"credit-notes/{note.id}/file", f"invoices/{invoice.id}"):
                assert sign_in(who).get(f"/api/commerce/{path}").status_code == expected, (who.role, path)
        read = sign_in(payer).get(f"/api/commerce/invoices/{invoice.id}").json()
        assert [one["amount_minor"] for one in read["lines"]] == [9900]
        assert [one["number"] for one in read["credit_notes"]] == [note.number]
        listed = sign_in(payer).get("/api/commerce/invoices").json()["items"]
        assert [one["id"] for one in listed] == [str(invoice.id)]
