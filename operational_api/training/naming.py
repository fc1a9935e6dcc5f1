"""What a movement, and a workout that has no title, is called in the language spoken now: the one place that pages ask,
for movements as the filter `called`.

Programs, staff and the database have its English name. Nothing is looked up: the words are `training.vietnamese`.
"""

from collections.abc import Iterable, Sequence

from operational_api.training import vietnamese
from operational_api.web.language import SOURCE, say, speaking, spoken, word


def called(name: str) -> str:
    """A movement by its English name. In Vietnamese with the English behind where that says more: `Gánh tạ (Barbell
    Squat)`, for gyms call machines by it; as it is where no word of it is known."""
    if spoken() != vietnamese.LANGUAGE or (own := vietnamese.name_of(name)) is None:
        return name
    return own if vietnamese.is_whole(name) else f"{own} ({name})"


def about(name: str, muscle: str, kit: str) -> str:
    """The line under it: its muscle and kit, and its English name where `called` leaves it out."""
    if spoken() != vietnamese.LANGUAGE:
        return f"{muscle.capitalize()} · {kit}"
    told = f"{vietnamese.said(muscle)} · {vietnamese.said(kit)}"
    return f"{name} · {told}" if vietnamese.is_whole(name) else told.capitalize()


def titled(title: str, movements: Iterable[str]) -> str:
    """What a workout is called: its title, else what was done in it, by the English names of its movements in order.

    Workouts that nobody planned had such words for a title, in English, when that was still written down: they are said
    anew.
    """
    done = list(dict.fromkeys(movements))
    if title and (spoken() == SOURCE or not _is_made_of(title, done)):
        return title
    return _joined(done)


def _is_made_of(title: str, done: Sequence[str]) -> bool:
    with speaking(SOURCE):
        return title == _joined(done)


def _joined(done: Sequence[str]) -> str:
    first, more = ", ".join(called(name) for name in done[:2]), len(done) - 2
    return say(word("{1} and {2} more"), first, more) if more > 0 else first or say(word("Workout"))
