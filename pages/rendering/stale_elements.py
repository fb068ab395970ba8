"""What can stand at each place of this tab's page, for Streamlit keeps it until a run ends.

A script can end at any look at the session; what it drew by then stays in view, or never leaves
the server, for a new run throws away what was not sent. So nothing that was ever drawn counts as
gone before a run has drawn the page to its end. What is emptied and filled again in one run is
never emptied in the browser: something else needs a slot of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

_FREE = object()


@dataclass
class _Places:
    """`drawn` and `slots`: what can be there; `counts` and `chosen`: what this run has drawn."""

    drawn: dict[str, int] = field(default_factory=dict)
    slots: dict[str, list[Hashable]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    chosen: dict[str, int] = field(default_factory=dict)


def begin_run(*, is_whole: bool) -> None:
    """`is_whole`: the run before drew the page to its end, and the browser has it."""
    known = _known()
    if is_whole:
        known.drawn = known.counts
        known.slots = {
            place: [_FREE] * slot + [known.slots[place][slot]]
            for place, slot in known.chosen.items()
        }
    known.counts, known.chosen = {}, {}


def drawn(place: str) -> int:
    """How many elements can be in view at `place`."""
    return _known().drawn.get(place, 0)


def at_least(place: str, count: int) -> None:
    """So many are about to be drawn there."""
    known = _known()
    known.counts[place] = max(known.counts.get(place, 0), count)
    known.drawn[place] = max(known.drawn.get(place, 0), count)


def fill(place: str, rows: Sequence[Callable[[], object]]) -> None:
    """Draw `rows`, an element each, and nothing below them."""
    at_least(place, len(rows))
    for row in rows:
        row()
    empty_below(place, len(rows))


def empty_below(place: str, count: int) -> None:
    """Take away what can stand below the `count` elements that were drawn."""
    for _ in range(drawn(place) - count):
        st.empty()


def leave_empty(place: str) -> None:
    """Nothing, where one thing can stand: a container without content costs the browser least.

    But it would keep what stood there before.
    """
    if drawn(place):
        st.empty()
    else:
        st.container()


def only(place: str, what: Hashable, gap: Literal["small"] | None = "small") -> DeltaGenerator:
    """A container for `what` and nothing else; the last thing in the container it is drawn in."""
    known = _known()
    slots = known.slots.setdefault(place, [])
    if what not in slots:
        if _FREE in slots:
            slots[slots.index(_FREE)] = what
        else:
            slots.append(what)
    known.chosen[place] = chosen = slots.index(what)
    drawn = [st.container(gap=gap) if slot == chosen else st.empty() for slot in range(len(slots))]
    return drawn[chosen]


def nothing(place: str) -> DeltaGenerator:
    """Empties what `only` has drawn at `place`; the first slot."""
    first = st.empty()
    for _ in _known().slots.get(place, [])[1:]:
        st.empty()
    return first


def _known() -> _Places:
    known: _Places = st.session_state.setdefault("places", _Places())
    return known
