"""Double entry for a whole block: journals of one kind at a time, all lines written by one statement."""

from collections.abc import Mapping

import numpy as np

from plyo.demo.batch import Batch
from plyo.demo.catalogue import CURRENCIES
from plyo.demo.columns import Coded, Ids, Ints, Times
from plyo.demo.people import Customers

ACCOUNTS = (
    "receivable", "stripe_balance", "membership_revenue", "pack_revenue", "tax_payable", "payment_fees", "refunds",
    "disputes", "bad_debt", "wallets", "wallet_top_ups", "wallet_gifts",
)  # fmt: skip


class Books:
    """Journals of a block.

    Args:
        customer: Customer of each invoice.
        studio: Studio of each invoice, for its currency.
    """

    def __init__(self, batch: Batch, customers: Customers, customer: Ints, studio: Ints) -> None:
        self._batch, self._customers = batch, customers
        self._customer, self._studio = customer, studio
        self._lines: list[tuple[Ids, Ints, Ints, Ints, Times]] = []

    def post(
        self, kind: str, source_type: str, source_ids: Ids, at: Times, invoice: Ints, amounts: Mapping[str, Ints]
    ) -> None:
        """A journal for each source.

        Args:
            invoice: Row of the invoice that each belongs to.
            amounts: By account, debit positive, one for each source; zeros write no line.

        Raises:
            ValueError: some journal does not sum to zero.
        """
        if np.any(sum(amounts.values())):
            raise ValueError(f"{kind}: a journal does not sum to zero")
        journals = self._batch.ids(at)
        self._batch.add(
            "commerce.ledger_journals", id=journals, kind=kind, source_type=source_type, source_id=source_ids,
            posted_at=at,
        )  # fmt: skip
        for account, amount in amounts.items():
            moves = amount != 0
            code = np.full(moves.sum(), ACCOUNTS.index(account))
            self._lines.append((journals[moves], code, amount[moves], invoice[moves], at[moves]))

    def write(self) -> None:
        """All lines into the batch: one table, so one statement."""
        journal, account, amount, invoice, at = (np.concatenate(column) for column in zip(*self._lines, strict=True))
        self._batch.add(
            "commerce.ledger_lines", id=self._batch.ids(at), journal_id=journal, account=Coded(account, ACCOUNTS),
            customer_id=self._customers.ids[self._customer[invoice]], amount_minor=amount,
            currency=Coded(self._studio[invoice], CURRENCIES),
        )  # fmt: skip
