"""Detection of hosts that delete the disk at every start, where the history would be lost. Pure.

Streamlit Community Cloud runs each app below /mount/src, in a container that is recreated when
the app changes, moves or wakes up.
"""

from __future__ import annotations

from pathlib import PurePath

from chat.config.settings import Settings

COMMUNITY_CLOUD = PurePath("/mount/src")


def is_history_persistent(settings: Settings, folder: PurePath) -> bool:
    """Return whether stored data survives a restart. `folder` is the folder of the app."""
    if not settings.database_url.startswith("sqlite"):
        return True
    if settings.disk_is_kept is not None:
        return settings.disk_is_kept
    return not is_community_cloud(folder)


def is_community_cloud(folder: PurePath) -> bool:
    """Return whether Streamlit Community Cloud runs the app in this folder."""
    return folder.is_relative_to(COMMUNITY_CLOUD)
