"""One short method for each thing a person can do. Ownership and limits are checked here.

Every method takes the owner first; what belongs to somebody else answers `NotFound`. Raises the
errors of `chat.errors`, each with the sentence to show. Pages and notebooks hold no other rule.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Container, Iterator, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from datetime import timedelta
from typing import Any, BinaryIO

from chat.background.backup_jobs import KEPT, Backup
from chat.background.import_jobs import ImportJob, ImportJobs
from chat.background.tasks import Chores
from chat.billing.call_costs import Billing
from chat.config.settings import Settings
from chat.domain.attachment import File, FileCost
from chat.domain.conversation import ReplySettings, new_conversation
from chat.domain.identity import require_owner
from chat.domain.message import Message, Submission
from chat.domain.person import Person
from chat.domain.title import title_from
from chat.domain.writes import NewAnswer
from chat.errors import (
    NotFound,
    NothingToAnswer,
    ProviderError,
    ReplyRunning,
    ServiceClosed,
)
from chat.providers.base import Model
from chat.providers.catalogue import Catalogue
from chat.providers.transcriber import Transcriber
from chat.providers.user_keys import OwnKey
from chat.replies.buffer import Generation, Piece, follow_stored
from chat.replies.dispatcher import Dispatch
from chat.replies.recovery import Abandoned
from chat.replies.worker_liveness import Worker
from chat.services.access import Entering
from chat.services.admin import Oversight
from chat.services.conversation_view import View, look_at
from chat.services.speech import Speech
from chat.store import Store

log = logging.getLogger("chat.service")

IDLE_TEMPORARY = timedelta(days=1)
PURGE_EVERY = 600.0  # seconds
PROVIDERS_WITHIN, CHORES_WITHIN = 5.0, 10.0  # seconds at the end, after all replies are stored


class ChatService(Oversight, Entering):
    def __init__(
        self,
        settings: Settings,
        store: Store,
        catalogue: Catalogue,
        dispatch: Dispatch,
        worker: Worker,
        billing: Billing,
        transcriber: Transcriber | None = None,
    ) -> None:
        speech_ref = transcriber.ref if transcriber else ""
        super().__init__(settings, store, dispatch, billing, speech_ref)
        self._catalogue, self._worker = catalogue, worker
        self._speech = Speech(settings, dispatch, billing, worker.name, transcriber)
        self._abandoned = Abandoned(store, dispatch.replies, worker, billing)
        self._open_temporary: Callable[[], ChatService] | None = None
        self._temporary: ChatService | None = None
        self._beside: ChatService | None = None  # whose calls are in the same ledger
        self._purge_at = 0.0
        self._chores = Chores()
        self._imports = ImportJobs()
        if not dispatch.is_apart:
            dispatch.metrics.watch_imports(self._imports.running)
        self._lock = threading.Lock()

    # --- temporary conversations ---------------------------------------------------------------

    def offer_temporary(self, opens: Callable[[], ChatService]) -> None:
        """How to open a service that keeps everything in memory."""
        self._open_temporary = opens

    @property
    def temporary(self) -> ChatService:
        """The same service with nothing written to the database; what is idle for a day goes."""
        with self._lock:
            if self._temporary is None:
                if self._open_temporary is None:
                    raise ServiceClosed
                self._temporary = self._beside = self._open_temporary()
                self._temporary._beside = self
            if time.monotonic() >= self._purge_at:
                self._purge_at = time.monotonic() + PURGE_EVERY
                self._temporary.purge_idle(IDLE_TEMPORARY)
        return self._temporary

    # --- looking -----------------------------------------------------------------------------

    def open(self, owner: str, conversation_id: str, window: int = 40) -> View:
        """The conversation as it stands, with the newest `window` messages of its path.

        There are up to 7 more, so that what is first in view does not change with each message.
        """
        # What runs is read first: if it ends while the rest is read, the page still waits for it
        # and draws again.
        running = self._store.messages.running(owner, conversation_id)
        if running and self.interrupt_abandoned():
            running = self._store.messages.running(owner, conversation_id)
        conversation = self._store.conversations.get(owner, conversation_id)
        return look_at(self._store, self._dispatch, conversation, running, window)

    def models(self) -> tuple[Model, ...]:
        """The models on offer right now; a stale list is renewed behind the scenes."""
        self._replies.submit(self._catalogue.discover(max_age=120))
        is_off = self._billing.switches.is_off
        return tuple(model for model in self._catalogue.models() if not is_off(model.ref))

    @property
    def is_discovering(self) -> bool:
        """Whether the first look for models is still under way."""
        return not self._catalogue.is_settled

    def model(self, ref: str | None = None) -> Model:
        """The model a reference stands for; None stands for the default. Raises `UnknownModel`."""
        return self._dispatch.resolve(ReplySettings(model=ref))[1]

    def settings_of(self, owner: str, conversation_id: str) -> ReplySettings:
        """What the next reply of a conversation is asked with."""
        return self._store.conversations.get(owner, conversation_id).settings

    def find_model(self, typed: str, own: OwnKey | None = None) -> Model:
        """The model somebody typed, who has a key of their own or not. Raises `UnknownModel`."""
        return self._dispatch.find(typed, own)

    def model_label(self, ref: str | None = None) -> str:
        """The name people read for a model reference; None stands for the default."""
        try:
            return self._dispatch.label(self.model(ref).ref)
        except ProviderError:
            return ref or ""

    # --- people's own keys ---------------------------------------------------------------------

    @property
    def own_key_providers(self) -> dict[str, str]:
        """Whom a person may type a key for, name and label; nobody when that is switched off."""
        return self._dispatch.own_keys.offered

    def own_key(self, provider: str, api_key: str, base_url: str = "") -> OwnKey:
        """What a person typed, checked. It is theirs to keep, and to hand in with each call.

        Raises `Refused` or `AddressRefused`.
        """
        return self._dispatch.own_keys.read(provider, api_key, base_url)

    def own_models(self, own: OwnKey) -> tuple[Model, ...]:
        """The well-known models that a key opens."""
        return self._dispatch.own_keys.resolve(f"{own.name}/-", own)[0].models()

    def discover_own_models(self, own: OwnKey) -> Future[tuple[Model, ...]]:
        """The models that the provider tells for a key, some time later, or a `ProviderError`.

        Raises `KeyChecksBusy`.
        """
        looks = self._billing.key_looks
        looks.begin()
        work = self._dispatch.own_keys.discover(own)
        try:
            told: Future[tuple[Model, ...]] = self._replies.submit(work)
        except ServiceClosed:
            work.close()
            looks.end()
            raise
        told.add_done_callback(lambda _: looks.end())
        return told

    # --- talking -----------------------------------------------------------------------------

    def send(
        self,
        owner: str,
        conversation_id: str | None,
        submission: Submission,
        settings: ReplySettings | None = None,
        *,
        own: OwnKey | None = None,
    ) -> Message:
        """Store the question and an empty answer, and start the reply; returns the answer.

        Without a conversation a new one is begun, with `settings`. `own` is the person's own key,
        for models that take one; so in the methods below.
        """
        require_owner(owner)  # before a file is read
        conversation = leaf_id = None
        if conversation_id is None:
            chosen = self._dispatch.meant(settings or ReplySettings())
        else:
            conversation = self._store.conversations.get(owner, conversation_id)
            chosen, leaf_id = conversation.settings, conversation.leaf_id
        question = self._dispatch.question(submission, chosen)
        above = (conversation, leaf_id, question)
        with self._reserved(owner, chosen, *above, own=own) as (generation, new):
            title = title_from(question.text or question.new_files[0].name)
            answer = self._store.messages.send(
                owner, conversation_id, question, new, title=title, settings=chosen
            )
        if conversation is None:
            conversation = new_conversation(owner, title, chosen, answer)
        return self._dispatch.begin(conversation, answer, generation, own)

    def edit(
        self,
        owner: str,
        message_id: str,
        submission: Submission | str,
        keep: Container[str] | None = None,
        *,
        own: OwnKey | None = None,
    ) -> Message:
        """Ask a question again in other words: a new version beside the old one.

        Its files come along, or those of them whose ids `keep` holds.
        """
        if isinstance(submission, str):
            submission = Submission(submission)
        old = self._store.messages.get(owner, message_id)
        kept = [file for file in old.attachments if keep is None or file.id in keep]
        conversation = self._store.conversations.get(owner, old.conversation_id)
        question = self._dispatch.question(submission, conversation.settings, kept)
        above = (conversation, old.parent_id, question)
        with self._reserved(owner, conversation.settings, *above, own=own) as (generation, new):
            answer = self._store.messages.edit(owner, message_id, question, new)
        return self._dispatch.begin(conversation, answer, generation, own)

    def retry(self, owner: str, message_id: str, *, own: OwnKey | None = None) -> Message:
        """Ask for an answer again: a new version beside the old one."""
        old = self._store.messages.get(owner, message_id)
        conversation = self._store.conversations.get(owner, old.conversation_id)
        question = self._question_of(owner, old)
        self._dispatch.check_sight(question.attachments, conversation.settings)
        above = (conversation, old.parent_id)
        with self._reserved(owner, conversation.settings, *above, own=own) as (generation, new):
            answer = self._store.messages.retry(owner, message_id, new)
        return self._dispatch.begin(conversation, answer, generation, own)

    def continue_(self, owner: str, message_id: str, *, own: OwnKey | None = None) -> Message:
        """Let an answer that was cut short go on where it ended; it grows in place."""
        old = self._store.messages.get(owner, message_id)
        if old.is_live:
            raise ReplyRunning
        conversation = self._store.conversations.get(owner, old.conversation_id)
        if not old.is_cut:
            raise NothingToAnswer("This reply is complete: there is nothing to continue.")
        question = self._question_of(owner, old)
        self._dispatch.check_sight(question.attachments, conversation.settings)
        above = (conversation, old.parent_id)
        with self._reserved(owner, conversation.settings, *above, goes_on=old, own=own) as (
            generation,
            again,
        ):
            answer = self._store.replies.reopen(owner, again)
            generation.resume(answer)
        return self._dispatch.begin(conversation, answer, generation, own)

    def stop(self, owner: str, conversation_id: str) -> None:
        """End the reply that runs in a conversation; its text so far is kept."""
        for answer_id in self._store.messages.running(owner, conversation_id):
            self._stop(answer_id)

    def follow(self, owner: str, answer_id: str) -> Iterator[Piece]:
        """All of a reply so far, then what comes, until its end is stored.

        Yields empty pieces while nothing comes, so that whoever follows can look up. Ends early
        when the text begins anew, because what was told of it was thinking.
        """
        answer = self._store.messages.get(owner, answer_id)
        generation = self._replies.get(answer_id)
        if generation is not None:
            yield from generation.follow()
        else:
            yield from follow_stored(answer, lambda: self._store.messages.get(owner, answer_id))

    # --- files -------------------------------------------------------------------------------

    def price(
        self,
        owner: str,
        conversation_id: str | None,
        files: Sequence[File],
        settings: ReplySettings | None = None,
    ) -> tuple[FileCost, ...]:
        """What each file would cost in the next message of a conversation (or a new one)."""
        require_owner(owner)
        chosen = settings or ReplySettings()
        if conversation_id is not None:
            chosen = self._store.conversations.get(owner, conversation_id).settings
        return self._dispatch.price(files, chosen)

    def file(self, owner: str, attachment_id: str) -> bytes:
        """What is kept of an attached file: itself, or a picture without what was hidden in it."""
        attachment = self._store.attachments.get(owner, attachment_id)
        return self._content(attachment.sha256)

    def preview(self, owner: str, attachment_id: str) -> str:
        """First rows of an attached table, as JSON: {"sheets": [{"name", "columns", "rows"}]}."""
        attachment = self._store.attachments.get(owner, attachment_id)
        found = attachment.preview_sha256
        return self._content(found).decode() if found else ""

    def _content(self, sha256: str) -> bytes:
        try:
            return self._store.attachments.contents([sha256])[sha256]
        except KeyError:
            raise NotFound from None

    # --- speech ------------------------------------------------------------------------------

    @property
    def voice_problem(self) -> str:
        """Why no speech can be turned into text; empty when it can."""
        return self._speech.problem

    def transcribe(self, owner: str, recording: File) -> Future[str]:
        """The words of a recording, some time later.

        Raises a `VoiceRefused` at once, or the future does, or a `ProviderError`.
        """
        require_owner(owner)
        return self._speech.transcribe(owner, recording)

    # --- versions, context, settings ---------------------------------------------------------

    def show_version(self, owner: str, message_id: str) -> None:
        """Put a version in view, and all that followed it."""
        self._store.messages.show_version(owner, message_id)

    def show_message(self, owner: str, message_id: str) -> int:
        """Put a message in view; returns its place from the end of the path, 1 for the last."""
        return self._store.messages.show(owner, message_id)

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

    def delete_message(self, owner: str, message_id: str) -> None:
        """Hide one message; what follows it and its other versions stay."""
        self._store.messages.set_deleted(owner, message_id, is_deleted=True)

    def undelete_message(self, owner: str, message_id: str) -> None:
        self._store.messages.set_deleted(owner, message_id, is_deleted=False)

    # --- the process ---------------------------------------------------------------------------

    def interrupt_abandoned(self) -> int:
        """Mark running replies that no living process writes as interrupted; how many.

        Those of the temporary service too, or of the one that it belongs to: limits count both.
        """
        beside = self._beside
        return self._abandoned.end() + (beside._abandoned.end() if beside else 0)

    def begin_import(self, owner: str, file: BinaryIO, name: str) -> ImportJob:
        """`import_` in the background: the job tells how far it is.

        Raises `ImportRunning` or `ImportsBusy`.
        """
        require_owner(owner)
        job = self._imports.begin(owner)

        def work() -> None:
            self._imports.run(job, lambda *hooks: self.import_(owner, file, name, *hooks))

        self.begin_chore(work)
        return job

    def import_job(self, owner: str) -> ImportJob | None:
        """The owner's running import, or the last one of this process with its report."""
        return self._imports.of(owner)

    def begin_backup(self, person: Person) -> Backup:
        """Make a backup in the background; `backup` tells how it goes. For admins.

        Raises `BackupRunning` or `BackupTooLarge`.
        """
        backup, make = self._new_backup(person)

        def work() -> None:
            make()
            self.wait_for_close(KEPT.total_seconds() + 1)
            self._backups.last()  # removes it, now that it is too old

        self.begin_chore(work)
        return backup

    def begin_chore(self, work: Callable[[], object]) -> None:
        """Do something in the background that nobody waits for, except `close`."""
        self._chores.begin(work)

    def wait_for_close(self, seconds: float) -> bool:
        """For chores that come round again: whether the service is about to close."""
        return self._chores.wait_for_close(seconds)

    def readiness(self) -> str:
        """One word for why nobody can be served just now; empty when all is well."""
        return self._store.readiness()

    def metrics(self, sessions: int | None = None) -> bytes:
        """What this process has done, as OpenMetrics text; `sessions`: how many tabs are open."""
        return self._dispatch.metrics.render(sessions)

    def close(self) -> None:
        """Interrupt what runs, store it, close connections."""
        self._chores.tell()
        self._imports.cancel_all()
        with self._lock:
            self._open_temporary, temporary = None, self._temporary
            self._beside = None
        replies = [self._replies, *([temporary._replies] if temporary else [])]
        for each in replies:  # nobody is waited for before all are told
            each.tell_all()
        for each in replies:
            each.wait_for_all()
        with ExitStack() as last:  # the last one first; one that fails keeps no other open
            last.callback(self._store.close)
            last.callback(self._worker.retire)
            last.callback(self._backups.close)
            last.callback(self._chores.end, CHORES_WITHIN)
            last.callback(self._replies.close)
            last.callback(self._close_providers)
            if temporary is not None:
                temporary._beside = None
                last.callback(temporary.close)

    def _close_providers(self) -> None:
        try:
            self._replies.settle(0.3)
            self._replies.submit(self._catalogue.close()).result(PROVIDERS_WITHIN)
            self._replies.submit(self._speech.close()).result(PROVIDERS_WITHIN)
        except TimeoutError:
            log.warning("a provider did not close in time")

    def _reserved(
        self, owner: str, *args: Any, **kwargs: Any
    ) -> AbstractContextManager[tuple[Generation, NewAnswer]]:
        if self._billing.rules.limits_replies:
            self.interrupt_abandoned()  # what a dead process wrote takes nobody's place
        return self._dispatch.reserved(owner, *args, **kwargs)

    def _question_of(self, owner: str, answer: Message) -> Message:
        if answer.parent_id is not None:
            question = self._store.messages.get(owner, answer.parent_id)
            if not question.is_deleted:
                return question
        raise NothingToAnswer
