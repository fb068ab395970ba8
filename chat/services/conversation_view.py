"""The part of a conversation that a page shows: newest messages, versions, context marks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chat.domain.context_window import ContextWindow
from chat.domain.conversation import Conversation
from chat.domain.message import Message, Versions
from chat.replies.request_builder import RequestBuilder
from chat.store import Store

STEP = 8  # messages


@dataclass(frozen=True, slots=True)
class ConversationView:
    """A conversation as a page shows it: the newest messages of its path, oldest first."""

    conversation: Conversation
    messages: tuple[Message, ...]
    versions: dict[str, Versions]
    older: int  # messages of the path above the window
    marks: dict[str, str]  # message shown → the clear mark right above it
    mark_at_end: str | None  # the clear mark below the last message
    context: ContextWindow
    failed_retry: Message | None  # a failed retry; the old version is still shown
    running: tuple[str, ...]  # ids of running replies, shown or not

    @property
    def running_id(self) -> str | None:
        """The id of the shown reply if it is running, otherwise of one in another version."""
        # Both are read separately; a reply that ends in between is still followed.
        if self.live is not None:
            return self.live.id
        return self.running[0] if self.running else None

    @property
    def live(self) -> Message | None:
        """The running reply, if it is the one shown."""
        last = self.messages[-1] if self.messages else None
        return last if last is not None and last.is_live else None


def load_view(
    store: Store,
    requests: RequestBuilder,
    conversation: Conversation,
    running: Sequence[str],
    window: int,
) -> ConversationView:
    """Load the newest `window` messages of the current path; `running` was read before.

    Loads up to `STEP - 1` more, so that the first message shown changes only every few messages
    and the page does not scroll with each one.
    """
    newest = store.messages.path(
        conversation.owner, conversation.id, conversation.leaf_id, window + STEP - 1
    )
    if newest:
        newest = newest[: window + (newest[0].depth + 1) % STEP]
    versions = store.messages.versions(newest)
    # A deleted message with other versions is shown as a line with the version arrows.
    shown = tuple(
        message
        for message in reversed(newest)
        if not message.is_deleted or versions[message.id].count > 1
    )
    marks, mark_at_end = _marks(conversation, newest)
    failed = None
    if conversation.leaf_id and not running:
        failed = store.messages.failed_retry(conversation.leaf_id)
    return ConversationView(
        conversation=conversation,
        messages=shown,
        versions=versions,
        older=newest[-1].depth if newest else 0,
        marks=marks,
        mark_at_end=mark_at_end,
        context=requests.fit(conversation, conversation.leaf_id),
        failed_retry=failed,
        running=tuple(running),
    )


def _marks(
    conversation: Conversation, newest_first: list[Message]
) -> tuple[dict[str, str], str | None]:
    """Return clear marks by the message shown below each, and the one below the last message."""
    cleared, marks, above = set(conversation.cleared_ids), {}, None
    for message in reversed(newest_first):
        if above and not message.is_deleted:
            marks[message.id] = above
            above = None
        if message.id in cleared:
            above = message.id
    return marks, above
