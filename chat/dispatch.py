"""From a stored question to a running reply: which model, what it is sent, and the start.

Nothing here asks the network or counts an old message again: it stands between a click and
the request.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import takewhile
from typing import TypedDict

from chat.attaching import Attaching
from chat.billing import Billing, sent_tokens
from chat.bounds import bounded
from chat.calls import EndedCall, NewCall
from chat.context import Fit, Said, as_turns, budget, fit
from chat.domain import (
    Attachment,
    Conversation,
    Failure,
    File,
    FileKind,
    FilePrice,
    Message,
    ReplySettings,
    Role,
    Submission,
    new_id,
    storable,
)
from chat.errors import (
    CannotSee,
    EmptyMessage,
    FileTooLong,
    MessageTooLong,
    ModelOff,
    NothingToAnswer,
    ParleyError,
    UnknownModel,
)
from chat.generation import Generation
from chat.metrics import Metrics
from chat.providers.base import Delta, Model, Provider, Request, Turn
from chat.providers.catalogue import GUIDE, Catalogue
from chat.providers.own import OwnKey, OwnKeys, check_ready, is_own
from chat.providers.vision import sees_images
from chat.replies import Replies
from chat.settings import Settings
from chat.store import Outcome, Store
from chat.store.attachments import NewAttachment
from chat.store.messages import NewAnswer, NewQuestion
from chat.tokens import PER_MESSAGE, Count, Counter
from chat.worker import Worker

log = logging.getLogger("chat.dispatch")


class _Limits(TypedDict):
    max_tokens: int
    system_tokens: int
    window_tokens: int | None
    reserve_tokens: int


class Dispatch:
    def __init__(
        self,
        settings: Settings,
        store: Store,
        catalogue: Catalogue,
        counter: Counter,
        worker: Worker,
        billing: Billing,
        *,
        metrics: Metrics | None = None,
        is_apart: bool = False,
    ) -> None:
        """With `is_apart` the ledger is in another database than `store`."""
        self._billing, self.is_apart = billing, is_apart
        self.metrics = metrics or Metrics()
        self._settings, self._store, self._catalogue = settings, store, catalogue
        self._counter, self._worker = counter, worker
        self._attaching = Attaching(settings, counter)
        self.own_keys = OwnKeys(settings)
        self.replies = Replies(self._save, self._finish)
        self.metrics.count_running(lambda: len(self.replies.running()))
        billing.switches.watch(self._stop_switched_off)

    def question(
        self,
        submission: Submission,
        settings: ReplySettings,
        kept: Sequence[Attachment] = (),
    ) -> NewQuestion:
        """A submission read and counted, or the refusal a person reads.

        `kept` are files of an older version that go with it.
        """
        text = storable(submission.text).strip()
        if not (text or submission.files or kept):
            raise EmptyMessage
        count = self._counter.count(text)
        limit = self._settings.max_user_message_tokens
        if count.tokens > limit:
            raise MessageTooLong(count.tokens, limit, is_exact=count.is_exact)
        room = self._room(settings) - count.tokens - sum(file.tokens for file in kept)
        if kept and room < 0:
            tokens = sum(file.tokens for file in kept)
            raise FileTooLong(kept[0].name, tokens=tokens, room=max(0, room + tokens))
        new = self._attaching.attach(
            submission.files, room, kept=len(kept), may_cut=submission.may_cut
        )
        self.check_sight((*kept, *new), settings)
        return NewQuestion(
            text, count.tokens, count.is_exact, new_files=new, kept_files=tuple(kept)
        )

    def price(self, files: Sequence[File], settings: ReplySettings) -> tuple[FilePrice, ...]:
        """What each file would cost as it is, with these settings, or why it cannot be sent."""
        prices = self._attaching.price(files, self._room(settings))
        try:
            self.check_sight(prices, settings)
        except CannotSee as error:
            return tuple(
                replace(price, problem=error.sentence) if price.kind is FileKind.IMAGE else price
                for price in prices
            )
        return prices

    def check_sight(
        self, files: Iterable[Attachment | NewAttachment | FilePrice], settings: ReplySettings
    ) -> None:
        """Raises `CannotSee` for a picture that the model is known not to read."""
        if any(file.kind is FileKind.IMAGE for file in files):
            try:
                _, model = self.resolve(settings)
            except UnknownModel:  # sending will say so
                return
            if sees_images(model, self._settings) is False:
                raise CannotSee(self.label(model.ref))

    def label(self, ref: str) -> str:
        if is_own(ref):
            return self.own_keys.label(ref)
        return self._catalogue.label(ref)

    def count(self, text: str) -> Count:
        return self._counter.count(text)

    def resolve(self, settings: ReplySettings, own: OwnKey | None = None) -> tuple[Provider, Model]:
        """Who answers; what is merely the first on offer gives way when it is switched off.

        A model that takes a person's own key (`is_own`) gets `own` or no reply.
        """
        default = self._settings.default_model
        if settings.model or default:
            return self._who(settings.model, own)
        provider, model = self._catalogue.resolve(None)
        if self._billing.switches.is_off(model.ref):
            for other in self._catalogue.models():
                if not self._billing.switches.is_off(other.ref):
                    return self._catalogue.resolve(other.ref)
        return provider, model

    def _who(self, ref: str | None, own: OwnKey | None) -> tuple[Provider, Model]:
        if ref and is_own(ref):
            return self.own_keys.resolve(ref, own)
        return self._catalogue.resolve(ref, self._settings.default_model)

    def find(self, typed: str, own: OwnKey | None = None) -> Model:
        """The model that somebody typed; with a key of their own, also one it may open."""
        typed = typed.strip()
        if is_own(typed):
            return self.own_keys.resolve(typed)[1]
        if own is not None and not self._catalogue.lists(typed):
            return self.own_keys.resolve(f"{own.name}/{typed}")[1]
        return self._catalogue.find(typed)[1]

    def meant(self, settings: ReplySettings) -> ReplySettings:
        """`settings` with a typed model's full reference, and nothing a database may refuse."""
        model = settings.model and self.find(settings.model).ref
        prompt = storable(settings.system_prompt)
        return replace(settings, model=model or None, system_prompt=prompt)

    @contextmanager
    def reserved(
        self,
        owner: str,
        settings: ReplySettings,
        conversation: Conversation | None = None,
        leaf_id: str | None = None,
        added: NewQuestion | None = None,
        goes_on: Message | None = None,
        own: OwnKey | None = None,
    ) -> Iterator[tuple[Generation, NewAnswer]]:
        """A reply known to this process before it is stored; forgotten if storing fails.

        It is asked for below `leaf_id`, with `added` as the question, or is an answer that
        `goes_on`. Raises `ModelOff` and, here or when it is stored, what the limits say.
        """
        provider, model = self.resolve(settings, own)
        check_ready(provider)
        label = self.label(model.ref)
        if self._billing.switches.is_off(model.ref):
            raise ModelOff(label)
        generation = Generation(goes_on.id if goes_on else new_id(), self.replies.crowd)
        tokens = None
        if self._billing.rules.limits_tokens:
            tokens = self._prompt_tokens(owner, settings, conversation, leaf_id, added, goes_on)
        call = self._billing.reply(
            owner,
            model.ref,
            self._worker.name,
            generation.answer_id,
            tokens,
            self._max_reply_tokens(settings),
            label,
        )
        generation.call = call
        self.replies.reserve(generation)
        try:
            if self.is_apart:
                self._billing.ledger.add(call)
            yield generation, self._new_answer(generation.answer_id, model.ref, call)
        except BaseException:  # whatever ends it, also Streamlit ending the script: nothing is left
            self.replies.release(generation)
            if self.is_apart:
                self._billing.ledger.drop(call.id)
            raise

    def _new_answer(self, answer_id: str, model: str, call: NewCall) -> NewAnswer:
        return NewAnswer(answer_id, model, self._worker.name, None if self.is_apart else call)

    def _prompt_tokens(
        self,
        owner: str,
        settings: ReplySettings,
        conversation: Conversation | None,
        leaf_id: str | None,
        added: NewQuestion | None,
        goes_on: Message | None,
    ) -> int:
        """About how many tokens would be sent."""
        room = self._limits(settings, goes_on.tokens if goes_on else 0)
        tokens = goes_on.tokens if goes_on else 0
        if added is not None:
            tokens += added.tokens + PER_MESSAGE
            tokens += sum(file.tokens for file in added.new_files)
            tokens += sum(file.tokens for file in added.kept_files)
        if conversation is not None and leaf_id is not None:
            before = self.fit(conversation, leaf_id).used_tokens
            # With a question more, as much as does not fit of what came before is left out.
            tokens = min(before + tokens, max(tokens, budget(**room))) if added else before + tokens
        return tokens + room["system_tokens"]

    def begin(
        self,
        conversation: Conversation,
        answer: Message,
        generation: Generation,
        own: OwnKey | None = None,
    ) -> Message:
        """Start the reply to the question above `answer`; a failure here is recorded in it."""
        try:
            # Whoever the ledger names is asked, though another tab may have chosen anew.
            provider, model = self._who(answer.model, own)
            generation.provider_label = provider.label
            sent = self.fit(conversation, answer.parent_id, so_far=answer.tokens)
            request = self._request(conversation, sent, provider, model, continues=answer.text)
            generation.sent_tokens = sent.used_tokens + answer.tokens
            generation.system_prompt = request.system_prompt
            stream: AsyncIterator[Delta] = bounded(
                provider.stream(request), self._max_reply_tokens(conversation.settings)
            )
        except Exception as error:
            log.exception("reply %s could not be begun", answer.id, extra={"answer_id": answer.id})
            stream = _failing(error if isinstance(error, ParleyError) else ParleyError())
        self.replies.start(generation, stream)
        call = generation.call
        if call is not None and call.prompt_tokens is None:
            self.replies.write_soon(lambda: self._note(generation, call))
        return answer

    def fit(self, conversation: Conversation, leaf_id: str | None, so_far: int = 0) -> Fit:
        """What would be sent if the message `leaf_id` were the last one.

        `so_far` tokens of an answer that is to go on are sent along and need their room.
        """
        cleared = set(conversation.cleared_ids)
        path = self._store.messages.steps(conversation.owner, conversation.id, leaf_id)
        return fit(
            takewhile(lambda step: step.id not in cleared, path),
            max_turns=self._settings.max_history_turns,
            **self._limits(conversation.settings, so_far),
        )

    def newest(self, owner: str, conversation: Conversation) -> tuple[Provider, Request]:
        """Who would be asked, and how, if the newest question were asked again.

        Raises `NothingToAnswer` when there is none.
        """
        leaf_id = conversation.leaf_id
        if leaf_id is not None:
            leaf = self._store.messages.get(owner, leaf_id)
            leaf_id = leaf.parent_id if leaf.role is Role.ASSISTANT else leaf_id
        provider, model = self.resolve(conversation.settings)
        sent = self.fit(conversation, leaf_id)
        if not sent.ids:
            raise NothingToAnswer
        return provider, self._request(conversation, sent, provider, model)

    def _request(
        self,
        conversation: Conversation,
        sent: Fit,
        provider: Provider,
        model: Model,
        continues: str = "",
    ) -> Request:
        return Request(
            model=model.id,
            turns=self._turns(conversation, sent, provider, model),
            system_prompt=self._system_prompt(conversation.settings),
            temperature=self._temperature(conversation.settings),
            max_tokens=self._max_reply_tokens(conversation.settings),
            continues=continues,
        )

    def _turns(
        self, conversation: Conversation, sent: Fit, provider: Provider, model: Model
    ) -> tuple[Turn, ...]:
        """What is sent, with the files it needs; Guide reads none."""
        messages = self._said(conversation, sent.ids)
        sees = sees_images(model, self._settings) is not False
        hashes = [
            file.text_sha256 or file.sha256
            for message in messages
            for file in message.attachments
            if provider.name != GUIDE and (sees or file.kind is not FileKind.IMAGE)
        ]
        return as_turns(messages, self._store.attachments.contents(hashes))

    def _said(self, conversation: Conversation, ids: Sequence[str]) -> list[Said]:
        if not ids:
            return []
        wanted = set(ids)
        found = self._store.messages.said(conversation.owner, conversation.id, ids[0], ids[-1])
        return [each for each in found if each.id in wanted]

    def _room(self, settings: ReplySettings) -> int:
        """Tokens there are for one message and its files."""
        return budget(**self._limits(settings)) - PER_MESSAGE

    def _limits(self, settings: ReplySettings, so_far: int = 0) -> _Limits:
        return {
            "max_tokens": self._settings.max_history_tokens,
            "system_tokens": self._counter.count(self._system_prompt(settings)).tokens,
            "window_tokens": self._window(settings),
            "reserve_tokens": self._max_reply_tokens(settings) + so_far,
        }

    def _system_prompt(self, settings: ReplySettings) -> str:
        return settings.system_prompt or self._settings.default_system_prompt

    def _temperature(self, settings: ReplySettings) -> float | None:
        own = settings.temperature
        return own if own is not None else self._settings.default_temperature

    def _max_reply_tokens(self, settings: ReplySettings) -> int:
        most = self._settings.max_reply_tokens
        wanted = min(settings.max_reply_tokens or most, most)
        window = self._window(settings)
        # Half of a small window stays for the question and what came before.
        return wanted if window is None else max(1, min(wanted, window // 2))

    def _window(self, settings: ReplySettings) -> int | None:
        try:
            return self.resolve(settings)[1].window_tokens
        except UnknownModel:  # it was configured once; the conversation can still be read
            return None

    def _save(self, generation: Generation) -> None:
        goes_on = self._store.replies.save(
            generation.answer_id, self._worker.name, generation.text, generation.reasoning
        )
        if not goes_on:  # another process wants its end, or has ended it
            self.replies.stop(generation.answer_id, wait=0)
            return
        if self.is_apart and generation.call is not None:
            self._billing.ledger.beat(generation.call.id)
        self._stop_if_off(generation)  # another process may have switched it off

    def _note(self, generation: Generation, call: NewCall) -> None:
        """Tell the ledger how much was sent, for the case that this process dies."""
        self._billing.ledger.note(call.id, sent_tokens(generation, self._counter))

    def _stop_switched_off(self) -> None:
        for generation in self.replies.running():
            self._stop_if_off(generation)

    def _stop_if_off(self, generation: Generation) -> None:
        if generation.call and self._billing.switches.is_off(generation.call.model):
            self.replies.stop(generation.answer_id, wait=0)

    def _finish(self, generation: Generation) -> None:
        text = generation.text
        count = self._counter.count(text)
        failure, ended = None, self._ended(generation)
        if (error := generation.failure) is not None:
            failure = Failure(error.code, error.sentence, error.details, generation.retry_at)
        outcome = Outcome(
            status=generation.status,
            text=text,
            reasoning=generation.reasoning,
            reasoning_ms=generation.reasoning_ms,
            finish_reason=generation.finish_reason,
            usage=generation.usage,
            first_token_ms=generation.first_token_ms,
            total_ms=generation.total_ms,
            failure=failure,
            tokens=count.tokens,
            is_exact=count.is_exact,
            call=None if self.is_apart else ended,
        )
        if self.is_apart and ended is not None:
            self._billing.ledger.end(ended)
        if not self._store.replies.finish(generation.answer_id, self._worker.name, outcome):
            log.warning("reply %s: its end came too late", generation.answer_id)
        log.info(
            "reply %s %s: %s tokens, first after %s ms, all after %s ms%s",
            generation.answer_id,
            generation.status,
            count.tokens,
            generation.first_token_ms,
            generation.total_ms,
            f", {failure.code}" if failure else "",
            extra={"answer_id": generation.answer_id},
        )
        self._measure(generation, ended)

    def _measure(self, generation: Generation, ended: EndedCall | None) -> None:
        error = generation.failure.code if generation.failure else ""
        first_ms, total_ms = generation.own_first_token_ms, generation.own_total_ms
        self.metrics.reply_ended(generation.status.value, error, first_ms, total_ms)
        if generation.call is not None and ended is not None:
            self.metrics.tokens_taken(
                generation.call.model,
                ended.prompt_tokens,
                ended.completion_tokens,
                is_listed=self._catalogue.offers(generation.call.model),
            )

    def _ended(self, generation: Generation) -> EndedCall | None:
        if generation.call is None:
            return None
        return self._billing.ended(generation.call, generation, self._counter)


async def _failing(error: ParleyError) -> AsyncIterator[Delta]:
    for problem in (error,):  # a generator that raises at its first step
        raise problem
    yield Delta()
