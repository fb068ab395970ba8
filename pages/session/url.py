"""What is in view is said by the page's address; and what of it the browser has not heard yet.

A request that leaves the browser before the answer to the last click has come still carries the
address that was left. Taken at its word, words meant for a new or a temporary conversation would
be stored in the one before.
"""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

NAMES = ("c", "temporary")
Address = dict[str, str]


@dataclass
class _Move:
    """From the addresses `left` to `to`, as the browser's `request` had it."""

    to: Address
    left: list[Address]
    request: object


def in_view() -> Address:
    """What this tab shows, or is about to show."""
    told = _told()
    move: _Move | None = st.session_state.get("move")
    if move is None or told == move.to:
        return told
    context = get_script_run_ctx()
    is_way_back = context is not None and context.is_history_navigation
    if is_way_back or told not in move.left:
        forget()
        return told
    return dict(move.to)


def go(to: Address) -> None:
    """Put something else in view, in one step: the way back leads through every address."""
    here = in_view()
    if to != here:
        before: _Move | None = st.session_state.get("move")
        left = [*(before.left if before else []), here]
        st.session_state["move"] = _Move(to, [each for each in left if each != to], _request())
    told = st.query_params.to_dict()
    wanted = {name: value for name, value in told.items() if name not in NAMES} | to
    if wanted != told:
        st.query_params.from_dict(wanted)


def begin_run() -> None:
    """Once a later request carries the new address, the old one is meant when it comes again."""
    move: _Move | None = st.session_state.get("move")
    if move is not None and _told() == move.to and _request() is not move.request:
        forget()


def forget() -> None:
    """Another screen was opened: whatever address leads back from there is meant."""
    st.session_state.pop("move", None)


def _request() -> object:
    """One object for a request and for the runs that a script asks for after it."""
    context = get_script_run_ctx()
    return None if context is None else context.context_info


def _told() -> Address:
    return {name: st.query_params[name] for name in NAMES if name in st.query_params}
