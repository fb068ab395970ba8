"""Track which elements may be in view at each position of the page, to clear stale ones.

Streamlit removes elements of earlier runs only when a run ends. A script can be ended at any
access to the session state; what it drew until then may remain in view. An element therefore
counts as removed only after a run has drawn the page to its end. An element that is cleared and
drawn again within one run is never cleared in the browser: different content needs a different
slot.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import streamlit as st

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

_FREE = object()


@dataclass
class _Positions:
    """Per position: `in_view` and `slots` may be visible; `counts` and `chosen` are this run's."""

    in_view: dict[str, int] = field(default_factory=dict)
    slots: dict[str, list[Hashable]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    chosen: dict[str, int] = field(default_factory=dict)


def begin_run(*, is_complete: bool) -> None:
    """Start a run. If the previous one was complete, only its elements can be in view."""
    state = _state()
    if is_complete:
        state.in_view = state.counts
        state.slots = {
            position: [_FREE] * slot + [state.slots[position][slot]]
            for position, slot in state.chosen.items()
        }
    state.counts, state.chosen = {}, {}


def count(position: str) -> int:
    """Return how many elements may be in view at `position`."""
    return _state().in_view.get(position, 0)


def reserve(position: str, number: int) -> None:
    """Record that at least `number` elements are drawn at `position` by this run."""
    state = _state()
    state.counts[position] = max(state.counts.get(position, 0), number)
    state.in_view[position] = max(state.in_view.get(position, 0), number)


def fill(position: str, rows: Sequence[Callable[[], object]]) -> None:
    """Draw `rows`, each of which draws one element, and clear what may be below them."""
    reserve(position, len(rows))
    for row in rows:
        row()
    clear_below(position, len(rows))


def clear_below(position: str, number: int) -> None:
    """Clear what may be in view below the `number` elements that were drawn."""
    for _ in range(count(position) - number):
        st.empty()


def leave_empty(position: str) -> None:
    """Draw nothing at a position for one element.

    An empty container costs the browser less than `st.empty`, but would keep an older element.
    """
    if count(position):
        st.empty()
    else:
        st.container()


def single_slot(
    position: str, content: Hashable, gap: Literal["small"] | None = "small"
) -> DeltaGenerator:
    """Return a container for `content`; other content of this position is cleared.

    It must be the last element of the container that it is drawn in.
    """
    state = _state()
    slots = state.slots.setdefault(position, [])
    if content not in slots:
        if _FREE in slots:
            slots[slots.index(_FREE)] = content
        else:
            slots.append(content)
    state.chosen[position] = chosen = slots.index(content)
    drawn = [st.container(gap=gap) if slot == chosen else st.empty() for slot in range(len(slots))]
    return drawn[chosen]


def clear_slot(position: str) -> DeltaGenerator:
    """Clear what `single_slot` has drawn at `position`; return the first slot."""
    first = st.empty()
    for _ in _state().slots.get(position, [])[1:]:
        st.empty()
    return first


def _state() -> _Positions:
    state: _Positions = st.session_state.setdefault("places", _Positions())
    return state
