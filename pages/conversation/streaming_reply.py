"""Follow a running reply and render it as it grows.

The page only reads the reply. The worker writes and stores it, independent of the page.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from functools import partial

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from chat import Message, NotStoredYet, ReplyChunk
from pages.markdown import block_splitter, sanitize
from pages.rendering import stale_elements
from pages.session import tab_state

Update = Callable[[], object]
MAX_REASONING = 2000  # characters of the reasoning that are shown while it is streamed


def wait_for_end(answer_id: str) -> None:
    """Block until a reply ends that is not in view."""
    for _ in tab_state.service().messages.follow(answer_id):
        tab_state.checkpoint()


class StreamingReply:
    """A running reply, rendered in the layout that `transcript` uses for a finished one.

    The constructor renders the text so far without waiting; `follow` renders the rest as it
    arrives. `place` identifies the slot in `stale_elements`, to remove the rest of a longer reply
    that was rendered there before.
    """

    def __init__(self, answer: Message, place: str) -> None:
        self._place = place
        stale_elements.reserve(f"{place} first", 1)
        self._segments = _ReplySegments(tab_state.service().messages.follow(answer.id))
        known = self._segments.known()
        self._thinking, self._text = st.empty(), st.container()
        # The note replaces the actions of a finished reply.
        self._segments.set_note_place(stale_elements.clear_slot(place))
        if not known:
            self._thinking.markdown(":gray[:shimmer[Thinking…]]")
        with self._text:
            stale_count = stale_elements.count(place)
            stale_elements.reserve(place, len(known))
            # Markdown and not a stream, which would blank the text first.
            self._cells = [st.markdown(segment) for segment in known]
            self._cells += [st.empty() for _ in range(stale_count - len(known))]

    def follow(self) -> None:
        """Render the rest of the reply until it ends."""
        self._draw_thinking()
        st.write_stream(_UpdateStream.of(self._updates()))

    def _updates(self) -> Iterator[Update]:
        """Yield a function for each change of the page; `write_stream` calls it.

        Yielded strings would be Markdown that the frontend completes while it is open, although
        it does not know which of it is text: after "i<n" the rest of the reply would disappear.
        """
        count, cells, segments = 0, self._cells, self._segments
        while not segments.is_done:
            if count == len(cells):
                stale_elements.reserve(self._place, count + 1)
                cells.append(self._text.empty())
            for text in segments.stream_segment():
                yield partial(cells[count].markdown, text)
            count += 1

    def _draw_thinking(self) -> None:
        status = inner = None
        for reasoning in self._segments.stream_reasoning():
            if status is None or inner is None:
                status = self._thinking.status(":shimmer[Thinking…]", type="compact")
                inner = status.empty()
            inner.markdown(sanitize.markdown(reasoning[-MAX_REASONING:], is_growing=True))
        if status is None:
            self._thinking.empty()
        else:
            status.update(label="Thought", state="complete")


class _UpdateStream(tuple[Update, ...]):
    """An iterator of functions that `st.write_stream` accepts without importing pandas.

    Streamlit 1.67 imports pandas to check whether any other iterable is a table, which takes 80 MB
    and delays the first reply of the process by a second.
    """

    updates: Iterator[Update]

    @classmethod
    def of(cls, updates: Iterator[Update]) -> _UpdateStream:
        stream = cls()
        stream.updates = updates
        return stream

    def __iter__(self) -> Iterator[Update]:
        return self.updates


class _ReplySegments:
    """The text of a reply, split into segments that no longer change once they are finished."""

    def __init__(self, chunks: Iterator[ReplyChunk]) -> None:
        self._chunks = chunks
        self._splitter = block_splitter.BlockSplitter()
        self._finished: deque[str] = deque()
        self._reasoning = ""
        self._is_exhausted = self._has_text = False
        self.is_done = False  # all segments of the finished reply were streamed
        self._note_place: DeltaGenerator | None = None
        self._read()  # the first chunk holds the text so far and is available at once

    def set_note_place(self, place: DeltaGenerator) -> None:
        """Set where to render the note that the reply cannot be stored."""
        self._note_place = place

    def _read(self) -> None:
        tab_state.checkpoint()
        chunk = next(self._chunks, None)
        if chunk is None:
            self._is_exhausted = True
            return
        if chunk.is_unstored and self._note_place is not None:
            self._note_place.caption(f":material/sync_problem: {NotStoredYet.sentence}")
            self._note_place = None  # render it only once
        self._reasoning += chunk.reasoning
        if chunk.text:
            self._has_text = True
            self._finished.extend(self._splitter.feed(chunk.text))

    def known(self) -> list[str]:
        """Return the segments read so far, sanitized, including the open one."""
        known = [sanitize.markdown(segment) for segment in self._finished]
        pending = self._splitter.pending
        return [*known, sanitize.markdown(pending, is_growing=True)] if pending else known

    def stream_reasoning(self) -> Iterator[str]:
        """Yield the reasoning so far whenever it grew, until the first text or the end."""
        yielded = 0
        while True:
            if len(self._reasoning) > yielded:
                yielded = len(self._reasoning)
                yield self._reasoning
            if self._has_text or self._is_exhausted:
                return
            self._read()

    def stream_segment(self) -> Iterator[str]:
        """Yield the current segment, sanitized, whenever it grew, until it is finished."""
        yielded = ""
        while True:
            is_finished = bool(self._finished)
            text = self._finished.popleft() if is_finished else self._splitter.pending
            is_growing = not (is_finished or self._is_exhausted)
            sanitized = sanitize.markdown(text, is_growing=is_growing)
            if sanitized != yielded:
                yield sanitized
                yielded = sanitized
            if not is_growing:
                self.is_done = self._is_exhausted and not self._finished and not is_finished
                return
            self._read()
