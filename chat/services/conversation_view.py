"""What is drawn of a conversation: the newest messages, and what is said between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chat.domain.context_window import ContextWindow
from chat.domain.conversation import Conversation
from chat.domain.message import Message, Versions
from chat.replies.dispatcher import Dispatch
from chat.store import Store

STEP = 8  # messages


@dataclass(frozen=True, slots=True)
class View:
    """What a page draws of a conversation: the newest messages of the path, oldest first."""

    conversation: Conversation
    messages: tuple[Message, ...]
    versions: dict[str, Versions]
    older: int  # messages of the path above the window
    marks: dict[str, str]  # message shown → the clear mark right above it
    mark_at_end: str | None  # the clear mark below the last message
    context: ContextWindow
    failed_retry: Message | None  # a try that failed and left the old version in view
    running: tuple[str, ...]  # ids of the replies being written, in view or not

    @property
    def running_id(self) -> str | None:
        """The reply to wait for: the one in view if it runs, else one in another version."""
        # The two are read one after the other; a reply that ends in between is still followed.
        if self.live is not None:
            return self.live.id
        return self.running[0] if self.running else None

    @property
    def live(self) -> Message | None:
        """The reply being written, when it is the one in view."""
        last = self.messages[-1] if self.messages else None
        return last if last is not None and last.is_live else None


def look_at(
    store: Store,
    dispatch: Dispatch,
    conversation: Conversation,
    running: Sequence[str],
    window: int,
) -> View:
    """The newest `window` messages of the path in view; `running` was read before the rest.

    Up to `STEP - 1` more come with them: what is first in view stays so for a few messages, and
    what stands on a page does not move with each one.
    """
    newest = store.messages.path(
        conversation.owner, conversation.id, conversation.leaf_id, window + STEP - 1
    )
    if newest:
        newest = newest[: window + (newest[0].depth + 1) % STEP]
    versions = store.messages.versions(newest)
    # A deleted version is still drawn, as a line, where it is the way to the others.
    shown = tuple(
        message
        for message in reversed(newest)
        if not message.is_deleted or versions[message.id].count > 1
    )
    marks, mark_at_end = _marks(conversation, newest)
    failed = None
    if conversation.leaf_id and not running:
        failed = store.messages.failed_retry(conversation.leaf_id)
    return View(
        conversation=conversation,
        messages=shown,
        versions=versions,
        older=newest[-1].depth if newest else 0,
        marks=marks,
        mark_at_end=mark_at_end,
        context=dispatch.fit(conversation, conversation.leaf_id),
        failed_retry=failed,
        running=tuple(running),
    )


def _marks(
    conversation: Conversation, newest_first: list[Message]
) -> tuple[dict[str, str], str | None]:
    """Clear marks by the message shown below each, and the one below the last message."""
    cleared, marks, above = set(conversation.cleared_ids), {}, None
    for message in reversed(newest_first):
        if above and not message.is_deleted:
            marks[message.id] = above
            above = None
        if message.id in cleared:
            above = message.id
    return marks, above
