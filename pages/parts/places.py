"""What stands at each place of this tab's page, for Streamlit keeps it until a run ends.

A script can end at any look at the session, and what it drew stays in view. So what is about to be
drawn is noted before it is drawn, and what is taken away afterwards: too much is known, never too
little. A place is one container, whatever is drawn there.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Literal

import streamlit as st
from streamlit.delta_generator import DeltaGenerator


def drawn(place: str) -> int:
    """How many elements can be in view at `place`."""
    return _counts().get(place, 0)


def at_least(place: str, count: int) -> None:
    """So many can be there from now on, because they are about to be drawn."""
    counts = _counts()
    counts[place] = max(counts.get(place, 0), count)


def fill(place: str, rows: Sequence[Callable[[], object]]) -> None:
    """Draw `rows`, an element each, and nothing below them."""
    at_least(place, len(rows))
    for row in rows:
        row()
    just(place, len(rows))


def just(place: str, count: int) -> None:
    """Take away what stands below the `count` elements that were drawn."""
    for _ in range(drawn(place) - count):
        st.empty()
    _counts()[place] = count


def leave_empty(place: str) -> None:
    """Nothing, where one thing can stand: a container without content costs the browser least.

    But it would keep what stood there before.
    """
    if drawn(place):
        st.empty()
        _counts()[place] = 0
    else:
        st.container()


def only(place: str, what: Hashable, gap: Literal["small"] | None = "small") -> DeltaGenerator:
    """A container for `what`: the one it had, or a new one if something else stood there."""
    occupants: dict[str, Hashable] = st.session_state.setdefault("occupants", {})
    was = occupants.pop(place, None)
    container = st.container(gap=gap) if was == what else st.empty().container(gap=gap)
    occupants[place] = what
    return container


def forget(place: str) -> None:
    """Something is about to be drawn at `place` that is not to stay there."""
    st.session_state.setdefault("occupants", {}).pop(place, None)


def _counts() -> dict[str, int]:
    counts: dict[str, int] = st.session_state.setdefault("drawn", {})
    return counts
