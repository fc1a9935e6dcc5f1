"""What a movement is called in the language spoken now: the one place that pages ask, as the filter `called`.

Programs, staff and the database have its English name. Nothing is looked up: the words are `training.vietnamese`.
"""

from operational_api.training import vietnamese
from operational_api.web.language import spoken


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
