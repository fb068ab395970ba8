"""The conversation in view: from the URL, or from navigation that the browser has not applied yet.

A request that leaves the browser before the response to the last click has arrived still carries
the previous URL. If that were trusted, a message for a new or temporary conversation would be
stored in the previous one.
"""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from pages.streamlit_patches import context

NAMES = ("c", "temporary")
Params = dict[str, str]


@dataclass
class _Navigation:
    """A change of the URL from any of `left` to `to`, made during the browser's `request`."""

    to: Params
    left: list[Params]
    request: object


def in_view() -> Params:
    """Return the query parameters of what this tab shows or is about to show."""
    current = _current()
    navigation: _Navigation | None = st.session_state.get("move")
    if navigation is None or current == navigation.to:
        return current
    if context.is_history_navigation() or current not in navigation.left:
        forget()
        return current
    return dict(navigation.to)


def go(to: Params) -> None:
    """Show something else, with one entry in the browser's history."""
    here = in_view()
    if to != here:
        before: _Navigation | None = st.session_state.get("move")
        left = [*(before.left if before else []), here]
        left = [each for each in left if each != to]
        st.session_state["move"] = _Navigation(to, left, context.request_token())
    params = st.query_params.to_dict()
    wanted = {name: value for name, value in params.items() if name not in NAMES} | to
    if wanted != params:
        st.query_params.from_dict(wanted)


def begin_run() -> None:
    """Forget a navigation once a later request carries the new URL.

    If the old URL appears after that, the user went back to it.
    """
    navigation: _Navigation | None = st.session_state.get("move")
    if (
        navigation is not None
        and _current() == navigation.to
        and context.request_token() is not navigation.request
    ):
        forget()


def forget() -> None:
    """Trust the URL from now on, because another screen was opened."""
    st.session_state.pop("move", None)


def _current() -> Params:
    return {name: st.query_params[name] for name in NAMES if name in st.query_params}
