"""One short method for each thing a person can do. Ownership and limits are checked here.

Every method takes the owner first; what belongs to somebody else answers `NotFound`. Raises the
errors of `chat.errors`, each with the sentence to show. Pages and notebooks hold no other rule.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from chat.context import Fit
from chat.dispatch import Dispatch
from chat.domain import Conversation, Message, ReplySettings, Submission, Versions
from chat.errors import NothingToAnswer, ProviderError, ReplyRunning
from chat.generation import Piece
from chat.providers.base import Model
from chat.providers.catalogue import Catalogue
from chat.settings import Settings
from chat.store import Store
from chat.tree import title_from
from chat.worker import Worker

log = logging.getLogger("chat.service")

LOOK_AGAIN = 0.3  # seconds between looks at a reply that another process writes


@dataclass(frozen=True, slots=True)
class View:
    """What a page draws of a conversation: the newest messages of the path, oldest first."""

    conversation: Conversation
    messages: tuple[Message, ...]
    versions: dict[str, Versions]
    older: int  # messages of the path above the window
    marks: dict[str, str]  # message shown → the clear mark right above it
    mark_at_end: str | None  # the clear mark below the last message
    context: Fit
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


class ChatService:
    def __init__(
        self,
        settings: Settings,
        store: Store,
        catalogue: Catalogue,
        dispatch: Dispatch,
        worker: Worker,
    ) -> None:
        self.settings = settings
        self._store, self._catalogue = store, catalogue
        self._dispatch, self._replies, self._worker = dispatch, dispatch.replies, worker

    # --- looking -----------------------------------------------------------------------------

    def conversations(self, owner: str, limit: int = 50) -> list[Conversation]:
        """The owner's conversations, the latest first."""
        return self._store.conversations.latest(owner, limit)

    def search(self, owner: str, text: str, limit: int = 20) -> list[Conversation]:
        """Conversations that hold every word of `text` in their title or messages."""
        words = text.split()[:8]
        return self._store.conversations.search(owner, words, limit) if words else []

    def open(self, owner: str, conversation_id: str, window: int = 40) -> View:
        """The conversation as it stands, with the newest `window` messages of its path."""
        # What runs is read first: if it ends while the rest is read, the page still waits for it
        # and draws again.
        running = self._store.messages.running(owner, conversation_id)
        if running and self.interrupt_abandoned():
            running = self._store.messages.running(owner, conversation_id)
        conversation = self._store.conversations.get(owner, conversation_id)
        newest = self._store.messages.path(owner, conversation_id, conversation.leaf_id, window)
        versions = self._store.messages.versions(newest)
        # A deleted version is still drawn, as a line, where it is the way to the others.
        shown = tuple(
            message
            for message in reversed(newest)
            if not message.is_deleted or versions[message.id].count > 1
        )
        marks, mark_at_end = _marks(conversation, newest)
        failed = None
        if conversation.leaf_id and not running:
            failed = self._store.messages.failed_retry(conversation_id, conversation.leaf_id)
        return View(
            conversation=conversation,
            messages=shown,
            versions=versions,
            older=newest[-1].depth if newest else 0,
            marks=marks,
            mark_at_end=mark_at_end,
            context=self._dispatch.fit(owner, conversation, conversation.leaf_id),
            failed_retry=failed,
            running=tuple(running),
        )

    def models(self) -> tuple[Model, ...]:
        """The models on offer right now; a stale list is renewed behind the scenes."""
        self._replies.submit(self._catalogue.discover(max_age=120))
        return self._catalogue.models()

    @property
    def is_discovering(self) -> bool:
        """Whether the first look for models is still under way."""
        return not self._catalogue.is_settled

    def model(self, ref: str | None = None) -> Model:
        """The model a reference stands for; None stands for the default. Raises `UnknownModel`."""
        return self._dispatch.resolve(ReplySettings(model=ref))[1]

    def find_model(self, typed: str) -> Model:
        """The model somebody typed. Raises `UnknownModel`."""
        return self._catalogue.find(typed)[1]

    def model_label(self, ref: str | None = None) -> str:
        """The name people read for a model reference; None stands for the default."""
        try:
            return self._catalogue.label(self.model(ref).ref)
        except ProviderError:
            return ref or ""

    # --- talking -----------------------------------------------------------------------------

    def send(
        self,
        owner: str,
        conversation_id: str | None,
        submission: Submission,
        settings: ReplySettings | None = None,
    ) -> Message:
        """Store the question and an empty answer, and start the reply; returns the answer.

        Without a conversation a new one is begun, with `settings`.
        """
        question = self._dispatch.question(submission.text)
        if conversation_id is None:
            chosen = self._dispatch.meant(settings or ReplySettings())
        else:
            chosen = self._store.conversations.get(owner, conversation_id).settings
        with self._dispatch.reserved(chosen) as (generation, new):
            title = title_from(question.text)
            answer = self._store.messages.send(
                owner, conversation_id, question, new, title=title, settings=chosen
            )
        return self._dispatch.begin(owner, answer, generation)

    def edit(self, owner: str, message_id: str, text: str) -> Message:
        """Ask a question again in other words: a new version beside the old one."""
        old = self._store.messages.get(owner, message_id)
        question = self._dispatch.question(text)
        conversation = self._store.conversations.get(owner, old.conversation_id)
        with self._dispatch.reserved(conversation.settings) as (generation, new):
            answer = self._store.messages.edit(owner, message_id, question, new)
        return self._dispatch.begin(owner, answer, generation)

    def retry(self, owner: str, message_id: str) -> Message:
        """Ask for an answer again: a new version beside the old one."""
        old = self._store.messages.get(owner, message_id)
        conversation = self._store.conversations.get(owner, old.conversation_id)
        if not self._has_question(owner, old):
            raise NothingToAnswer
        with self._dispatch.reserved(conversation.settings) as (generation, new):
            answer = self._store.messages.retry(owner, message_id, new)
        return self._dispatch.begin(owner, answer, generation)

    def continue_(self, owner: str, message_id: str) -> Message:
        """Let an answer that was cut short go on where it ended; it grows in place."""
        old = self._store.messages.get(owner, message_id)
        if old.is_live:
            raise ReplyRunning
        conversation = self._store.conversations.get(owner, old.conversation_id)
        if not old.is_cut:
            raise NothingToAnswer("This reply is complete: there is nothing to continue.")
        if not self._has_question(owner, old):
            raise NothingToAnswer
        with self._dispatch.reserved(conversation.settings, old.id) as (generation, again):
            answer = self._store.replies.reopen(owner, again)
            generation.resume(answer)
        return self._dispatch.begin(owner, answer, generation)

    def stop(self, owner: str, conversation_id: str) -> None:
        """End the reply that runs in a conversation; its text so far is kept."""
        for answer_id in self._store.messages.running(owner, conversation_id):
            self._replies.stop(answer_id)

    def follow(self, owner: str, answer_id: str) -> Iterator[Piece]:
        """All of a reply so far, then what comes, until its end is stored.

        Yields empty pieces while nothing comes, so that whoever follows can look up.
        """
        answer = self._store.messages.get(owner, answer_id)
        generation = self._replies.get(answer_id)
        if generation is not None:
            yield from generation.follow()
        else:
            yield from self._follow_stored(owner, answer)

    # --- versions, context, settings ---------------------------------------------------------

    def show_version(self, owner: str, message_id: str) -> None:
        """Put a version in view, and all that followed it."""
        self._store.messages.show_version(owner, message_id)

    def clear(self, owner: str, conversation_id: str) -> None:
        """Begin the context afresh; the messages stay readable."""
        self._store.conversations.clear(owner, conversation_id)

    def unclear(self, owner: str, conversation_id: str, message_id: str) -> None:
        """Take a clear mark back."""
        self._store.conversations.unclear(owner, conversation_id, message_id)

    def change_settings(self, owner: str, conversation_id: str, **changes: Any) -> None:
        """Change what the next replies are asked with (fields of `ReplySettings`)."""
        settings = self._store.conversations.get(owner, conversation_id).settings
        changed = replace(settings, **changes)
        if "model" in changes:
            changed = self._dispatch.meant(changed)
        self._store.conversations.change_settings(owner, conversation_id, changed)

    def rename(self, owner: str, conversation_id: str, title: str) -> None:
        self._store.conversations.rename(owner, conversation_id, title_from(title))

    def delete(self, owner: str, conversation_id: str) -> None:
        """Delete a conversation and stop a reply that runs in it; `undelete` undoes it."""
        running = self._store.conversations.set_deleted(owner, conversation_id, is_deleted=True)
        for answer_id in running:
            self._replies.stop(answer_id)

    def undelete(self, owner: str, conversation_id: str) -> None:
        self._store.conversations.set_deleted(owner, conversation_id, is_deleted=False)

    def delete_message(self, owner: str, message_id: str) -> None:
        """Hide one message; what follows it and its other versions stay."""
        self._store.messages.set_deleted(owner, message_id, is_deleted=True)

    def undelete_message(self, owner: str, message_id: str) -> None:
        self._store.messages.set_deleted(owner, message_id, is_deleted=False)

    # --- the process ---------------------------------------------------------------------------

    def interrupt_abandoned(self) -> int:
        """Mark running replies that no living process writes as interrupted; how many."""
        return self._store.replies.interrupt_abandoned(
            lambda answer_id, worker, beat: (
                self._replies.get(answer_id) is None and not self._worker.is_alive(worker, beat)
            )
        )

    def close(self) -> None:
        """Interrupt what runs, store it, close connections."""
        try:
            self._replies.interrupt()
            self._replies.submit(self._catalogue.close()).result(timeout=5)
        except TimeoutError:
            log.warning("a provider did not close in time")
        finally:
            self._replies.close()
            self._worker.retire()
            self._store.close()

    def _has_question(self, owner: str, answer: Message) -> bool:
        if answer.parent_id is None:
            return False
        return not self._store.messages.get(owner, answer.parent_id).is_deleted

    def _follow_stored(self, owner: str, answer: Message) -> Iterator[Piece]:
        """Follow a reply that another process writes, through the database."""
        seen, seen_reasoning, pause = 0, 0, threading.Event()
        while True:
            yield Piece(answer.text[seen:], answer.reasoning[seen_reasoning:])
            seen, seen_reasoning = len(answer.text), len(answer.reasoning)
            if not answer.is_live:
                return
            pause.wait(LOOK_AGAIN)
            self.interrupt_abandoned()
            answer = self._store.messages.get(owner, answer.id)


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
