"""The number of open tabs, from Streamlit's own statistics."""

from __future__ import annotations

_FAMILY = "active_sessions"


def count_active_sessions() -> int | None:
    """Return how many browser sessions are connected; None if no Streamlit server runs."""
    from streamlit import runtime

    if not runtime.exists():
        return None
    stats = runtime.get_instance().stats_mgr.get_stats([_FAMILY])
    return sum(int(stat.value) for stat in stats.get(_FAMILY, []) if hasattr(stat, "value"))
