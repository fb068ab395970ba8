"""The uploaded files that Streamlit holds in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from pages.streamlit_patches.session_owners import owner_of


def held_uploads() -> Mapping[str, int]:
    """Return the number of bytes held for each visitor, by cookie; "" for unknown ones."""
    from streamlit import runtime

    found: Counter[str] = Counter()
    if not runtime.exists():
        return found
    process: Any = runtime.get_instance()
    sessions: dict[str, dict[str, Any]] = getattr(process.uploaded_file_mgr, "file_storage", {})
    for session_id, files in list(sessions.items()):
        info = process._session_mgr.get_session_info(session_id)
        visitor = owner_of(info.session) if info is not None else None
        found[visitor or ""] += sum(len(file.data) for file in list(files.values()))
    return found
