"""From a stored question to a running reply: reserved, begun, saved and ended.

Nothing here asks the network or counts an old message again: it stands between a click and
the request.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import replace

from chat.billing.call_costs import Billing, sent_tokens
from chat.config.settings import Settings
from chat.domain.calls import EndedCall, NewCall
from chat.domain.conversation import Conversation, ReplySettings
from chat.domain.ids import new_id
from chat.domain.message import Failure, Message
from chat.domain.writes import NewAnswer, NewQuestion
from chat.errors import ModelDisabled, ParleyError
from chat.observability.metrics import Metrics
from chat.providers.base import Delta
from chat.providers.catalogue import Catalogue
from chat.providers.tokenizer import Tokenizer
from chat.providers.user_keys import OwnKey, check_ready
from chat.replies.buffer import Generation
from chat.replies.request_builder import Sending
from chat.replies.runner import Replies
from chat.replies.worker_liveness import Worker
from chat.store import Outcome, Store

log = logging.getLogger("chat.replies.dispatcher")


class Dispatch(Sending):
    def __init__(
        self,
        settings: Settings,
        store: Store,
        catalogue: Catalogue,
        counter: Tokenizer,
        worker: Worker,
        billing: Billing,
        *,
        metrics: Metrics | None = None,
        is_apart: bool = False,
    ) -> None:
        """With `is_apart` the ledger is in another database than `store`."""
        super().__init__(settings, store, catalogue, counter, billing)
        self._worker, self.is_apart = worker, is_apart
        self.metrics = metrics or Metrics()
        self.replies = Replies(self._save, self._finish)
        self.metrics.count_running(lambda: len(self.replies.running()))
        billing.switches.watch(self._stop_switched_off)

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
        `goes_on`. Raises `ModelDisabled` and, here or when it is stored, what the limits say.
        """
        provider, model = self.resolve(settings, own)
        check_ready(provider)
        label = self.label(model.ref)
        if self._billing.switches.is_off(model.ref):
            raise ModelDisabled(label)
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

    def _save(self, generation: Generation) -> None:
        goes_on = self._store.replies.save(
            generation.answer_id, self._worker.name, generation.text, generation.reasoning
        )
        if not goes_on:  # another process wants its end, or has ended it
            self.replies.stop(generation.answer_id, wait=0)
            return
        if self.is_apart and generation.call is not None:
            self._billing.ledger.heartbeat(generation.call.id)
        self._stop_if_off(generation)  # another process may have switched it off

    def _note(self, generation: Generation, call: NewCall) -> None:
        """Tell the ledger how much was sent, for the case that this process dies."""
        self._billing.ledger.record_prompt_tokens(call.id, sent_tokens(generation, self._counter))

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


CHARACTERS_A_TOKEN = 40


ALWAYS = 100_000  # characters that are let through whatever was asked for


async def bounded(stream: AsyncIterator[Delta], max_tokens: int) -> AsyncIterator[Delta]:
    """`stream` until there is too much of it; then it ends as one that met its length."""
    room = max_tokens * CHARACTERS_A_TOKEN + ALWAYS
    async with aclosing(stream) as deltas:  # type: ignore[type-var]
        async for delta in deltas:
            reasoning = delta.reasoning[:room]
            room -= len(reasoning)
            text = delta.text[:room]
            room -= len(text)
            if len(reasoning) + len(text) < len(delta.reasoning) + len(delta.text):
                yield replace(delta, reasoning=reasoning, text=text, finish_reason="length")
                return
            yield delta
