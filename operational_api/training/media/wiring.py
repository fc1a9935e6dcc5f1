"""What requests about videos need of their process: settings, store, the shelf of segments. Made when first asked for;
tests and other deployments put their own on the app (`media_settings`, and `objects` of `core.objects`).
"""

from typing import Annotated

from fastapi import Depends, Request

from operational_api.core import objects
from operational_api.core.objects import ObjectStore
from operational_api.training.errors import MediaNotSetUp
from operational_api.training.media.delivery import Shelf
from operational_api.training.media.settings import MediaSettings


def _settings(request: Request) -> MediaSettings:
    state = request.app.state
    if not hasattr(state, "media_settings"):
        state.media_settings = MediaSettings()
    found: MediaSettings = state.media_settings
    return found


def store_of(request: Request) -> ObjectStore:
    """The process's object store.

    Raises:
        MediaNotSetUp: the settings name none.
    """
    found = objects.store_of(request)
    if found is None:
        raise MediaNotSetUp
    return found


def shelf_of(request: Request) -> Shelf:
    """Segments that this process keeps."""
    state = request.app.state
    if not hasattr(state, "media_shelf"):
        state.media_shelf = Shelf(store_of(request), most_bytes=_settings(request).cache_bytes)
    found: Shelf = state.media_shelf
    return found


Settings = Annotated[MediaSettings, Depends(_settings)]
