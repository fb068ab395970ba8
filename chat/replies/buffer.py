"""Buffer of a running reply: its text so far, and the iterators that follow it.

The event loop of `chat.replies.runner` writes; any thread may follow at its own pace.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from chat.domain.ids import storable
from chat.domain.message import Message
from chat.errors import NotFound, StoreFailed
from chat.providers.openai_compatible.reasoning_tags import UnopenedThinkTag

MIN_POLL_INTERVAL = 0.05  # seconds between two polls of one follower
MAX_POLLS_PER_SECOND = 300  # of all followers together: each poll costs a redraw
STORE_POLL_INTERVAL = 0.3  # seconds between two database reads of one follower


@dataclass(frozen=True, slots=True)
class ReplyChunk:
    """Text and reasoning since the previous chunk; both are empty on a heartbeat."""

    text: str = ""
    reasoning: str = ""
    is_unstored: bool = False  # the reply is complete, but the database does not accept it yet


class FollowerCount:
    """Number of followers in this process. The more there are, the less often each one polls."""

    def __init__(self) -> None:
        self._size = 0
        self._lock = threading.Lock()

    @property
    def poll_interval(self) -> float:
        """Seconds between two polls of one follower."""
        return max(MIN_POLL_INTERVAL, self._size / MAX_POLLS_PER_SECOND)

    def __enter__(self) -> FollowerCount:
        with self._lock:
            self._size += 1
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._size -= 1


class ReplyBuffer:
    """Text and reasoning of one running reply. Written by the event loop only."""

    def __init__(self, followers: FollowerCount | None = None) -> None:
        self._followers = followers or FollowerCount()
        self._texts: list[str] = []
        self._reasonings: list[str] = []
        self._leading_blanks: list[str] = []  # white space before the first word
        self._unopened = UnopenedThinkTag()
        self._scan_from = 0  # index of the first text that `_unopened` was fed
        self._resumed_text = ""
        self._resumed_reasoning = ""
        self._changed = threading.Condition()
        self._version = 0  # bumped for the first words, the last ones and the end
        self._is_ended = False
        self.is_unstored = False

    @property
    def text(self) -> str:
        return "".join(self._texts)

    @property
    def reasoning(self) -> str:
        return "".join(self._reasonings)

    @property
    def has_text(self) -> bool:
        return bool(self._texts)

    def resume(self, text: str, reasoning: str) -> None:
        """Continue an earlier answer with this text and reasoning."""
        self._resumed_text, self._resumed_reasoning = text, reasoning
        if text:
            self._texts.append(text)
        if reasoning:
            self._reasonings.append(reasoning)
            self._scan_from = len(self._texts)
        else:  # the answer may have been cut while the model was still reasoning
            self._unopened.feed(text)

    def appended(self) -> tuple[str, str]:
        """Return the text and reasoning received since `resume`."""
        texts = self._texts[1:] if self._resumed_text else self._texts
        reasonings = self._reasonings[1:] if self._resumed_reasoning else self._reasonings
        return "".join(texts), "".join(reasonings)

    def add_reasoning(self, reasoning: str, *, is_new_block: bool) -> None:
        self._unopened.ignore()
        if is_new_block and self._reasonings:
            self._reasonings.append("\n\n")
        self._reasonings.append(storable(reasoning))

    def add_text(self, text: str) -> bool:
        """Append text. Return False while only leading white space has arrived."""
        if not self._texts and text.isspace():
            self._leading_blanks.append(text)
            return False
        self._texts.append("".join(self._leading_blanks) + storable(text))
        self._leading_blanks.clear()
        return True

    def closes_unopened_tag(self) -> bool:
        """Return whether the newest text holds a closing reasoning tag that was never opened."""
        return bool(self._unopened.feed(self._texts[-1]))

    def ends_with_unopened_tag(self) -> bool:
        """Like `closes_unopened_tag`, decided now that no more text will come."""
        return bool(self._unopened.finish())

    def reclassify_as_reasoning(self) -> bool:
        """Move the text before an unopened closing tag to the reasoning; return whether any moved.

        Replaces both lists, which ends the iterators of `follow`; the texts last, so that a
        concurrent save never misses a part.
        """
        assert self._unopened.span is not None
        end, begin = self._unopened.span
        scanned = "".join(self._texts[self._scan_from :])
        thoughts, rest = scanned[:end], scanned[begin:].lstrip()
        reasonings = self._reasonings.copy()
        if self._resumed_text and not self._scan_from:
            reasonings.append(thoughts[: len(self._resumed_text)])
            thoughts = thoughts[len(self._resumed_text) :]
            self._resumed_text, self._resumed_reasoning = "", reasonings[0]
        elif reasonings and thoughts.strip():
            reasonings.append("\n\n")
        has_moved = bool(thoughts.strip())
        if has_moved:
            reasonings.append(thoughts)
        self._reasonings = reasonings
        self._texts = self._texts[: self._scan_from] + ([rest] if rest else [])
        self.notify()
        return has_moved

    def follow(self) -> Iterator[ReplyChunk]:
        """Yield everything received so far, then new chunks until the reply has been stored.

        Polls about 20 times a second and yields an empty chunk when nothing arrived, which lets
        Streamlit stop the caller. Ends early when text was reclassified as reasoning: the caller
        then follows again from the start.
        """
        all_texts, all_reasonings = self._texts, self._reasonings
        text_count = reasoning_count = 0
        with self._followers as followers:
            while True:
                version, is_ended = self._version, self._is_ended
                if self._texts is not all_texts:
                    return
                texts, reasonings = all_texts[text_count:], all_reasonings[reasoning_count:]
                text_count += len(texts)
                reasoning_count += len(reasonings)
                yield ReplyChunk("".join(texts), "".join(reasonings), self.is_unstored)
                if is_ended:
                    return
                with self._changed:
                    if self._version == version:
                        self._changed.wait(followers.poll_interval)

    def wait(self, seconds: float) -> bool:
        """Wait until the end of the reply is stored; return False on timeout."""
        with self._changed:
            return self._changed.wait_for(lambda: self._is_ended, seconds)

    def notify(self) -> None:
        """Wake up the followers."""
        with self._changed:
            self._version += 1
            self._changed.notify_all()

    def close(self) -> None:
        """End all followers: the reply has been stored."""
        self._is_ended = True
        self.notify()


def follow_stored(answer: Message, reload: Callable[[], Message]) -> Iterator[ReplyChunk]:
    """Follow a reply that another process writes, by polling the database.

    Ends like `ReplyBuffer.follow`, and when the answer was deleted.
    """
    text, reasoning_length, pause = "", 0, threading.Event()
    while answer.text.startswith(text):
        yield ReplyChunk(answer.text[len(text) :], answer.reasoning[reasoning_length:])
        text, reasoning_length = answer.text, len(answer.reasoning)
        if not answer.is_live:
            return
        pause.wait(STORE_POLL_INTERVAL)
        try:
            answer = reload()
        except NotFound:
            return
        except StoreFailed:  # an outage: the reply may still be running
            continue
