"""A menu entry. Contexts list theirs as `NAV` in their `pages.py`; the shell shows each role its own."""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.orm import Session


@dataclass(frozen=True, slots=True)
class NavItem:
    """One entry of the menu.

    Args:
        label: One or two words.
        href: Path it leads to; the entry is current on that path and below it.
        roles: Who sees it: guest, customer, coach, admin.
        order: Lower comes first. The first five are in the bar at the bottom of a phone, the rest in its menu.
        icon: Name of a symbol in `static/icons.svg`.
        badge: Returns a number to show at the entry (0: nothing), given a session and the account's id.
        place: `main`, or `account` for the person's own menu.
    """

    label: str
    href: str
    roles: tuple[str, ...] = ("customer",)
    order: int = 50
    icon: str = "chevron-right"
    badge: Callable[[Session, UUID], int] | None = None
    place: str = "main"
