"""A menu entry. Contexts list theirs as `NAV` in their `pages.py`; the policy decides who sees it."""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.orm import Session

from operational_api.core.policy import may_principal
from operational_api.core.principal import Principal


@dataclass(frozen=True, slots=True)
class NavItem:
    """One entry of the menu.

    Args:
        label: One or two words.
        href: Path it leads to; the entry is current on that path and below it.
        also: Paths beside that one which belong to it.
        action: Whoever may do this sees it: the action of the route it leads to, or of what people go there for.
            None: nobody who is signed in.
        for_guests: Guests see it too.
        order: Lower comes first. The first five are in the bar at the bottom of a phone, the rest in its menu.
        icon: Name of a symbol in `static/icons.svg`.
        badge: Returns a number to show at the entry (0: nothing), given a session and the account's id.
        place: `main`; `top` for what a phone has beside the person's menu, and a desk last in the list;
            or `account` for the person's own menu.
    """

    label: str
    href: str
    action: str | None
    for_guests: bool = False
    order: int = 50
    icon: str = "chevron-right"
    badge: Callable[[Session, UUID], int] | None = None
    place: str = "main"
    also: tuple[str, ...] = ()

    def is_for(self, principal: Principal | None) -> bool:
        """Whether this person, or a guest, sees it."""
        if principal is None:
            return self.for_guests
        return self.action is not None and may_principal(principal, self.action)

    def depth(self, path: str) -> int:
        """How much of a path leads to it, in characters; 0: it is elsewhere."""
        above = (one for one in (self.href, *self.also) if f"{path}/".startswith(f"{one.rstrip('/')}/"))
        return max(map(len, above), default=0)
