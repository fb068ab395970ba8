"""Re-send programmatic widget values until a complete run has delivered them.

A script can be ended before Streamlit has sent a value that was assigned to a widget's key; see
`stale_elements`. The next run then reports the widget's old value as if the user had entered it.
"""

from __future__ import annotations

import streamlit as st


def begin_run(*, is_complete: bool) -> None:
    """Forget the values that the previous run delivered, if it has drawn the page to its end."""
    if is_complete:
        _queued().clear()


def queue(key: str, value: object) -> None:
    """Set the value that `resend` assigns to the widget `key` until it is delivered."""
    _queued()[key] = value


def resend(key: str) -> None:
    """Assign the queued value again, if there is one. Call it before the widget is drawn."""
    values = _queued()
    if key in values:
        st.session_state[key] = values[key]


def push(key: str, value: object) -> None:
    """Make the widget `key`, which is drawn next, show `value`.

    Nothing is assigned if it shows the value already: that would undo a change by the user that
    has not reached the server.
    """
    if key not in st.session_state or st.session_state[key] != value or key in _queued():
        queue(key, value)
        resend(key)


def cancel(key: str) -> None:
    """Drop the queued value of the widget `key`."""
    _queued().pop(key, None)


def _queued() -> dict[str, object]:
    values: dict[str, object] = st.session_state.setdefault("given", {})
    return values
