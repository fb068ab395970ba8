"""Values that widgets are given. One may not arrive: see `places`; so it is given until it has."""

from __future__ import annotations

import streamlit as st


def begin_run(*, is_whole: bool) -> None:
    """`is_whole`: the run before drew the page to its end, and the browser has it."""
    if is_whole:
        _on_its_way().clear()


def note(key: str, value: object) -> None:
    """What `again` gives from now on to the widget `key`."""
    _on_its_way()[key] = value


def again(key: str) -> None:
    """Before the widget is drawn: what it was given and may not have."""
    values = _on_its_way()
    if key in values:
        st.session_state[key] = values[key]


def show(key: str, value: object) -> None:
    """Let the widget, about to be drawn, show `value`.

    Only if it shows another one: giving would undo a change that is just on its way here.
    """
    if key not in st.session_state or st.session_state[key] != value or key in _on_its_way():
        note(key, value)
        again(key)


def drop(key: str) -> None:
    _on_its_way().pop(key, None)


def _on_its_way() -> dict[str, object]:
    values: dict[str, object] = st.session_state.setdefault("given", {})
    return values
