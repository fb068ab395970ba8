"""Whether the history outlives the machine: not where a host empties the disk at every start. Pure.

Streamlit Community Cloud runs every app below /mount/src, in a container that it makes anew when
the app is changed, moved or wakes up.
"""

from __future__ import annotations

from pathlib import PurePath

from chat.config.settings import Settings

COMMUNITY_CLOUD = PurePath("/mount/src")


def is_history_persistent(settings: Settings, folder: PurePath) -> bool:
    """Whether what is stored will be there after the next start; `folder` is that of the app."""
    if not settings.database_url.startswith("sqlite"):
        return True
    if settings.disk_is_kept is not None:
        return settings.disk_is_kept
    return not folder.is_relative_to(COMMUNITY_CLOUD)
