"""Invoices and credit notes as PDF files. Pure: the same facts give the same bytes, on any machine and any day."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from importlib.resources import files
from pathlib import Path

from fpdf import FPDF
from fpdf.enums import XPos, YPos

from contracts.money import Money
from operational_api.commerce.billing.proration import Item
from operational_api.commerce.settings import SellerSettings

NAVY, SOFT, RULE = (22, 33, 62), (96, 104, 122), (214, 218, 228)
KINDS = {"unused": "Days not used: ", "discount": "", "membership": "", "pack": "", "drop_in": "", "intro": ""}


@dataclass(frozen=True, slots=True)
class Document:
    """What a document says. Amounts are minor units with tax in them, times UTC; shown in `time_zone`'s days.

    Args:
        title: Invoice, or Credit note.
        addressee: A name; `address` is the lines below it, or nothing.
        facts: Pairs of a label and a value, such as the due day or the number that a credit note is about.
        total_label: What the sum is: Total due, Paid, Credited.
    """

    title: str
    number: str
    issued_on: date
    issued_at: datetime
    addressee: str
    about: str | None
    facts: Sequence[tuple[str, str]]
    lines: Sequence[Item]
    currency: str
    total_minor: int
    tax_minor: int
    total_label: str
    note: str = ""
    address: str = ""


@cache
def _fonts() -> dict[str, Path]:
    folder = Path(str(files("font_roboto"))) / "files"
    return {"": folder / "Roboto-Regular.ttf", "B": folder / "Roboto-Medium.ttf"}


def render(document: Document, seller: SellerSettings) -> bytes:
    """The document on A4, one page or as many as its lines need."""
    pdf = paper(f"{document.title} {document.number}", seller, made_at=document.issued_at)
    _head(pdf, document)
    _table(pdf, document)
    _sums(pdf, document)
    if document.note:
        pdf.ln(8)
        text(pdf, document.note, colour=SOFT)
    return bytes(pdf.output())


def paper(title: str, seller: SellerSettings, *, made_at: datetime) -> FPDF:
    """A4 with who sells at its head; the file says that it was made at `made_at`, whenever it is."""
    pdf = FPDF(format="A4")
    pdf.set_creation_date(made_at)  # else the clock is in the file
    pdf.set_title(title)
    pdf.set_author(seller.name)
    pdf.set_lang("en")
    for style, file in _fonts().items():
        pdf.add_font("Roboto", style, file)
    pdf.set_margins(20, 18, 20)
    pdf.set_auto_page_break(auto=True, margin=22)
    pdf.add_page()
    text(pdf, seller.name, size=16, style="B")
    text(pdf, " · ".join(part for part in (seller.address, seller.tax_id) if part), size=9, colour=SOFT)
    pdf.ln(12)
    return pdf


def text(pdf: FPDF, words: str, *, size: float = 10, style: str = "", colour: tuple[int, int, int] = NAVY) -> None:
    """A paragraph in our font; sizes are points."""
    pdf.set_font("Roboto", style, size)
    pdf.set_text_color(*colour)
    pdf.multi_cell(0, size * 0.52, words, new_x=XPos.LMARGIN, new_y=YPos.NEXT)


def _head(pdf: FPDF, document: Document) -> None:
    text(pdf, "To", size=9, colour=SOFT)
    text(pdf, document.addressee, size=12, style="B")
    if document.address:
        text(pdf, document.address, colour=SOFT)
    if document.about:
        text(pdf, f"for {document.about}", colour=SOFT)
    pdf.ln(10)
    text(pdf, f"{document.title} {document.number}", size=18, style="B")
    pdf.ln(2)
    for label, value in [("Date", day(document.issued_on)), *document.facts]:
        pdf.set_font("Roboto", "", 10)
        pdf.set_text_color(*SOFT)
        pdf.cell(35, 6, label)
        pdf.set_text_color(*NAVY)
        pdf.multi_cell(0, 6, value, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    pdf.ln(6)


def _table(pdf: FPDF, document: Document) -> None:
    pdf.set_draw_color(*RULE)
    pdf.set_font("Roboto", "B", 9)
    pdf.set_text_color(*SOFT)
    for width, label, align in ((98, "What", "L"), (20, "Tax rate", "R"), (24, "Tax", "R"), (28, "Amount", "R")):
        pdf.cell(width, 7, label, align=align, border="B")
    pdf.ln(9)
    for line in document.lines:
        top = pdf.get_y()
        pdf.set_font("Roboto", "", 10)
        pdf.set_text_color(*NAVY)
        pdf.multi_cell(98, 5.2, _words(line), align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        bottom = pdf.get_y()
        if bottom < top:  # the words went over to the next page
            top = pdf.t_margin
        pdf.set_xy(118, top)
        rate = f"{line.tax_rate_bp / 100:g} %" if line.tax_rate_bp else ""
        pdf.cell(20, 5.2, rate, align="R")
        pdf.cell(24, 5.2, str(Money(line.tax_minor, document.currency)), align="R")
        pdf.cell(28, 5.2, str(Money(line.amount_minor, document.currency)), align="R")
        pdf.set_xy(pdf.l_margin, bottom + 2)


def _words(line: Item) -> str:
    words = f"{KINDS.get(line.kind, '')}{line.description}"
    if line.starts_on and line.ends_on:
        words += f"\n{day(line.starts_on)} – {day(max(line.starts_on, line.ends_on - timedelta(days=1)))}"
    return words


def _sums(pdf: FPDF, document: Document) -> None:
    pdf.ln(2)
    pdf.line(pdf.l_margin, pdf.get_y(), pdf.w - pdf.r_margin, pdf.get_y())
    pdf.ln(3)
    net = document.total_minor - document.tax_minor
    rows = [
        ("Without tax", net, ""),
        ("Tax", document.tax_minor, ""),
        (document.total_label, document.total_minor, "B"),
    ]
    for label, amount, style in rows:
        pdf.set_font("Roboto", style, 11 if style else 10)
        pdf.set_text_color(*(NAVY if style else SOFT))
        pdf.cell(142, 6.5, label, align="R")
        pdf.set_text_color(*NAVY)
        pdf.cell(28, 6.5, str(Money(amount, document.currency)), align="R", new_x=XPos.LMARGIN, new_y=YPos.NEXT)


def day(on: date) -> str:
    """A day in words: 3 May 2026."""
    return f"{on.day} {on:%B %Y}"
