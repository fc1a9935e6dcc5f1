"""Pay slips: what a coach is paid for, as lines, and as files. Pure: the same facts give the same bytes."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from io import StringIO
from typing import cast
from uuid import UUID

from fpdf import FPDF
from fpdf.enums import XPos, YPos

from contracts.money import Money
from operational_api.commerce.billing import documents
from operational_api.commerce.billing.documents import NAVY, RULE, SOFT
from operational_api.commerce.settings import SellerSettings
from operational_api.core import spreadsheet

ROUNDING = "Rounding"
_COLUMNS = (
    "held_on", "client", "what", "changed_on", "pack_revenue", "rate_per_session", "rate_pack_share_percent",
    "session_pay", "pack_pay", "total", "currency", "booking_id", "source_id", "paid_until", "class_id",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Period:
    """A closed pay period of a coach; both days belong to it."""

    statement_id: UUID
    first_on: date
    last_on: date


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a statement is paid. `set_off_minor` of it went for statements below zero."""

    paid_minor: int
    set_off_minor: int
    left_minor: int


@dataclass(frozen=True, slots=True)
class Payout:
    """What was paid of a statement on a day. `reversal_reason` where that was taken back; `batch_id` where it was noted
    with others at once."""

    id: UUID
    amount_minor: int
    paid_on: date
    reference: str | None
    reversal_reason: str | None = None
    batch_id: UUID | None = None

    @property
    def is_reversed(self) -> bool:
        """Whether it was a mistake."""
        return self.reversal_reason is not None


@dataclass(frozen=True, slots=True)
class SlipLine:
    """A session, or what one counts for less or more than it did; then `source_type` says why (refund, dispute). Or a
    class that was assisted: it has a `class_id`, and neither a booking nor a client.

    Amounts are minor units. `revenue_minor` is of the pack's price, without tax. `per_session_minor` and `share_bp` are
    the rate of its day, None where none is set: then it is worth nothing yet. `paid_in` is the closed period that the
    session of a correction is in.
    """

    booking_id: UUID | None
    held_on: date
    client: str
    is_of_pack: bool
    revenue_minor: int
    per_session_minor: int | None
    share_bp: int | None
    session_pay_minor: int
    pack_pay_minor: int
    source_type: str | None = None
    source_id: UUID | None = None
    changed_on: date | None = None
    invoice_id: UUID | None = None
    paid_in: Period | None = None
    class_id: UUID | None = None
    class_pay_minor: int = 0

    @property
    def total_minor(self) -> int:
        """What it is worth to the coach."""
        return self.session_pay_minor + self.class_pay_minor + self.pack_pay_minor

    @property
    def has_rate(self) -> bool:
        """Whether a rate was set for its day."""
        return self.share_bp is not None or self.class_id is not None

    @property
    def words(self) -> str:
        """What it is."""
        if self.class_id:
            return "Class assisted"
        if self.source_type is None:
            return "Session of a pack" if self.is_of_pack else "Session"
        if self.revenue_minor > 0:
            return "Money came back from the bank"
        return "Money was given back" if self.source_type == "refund" else "The bank took the money back"


@dataclass(frozen=True, slots=True)
class PaySlip:
    """What a coach is paid in one currency. Without a `statement_id` the period is not closed, and lines may come and
    go. `total_minor` may be below 0: more was taken back than earned. How far it is paid is for pages: files say what
    was earned, and stay as they are."""

    coach_id: UUID
    coach: str
    currency: str
    last_on: date
    statement_id: UUID | None
    first_on: date | None
    closed_at: datetime | None
    total_minor: int
    lines: Sequence[SlipLine]
    standing: Standing | None = None
    payouts: Sequence[Payout] = ()

    @property
    def paid_on(self) -> date | None:
        """The day on which it was paid last."""
        return max((one.paid_on for one in self.payouts if not one.is_reversed), default=None)

    @property
    def sessions(self) -> list[SlipLine]:
        """Sessions, the oldest first."""
        return [line for line in self.lines if line.source_type is None and line.class_id is None]

    @property
    def classes(self) -> list[SlipLine]:
        """Classes that were assisted, the oldest first."""
        return [line for line in self.lines if line.class_id is not None]

    @property
    def corrections(self) -> list[SlipLine]:
        """What sessions count for less, or more, the oldest first."""
        return [line for line in self.lines if line.source_type is not None]

    @property
    def without_rate(self) -> int:
        """How many sessions wait for a rate: they are worth nothing yet."""
        return sum(not line.has_rate for line in self.sessions)

    @property
    def only_waits(self) -> bool:
        """Whether nothing on it has a rate: then no sum of it says anything."""
        return not any(line.has_rate for line in self.lines)

    @property
    def sums(self) -> list[tuple[str, int]]:
        """What makes the total. Periods closed before shares were rounded by the session have the difference as one."""
        found = [
            ("For sessions", sum(line.session_pay_minor for line in self.sessions)),
            ("Share of packs", sum(line.pack_pay_minor for line in self.sessions)),
        ]
        if self.classes:
            found.insert(1, ("For classes assisted", sum(line.class_pay_minor for line in self.classes)))
        if self.corrections:
            found.append(("Corrections", sum(line.pack_pay_minor for line in self.corrections)))
        if rounding := self.total_minor - sum(amount for _, amount in found):
            found.append((ROUNDING, rounding))
        return found


def sheet(slip: PaySlip, _: SellerSettings) -> bytes:
    """A slip as CSV for spreadsheets, UTF-8 and marked as that; amounts in whole units, with a point. The lines' totals
    are the slip's, with a line for rounding where a slip has that."""

    def units(amount_minor: int | None) -> str:
        return "" if amount_minor is None else str(Money(amount_minor, slip.currency).major)

    rows: list[dict[str, object]] = [
        {
            "held_on": line.held_on, "client": spreadsheet.cell(line.client), "what": line.words,
            "changed_on": line.changed_on, "pack_revenue": units(line.revenue_minor),
            "rate_per_session": units(line.per_session_minor),
            "rate_pack_share_percent": "" if line.share_bp is None else f"{line.share_bp / 100:g}",
            "session_pay": units(line.session_pay_minor + line.class_pay_minor), "pack_pay": units(line.pack_pay_minor),
            "total": units(line.total_minor), "currency": slip.currency, "booking_id": line.booking_id,
            "source_id": line.source_id, "paid_until": line.paid_in.last_on if line.paid_in else None,
            "class_id": line.class_id,
        }
        for line in slip.lines
    ]  # fmt: skip
    rows += [
        {"what": label, "pack_pay": units(amount), "total": units(amount), "currency": slip.currency}
        for label, amount in slip.sums if label == ROUNDING
    ]  # fmt: skip
    text = StringIO()
    writer = csv.DictWriter(text, _COLUMNS)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode("utf-8-sig")


_WIDTHS = (24, 44, 40, 20, 20, 22)
_HEADS = ("Day", "Client", "What", "Session", "Of pack", "Amount")


def pdf(slip: PaySlip, seller: SellerSettings) -> bytes:
    """A closed slip on A4, as many pages as its lines need.

    Raises:
        ValueError: it is not closed: there is nothing to keep yet.
    """
    if slip.closed_at is None or slip.first_on is None:
        raise ValueError("a slip that is not closed has no file")
    period = f"{documents.day(slip.first_on)} – {documents.day(slip.last_on)}"
    page = documents.paper(f"Pay statement {period}", seller, made_at=slip.closed_at)
    documents.text(page, slip.coach, size=12, style="B")
    page.ln(4)
    documents.text(page, "Pay statement", size=18, style="B")
    documents.text(page, f"{period}, in {slip.currency}. Days as the studio has them.", colour=SOFT)
    page.ln(4)
    _table(page, slip)
    page.ln(2)
    page.line(page.l_margin, page.get_y(), page.w - page.r_margin, page.get_y())
    page.ln(3)
    for label, amount, style in [*((*one, "") for one in slip.sums), ("Total", slip.total_minor, "B")]:
        page.set_font("Roboto", style, 11 if style else 10)
        page.set_text_color(*(NAVY if style else SOFT))
        page.cell(142, 6.5, label, align="R")
        page.set_text_color(*NAVY)
        page.cell(28, 6.5, str(Money(amount, slip.currency)), align="R", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    if slip.total_minor < 0:
        page.ln(4)
        documents.text(page, "More was taken back than earned: it comes off what is earned next.", colour=SOFT)
    return bytes(page.output())


def _table(page: FPDF, slip: PaySlip) -> None:
    page.set_draw_color(*RULE)
    page.set_font("Roboto", "B", 9)
    page.set_text_color(*SOFT)
    for width, head in zip(_WIDTHS, _HEADS, strict=True):
        page.cell(width, 7, head, align="L" if width > 22 else "R", border="B")
    page.ln(9)
    for line in slip.lines:
        words = line.words
        if line.changed_on:
            words += f"\n{documents.day(line.changed_on)}"
        if line.paid_in:
            words += f"\npaid until {documents.day(line.paid_in.last_on)}"
        amounts = (line.session_pay_minor + line.class_pay_minor, line.pack_pay_minor, line.total_minor)
        cells = [f"{line.held_on:%d %b %Y}", line.client, words, *(str(Money(one, slip.currency)) for one in amounts)]
        _row(page, cells)


def _row(page: FPDF, cells: Sequence[str]) -> None:
    page.set_font("Roboto", "", 9)
    page.set_text_color(*NAVY)
    heights = [
        len(cast("list[str]", page.multi_cell(width, 4.8, text, dry_run=True, output="LINES"))) * 4.8
        for width, text in zip(_WIDTHS, cells, strict=True)
    ]
    if page.will_page_break(max(heights)):
        page.add_page()
    top, left = page.get_y(), page.l_margin
    for width, text in zip(_WIDTHS, cells, strict=True):
        page.set_xy(left, top)
        page.multi_cell(width, 4.8, text, align="L" if width > 22 else "R")
        left += width
    page.set_xy(page.l_margin, top + max(heights) + 1.5)
