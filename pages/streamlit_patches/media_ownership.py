"""Record for which visitor a media file is added, so that `/media` serves it to them only.

Upstream: streamlit/streamlit#8148 ("File Caching Results in Authorisation Bypass").
Symptom: everyone who has the address of an image or a download can fetch it while it is in
memory. Addresses can be copied and are kept in browser histories and proxy logs.
Versions: all up to 1.67. `server/private_media.py` refuses what `MediaOwners` does not allow.
"""

from __future__ import annotations

import os
from typing import Any

from streamlit.runtime.media_file_manager import MediaFileManager

from pages.streamlit_patches.media_owners import MediaOwners
from pages.streamlit_patches.replacement import Replacement

_add = MediaFileManager.add
_add_deferred = MediaFileManager.add_deferred
_execute_deferred = MediaFileManager.execute_deferred
_ADD_PARAMETERS = (
    "path_or_data",
    "mimetype",
    "coordinates",
    "file_name",
    "is_for_static_download",
)
_ADD_DEFERRED_PARAMETERS = ("data_callable", "mimetype", "coordinates", "file_name", "element_id")


def replacements(owners: MediaOwners) -> list[Replacement]:
    def add(manager: MediaFileManager, *args: Any, **kwargs: Any) -> str:
        url = _add(manager, *args, **kwargs)
        owners.add(_file_id(url), manager._file_metadata, manager._deferred_callables)
        return url

    def add_deferred(manager: MediaFileManager, *args: Any, **kwargs: Any) -> str:
        file_id = _add_deferred(manager, *args, **kwargs)
        owners.add(file_id, manager._file_metadata, manager._deferred_callables)
        return file_id

    def execute_deferred(manager: MediaFileManager, file_id: str) -> str:
        url = _execute_deferred(manager, file_id)  # not on a script thread: no current visitor
        files = (manager._file_metadata, manager._deferred_callables)
        owners.copy(file_id, _file_id(url), *files)
        return url

    return [
        Replacement(MediaFileManager, "add", _ADD_PARAMETERS, add),
        Replacement(MediaFileManager, "add_deferred", _ADD_DEFERRED_PARAMETERS, add_deferred),
        Replacement(MediaFileManager, "execute_deferred", ("file_id",), execute_deferred),
    ]


def _file_id(url: str) -> str:
    return os.path.splitext(url.rpartition("/")[2])[0]
