"""An account that closes, and what others do for it at that moment: whoever comes second waits, and sees it.

What is done for a person by somebody else has no session of theirs that would end with the account. Without this, it
could be decided before the account closes and be there after everything of the account was undone.
"""

from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session


def wait_for_others(session: Session, account_id: UUID) -> None:
    """Before an account is closed: what is being done for it is done first, and nothing begins until the transaction
    ends."""
    session.execute(select(func.pg_advisory_xact_lock(_key(account_id))))


def put_off(session: Session, account_id: UUID) -> None:
    """The account closes only once this transaction has ended. Whether it is open is to be asked after this, and this
    before anything else is locked."""
    session.execute(select(func.pg_advisory_xact_lock_shared(_key(account_id))))


def _key(account_id: UUID) -> object:
    return func.hashtextextended(f"closing/{account_id}", 0)
