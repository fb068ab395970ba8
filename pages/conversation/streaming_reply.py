"""Follows a running reply: the page only watches, the worker writes, whatever happens here."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import accumulate

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from chat import Message, NotStoredYet, Piece
from pages.markdown import block_splitter, sanitize
from pages.rendering import stale_elements
from pages.session import tab_state, visitor

THINKING_SHOWN = 2000  # characters of thinking shown while it comes


def wait(answer_id: str) -> None:
    """Wait for the end of a reply that is not in view."""
    for _ in tab_state.service().follow(visitor.owner(), answer_id):
        tab_state.beat()


class Running:
    """A running reply, drawn where `transcript` draws a finished one: what there is, at once.

    `follow` draws the rest as it comes. `place` names it, to clear what an earlier, longer reply
    left there.
    """

    def __init__(self, answer: Message, place: str) -> None:
        self._place = place
        stale_elements.at_least(f"{place} first", 1)
        self._reply = _Reply(tab_state.service().follow(visitor.owner(), answer.id))
        known = [sanitize.markdown(block) for block in self._reply.known()]
        self._thinking, self._text = st.empty(), st.container()
        self._reply.say_below(
            stale_elements.nothing(place)
        )  # where the actions come when it is over
        if not known:
            self._thinking.markdown(":gray[:shimmer[Thinking…]]")
        with self._text:
            there = stale_elements.drawn(place)
            stale_elements.at_least(place, len(known))
            self._cells = [st.markdown(block) for block in known]  # it does not vanish meanwhile
            self._cells += [st.empty() for _ in range(there - len(known))]
        self._filled = len(known)

    def follow(self) -> None:
        self._draw_thinking()
        count, cells, reply = 0, self._cells, self._reply
        while not reply.is_done:
            if count == len(cells):
                stale_elements.at_least(self._place, count + 1)
                cells.append(self._text.empty())
            if count < self._filled:
                _go_on(cells[count], reply.block())
            else:
                cells[count].write_stream(_Stream.of(reply.block()))
            self._filled = max(self._filled, count + 1)
            count += reply.block_is_done

    def _draw_thinking(self) -> None:
        status = inner = None
        for reasoning in self._reply.thinking():
            if status is None or inner is None:
                status = self._thinking.status(":shimmer[Thinking…]", type="compact")
                inner = status.empty()
            inner.markdown(sanitize.markdown(reasoning[-THINKING_SHOWN:]))
        if status is None:
            self._thinking.empty()
        else:
            status.update(label="Thought", state="complete")


def _go_on(cell: DeltaGenerator, pieces: Iterator[str]) -> None:
    """Stream into a cell that shows text; `write_stream` would empty it first, for all to see."""
    for text in accumulate(pieces):
        cell.markdown(text)


class _Stream(tuple[str, ...]):
    """What `write_stream` takes at its word: it imports pandas to see that others are no table.

    That is 80 MB, and a second of everybody's first reply.
    """

    pieces: Iterator[str]

    @classmethod
    def of(cls, pieces: Iterator[str]) -> _Stream:
        stream = cls()
        stream.pieces = pieces
        return stream

    def __iter__(self) -> Iterator[str]:
        return self.pieces


class _Reply:
    """The pieces of a reply, cut into blocks that never change once they are finished."""

    def __init__(self, pieces: Iterator[Piece]) -> None:
        self._pieces = pieces
        self._splitter = block_splitter.BlockSplitter()
        self._finished: deque[str] = deque()
        self._reasoning = ""
        self._is_over = self._has_text = False
        self.block_is_done = False
        self._below: DeltaGenerator | None = None
        self._read()  # all there is, without waiting

    def say_below(self, place: DeltaGenerator) -> None:
        """Where to say what keeps a reply from its end."""
        self._below = place

    @property
    def is_done(self) -> bool:
        return self._is_over and not self._finished and self.block_is_done

    def _read(self) -> None:
        tab_state.beat()
        piece = next(self._pieces, None)
        if piece is None:
            self._is_over = True
            return
        if piece.is_unstored and self._below is not None:
            self._below.caption(f":material/sync_problem: {NotStoredYet.sentence}")
            self._below = None  # once is enough
        self._reasoning += piece.reasoning
        if piece.text:
            self._has_text = True
            self._finished.extend(self._splitter.feed(piece.text))

    def known(self) -> list[str]:
        """The blocks so far, the open one included."""
        return [*self._finished, *filter(None, [self._splitter.pending])]

    def thinking(self) -> Iterator[str]:
        """The thinking so far, each time it grew, until the first text or the end."""
        told = 0
        while True:
            if len(self._reasoning) > told:
                told = len(self._reasoning)
                yield self._reasoning
            if self._has_text or self._is_over:
                return
            self._read()

    def block(self) -> Iterator[str]:
        """The open block as it grows, ready to draw, until it is finished.

        Ends early, with `block_is_done` false, when what was drawn must be drawn anew: a later
        character can change what an earlier one means (a `$` that turns out to open a formula).
        """
        drawn = ""
        self.block_is_done = False
        while True:
            is_finished = bool(self._finished)
            text = self._finished[0] if is_finished else self._splitter.pending
            safe = sanitize.markdown(text)
            if not safe.startswith(drawn):
                return
            if len(safe) > len(drawn):
                yield safe[len(drawn) :]
                drawn = safe
            if is_finished:
                self._finished.popleft()
            if is_finished or self._is_over:
                self.block_is_done = True
                return
            self._read()
